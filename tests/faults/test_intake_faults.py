"""Redis killed, PostgreSQL away, the door and the writer killed: every 202 is a row in the end, exactly one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schema import keys
from schema.settings import Settings
from tests.doors import SHARDS, Door, running_door
from tests.flusher_bed import flusher, rows, value
from tests.lone_redis import LoneRedis, lone_redis
from tests.reports_bed import (
    append_reports,
    drain_reports,
    json_of,
    post,
    publish_vendor,
    reports,
    sale,
    settle,
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoneRedis]:
    with lone_redis(tmp_path / "redis") as running:
        yield running


class Shop:
    """Reports at most 150 sales a second, each once, until told to stop."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._is_over = threading.Event()
        self.accepted: list[str] = []
        self.statuses: set[int] = set()
        self._threads = [threading.Thread(target=self._sell, args=(number,)) for number in range(3)]

    def __enter__(self) -> Shop:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _sell(self, number: int) -> None:
        count = 0
        while not self._is_over.wait(0.02):
            count += 1
            try:
                reply = post(self._door, "/-/conversions", sale(f"S-{number}-{count}"))
            except OSError:
                continue
            self.statuses.add(reply.status)
            if reply.status == 202:
                self.accepted.append(json_of(reply)["conversion_id"])


def open_shop(door: Door) -> None:
    """Publish the vendor, and wait until the door holds key and vendor with every change read."""
    publish_vendor(door.redis)
    settle(door)
    assert post(door, "/-/conversions", sale("opening")).status == 202


def wait_until(condition: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def kept(door: Door) -> set[str]:
    return {event["conversion_id"] for event in reports(door.redis)}


def test_redis_killed_and_restarted(server: LoneRedis, tmp_path: Path) -> None:
    with running_door(server.url, tmp_path) as door:
        open_shop(door)
        with Shop(door) as shop:
            time.sleep(0.4)
            server.kill()
            wait_until(lambda: list((tmp_path / "spool-conversions").glob("*.spool")))
            server.start()
            time.sleep(0.6)
        assert shop.statuses == {202}
        wait_until(lambda: kept(door) >= set(shop.accepted))
        wait_until(lambda: not list((tmp_path / "spool-conversions").glob("*.spool")))


def test_a_door_killed_while_spooling(server: LoneRedis, tmp_path: Path) -> None:
    """The next door brings the reports home before anybody reports through it."""
    with running_door(server.url, tmp_path) as door:
        open_shop(door)
        server.kill()
        assert post(door, "/-/conversions", sale("spooled")).status == 202
        door.process.kill()
        door.process.wait(timeout=10)
        server.start()
        door.process = door.start()
        door.wait_ready()
        wait_until(lambda: len(kept(door)) == 2)


def test_nothing_can_be_kept(server: LoneRedis, tmp_path: Path) -> None:
    """Redis gone and the spool full: 503 with Retry-After, and the picture all the same; then all is well again."""
    with running_door(server.url, tmp_path, spool_mb_max="1") as door:
        open_shop(door)
        server.kill()
        (tmp_path / "spool-conversions").mkdir(exist_ok=True)
        (tmp_path / "spool-conversions" / "0-0.spool").write_bytes(b"\0" * 1_100_000)
        reply = post(door, "/-/conversions", sale("O-2"))
        assert (reply.status, reply.get("retry-after")) == (503, "2")
        assert door.get("/-/px.gif?key=clk_vendor_of_the_tests&txn=P&amount=1&currency=USD").status == 200
        server.start()
        wait_until(lambda: post(door, "/-/conversions", sale("O-2")).status == 202)


def test_an_unknown_key_while_redis_is_away(server: LoneRedis, tmp_path: Path) -> None:
    """Nobody can say whose it is: 503, never 401, so that the shop tries again."""
    with running_door(server.url, tmp_path) as door:
        open_shop(door)
        server.kill()
        assert post(door, "/-/conversions", sale(), key="clk_not_seen_yet").status == 503
        server.start()


def test_waiting_while_redis_is_away_is_answered_202(server: LoneRedis, tmp_path: Path) -> None:
    with running_door(server.url, tmp_path) as door:
        open_shop(door)
        server.kill()
        assert post(door, "/-/conversions", sale("O-2"), Prefer="wait=5").status == 202


def test_postgresql_away_and_the_writer_killed(settings: Settings, tmp_path: Path) -> None:
    """Nothing of it is seen at the door; in the end every 202 is one row, none more."""
    away = settings.model_copy(update={"database_url": "postgresql://postgres@127.0.0.1:1/none"})
    rows(settings, "INSERT INTO vendors (name, email) VALUES ('Acme', 'ops@acme.example')")
    with running_door(str(settings.redis_url), tmp_path / "door") as door:
        open_shop(door)
        with Shop(door) as shop:
            with flusher(away):
                wait_until(lambda: door.redis.exists(keys.conversion_lease(0)))
                time.sleep(0.5)
            for _ in range(3):
                let_leases_end(door)
                stored = value(settings, "SELECT count(*) FROM conversion_events")
                with flusher(settings):
                    wait_until(
                        lambda: value(settings, "SELECT count(*) FROM conversion_events") > stored  # noqa: B023
                    )
        assert shop.statuses == {202}
        let_leases_end(door)
    drain_reports(settings, seconds_max=90)
    found = rows(settings, "SELECT conversion_id::text FROM conversion_events")
    assert {row["conversion_id"] for row in found} >= set(shop.accepted)
    assert len(found) == len(shop.accepted) + 1
    assert value(settings, "SELECT count(*) FROM conversion_reports") == 0
    assert value(settings, "SELECT count(*) FROM dead_letters") == 0


def let_leases_end(door: Door) -> None:
    """As if the five seconds were over for which a killed writer leaves them."""
    for shard in range(SHARDS):
        door.redis.delete(keys.lease(shard), keys.conversion_lease(shard))


def test_a_commit_whose_answer_was_lost(settings: Settings) -> None:
    """Stored, not acknowledged: delivered again, it leaves no trace."""
    rows(settings, "INSERT INTO vendors (name, email) VALUES ('Acme', 'ops@acme.example')")
    event = {"kind": "conversion", "v": 1, "report_id": "0193b3a0-7c00-7abc-8def-0123456789ab", "vendor_id": 1,
             "received_ms": 1_795_000_000_000, "occurred_ms": 1_795_000_000_000, "event": "sale", "amount": "1.00",
             "conversion_id": "0193b3a0-7c00-7abc-8def-0123456789ac", "currency": "USD", "transaction_id": "O"}  # fmt: skip
    for _ in range(3):
        append_reports(settings, event, shard=0)
        append_reports(settings, event, shard=1)
        drain_reports(settings)
    assert value(settings, "SELECT count(*) FROM conversion_events") == 1
    assert value(settings, "SELECT count(*) FROM conversion_reports") == 0
