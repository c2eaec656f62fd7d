"""Benches at toy size, so that none rots: they run, account for every click, and their charts can be drawn."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import orjson

from bench.__main__ import BENCHES, parser
from bench.charts import CHARTS
from bench.endtoend import run as run_endtoend
from bench.footprint import run as run_footprint
from bench.growth import run as run_growth
from bench.pace import Pace, Schedule
from bench.postback import run as run_postback
from bench.redirect import ASGI, FAST, STARLETTE, SYNCED, UVICORN, run
from bench.results import keep


def test_the_redirect_bench_accounts_for_every_click(tmp_path: Path) -> None:
    """Clicks kept = redirects sent, on every server that keeps them; those that are not here say why."""
    result = run(seconds=0.2, rounds=1, connections=4)
    rows = {row["server"]: row for row in result["servers"]}
    assert {FAST, ASGI, SYNCED, UVICORN, STARLETTE} <= set(rows)
    assert len(rows) + len(result["skipped"]) == 8
    assert all(row["sent"] > 0 and row["failed"] == 0 for row in rows.values())
    keepers = [row for row in rows.values() if "kept_of_sent" in row]
    assert len(keepers) >= 4
    assert all(row["kept_of_sent"] == 1.0 and row["lost"] == 0 for row in keepers)
    assert all(row["ratio"] > 0 for row in result["ratios"])
    assert_kept("redirect", result, tmp_path)


def test_the_postback_bench_accounts_for_every_report(tmp_path: Path) -> None:
    """Reports kept = answers sent."""
    result = run_postback(seconds=0.2, rounds=1, connections=4)
    assert result["failed"] == 0
    assert result["answered"] > 0
    assert result["kept"] == result["answered"]
    assert result["ratio"] > 0
    assert_kept("postback", result, tmp_path)


def test_the_end_to_end_bench_stores_every_click_it_sent(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    result = run_endtoend(
        seconds=0.3, first_per_s=100, steps_max=2, connections=4, engines=(database_url, redis_url)
    )
    assert result["sent"] > 0
    assert result["stored"] == result["sent"]
    assert all(row["failed"] == 0 for row in result["steps"])
    assert_kept("endtoend", result, tmp_path)


def test_the_growth_bench_prices_a_click_at_every_size(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    result = run_growth(
        links=(10, 500),
        stored=(200, 1_000),
        seconds=0.3,
        rounds=1,
        rows=200,
        engines=(database_url, redis_url),
    )
    assert [row["links"] for row in result["links"]] == [10, 500]
    assert [row["stored"] for row in result["stored"]] == [200, 1_000]
    assert_kept("growth", result, tmp_path)


def test_the_footprint_bench_weighs_a_door(tmp_path: Path) -> None:
    result = run_footprint(links=500, hot=50, starts=1, seconds=0.2)
    assert result["ready_s"] > 0
    assert result["answered"] >= 100
    assert result["memory_mb"] > 10
    assert_kept("footprint", result, tmp_path)


def test_a_stall_is_charged_to_everybody_who_would_have_come() -> None:
    """A server that sleeps for 0.8 of 1 second: half of the visitors waited, not one."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=stall_once, args=(listening, 0.8), daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        seen = Pace(url, 1, lambda: b"GET / HTTP/1.1\r\n\r\n", 302).run(Schedule(50.0, 1.0))
    assert (seen.sent, seen.answered, seen.failed) == (50, 50, 0)
    assert seen.p50_ms > 200
    assert seen.p99_ms > 700


def stall_once(listening: socket.socket, seconds: float) -> None:
    """Answer the requests of one connection, the first one late."""
    connection, _ = listening.accept()
    with connection:
        while connection.recv(4096):
            time.sleep(seconds)
            seconds = 0.0
            connection.sendall(b"HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\nOK")


def test_every_bench_has_a_chart_and_says_what_it_is() -> None:
    assert set(CHARTS) == set(BENCHES)
    given = parser().parse_args(["growth", "--links", "10,20", "--seconds", "2"])
    assert (given.bench, given.links, given.seconds) == ("growth", (10, 20), 2.0)
    assert all(name in parser().format_help() for name in BENCHES)


def assert_kept(name: str, result: dict[str, Any], folder: Path) -> None:
    """The result comes back from its file with what it was measured on, and its chart is a drawing."""
    keep(name, result, folder)
    kept = orjson.loads((folder / f"{name}.json").read_bytes())
    assert kept["result"] == orjson.loads(orjson.dumps(result))
    assert {"cpu", "cores", "packages", "commit", "at"} <= set(kept["machine"])
    assert "</svg>" in (folder / f"{name}.svg").read_text()
