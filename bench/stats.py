"""Stats endpoints under eight readers while clicks come in, beside the SQL a user would write over the clicks; and what
counting costs the writer.

`run` is called by `make bench` and, at toy size, by a test. `python -m bench stats --data-dir DIR` keeps the clicks it
makes in DIR and uses them again the next time. The API and the writer are processes of their own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from datetime import time as clock
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import redis.asyncio as redis
import structlog
from rich.console import Console

from attribution.keys import create_key
from bench.baselines import await_server
from bench.flush import sample_clicks, time_writer_over
from bench.stats_data import DAYS, SQL, Data, kept_data, make_data
from bench.stats_readers import READERS, Asked
from clickledger.engines.embedded import running_engines
from clickledger.engines.engine import free_port
from flusher import rollups
from flusher.store import set_codecs
from schema import keys
from schema.events import FIELD_BLOCK, encode_block
from schema.migrate import migrate
from schema.settings import Settings, load_settings

CLICKS_PER_S = 2_000
TICK_S = 0.1
WRITER_DATABASE = "clickledger_bench_writer"
ENDPOINTS = {
    "all": "/v1/stats?{period}",
    "all by hour": "/v1/stats?{period}&interval=hour",
    "all, days of Berlin": "/v1/stats?{period}&timezone=Europe/Berlin",
    "all, compared": "/v1/stats?{period}&compare=previous",
    "all, linear model": "/v1/stats?{period}&model=linear",
    "all by country and device": "/v1/stats?{period}&breakdown=country,device",
    "all by link": "/v1/stats?{period}&breakdown=link",
    "all by partner and campaign": "/v1/stats?{period}&breakdown=partner,campaign",
    "link": "/v1/links/c{{reader}}/stats?{period}",
    "link by country": "/v1/links/c{{reader}}/stats?{period}&breakdown=country",
    "link by hour": "/v1/links/c{{reader}}/stats?{period}&interval=hour",
    "campaign by link": "/v1/campaigns/1/stats?{period}&breakdown=link",
    "partner by referrer": "/v1/partners/{{reader}}/stats?{period}&breakdown=referrer",
}
"""Each reader asks of a link or partner of its own; the largest links come first."""
LARGEST = "/v1/links/c1/stats?{period}&breakdown=country"

console = Console(stderr=True, highlight=False)


def run(
    clicks: int = 10_000_000,
    seconds: float = 10.0,
    writer_rows: int = 300_000,
    rounds: int = 3,
    data_dir: str = "",
    engines: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Measure; `engines` are a database URL and a Redis URL to use (and fill) instead of embedded ones. Raises
    ValueError when `data_dir` holds anything but clicks this bench has made, as many as asked for.
    """
    with tempfile.TemporaryDirectory() as folder:
        if engines is not None:
            return asyncio.run(_measure(clicks, seconds, writer_rows, rounds, *engines, Path(folder), None))
        kept = Path(data_dir) if data_dir else None
        known = kept_data(kept, clicks) if kept else None
        with running_engines(kept or Path(folder), is_durable=True) as embedded:
            urls = (embedded.postgres.url, embedded.valkey.url)
            return asyncio.run(
                _measure(clicks, seconds, writer_rows, rounds, *urls, Path(folder), known, kept)
            )


async def _measure(
    clicks: int,
    seconds: float,
    writer_rows: int,
    rounds: int,
    database_url: str,
    redis_url: str,
    folder: Path,
    known: Data | None,
    keep_in: Path | None = None,
) -> dict[str, Any]:
    await asyncio.to_thread(migrate, database_url)
    settings = load_settings(
        database_url=database_url, redis_url=redis_url, data_dir=folder, api_port=free_port(), metrics_port=0,
        api_requests_per_minute=10_000_000,
    )  # fmt: skip
    data = known or await make_data(database_url, clicks, DAYS if clicks >= DAYS * 100 else 2)
    if keep_in is not None:
        data.keep(keep_in)
    result: dict[str, Any] = data._asdict() | {"first": str(data.first), "readers": READERS}
    result["load_before"] = round(os.getloadavg()[0], 1)
    result |= await _read(settings, data, seconds)
    result |= await _write_cost(settings, writer_rows, rounds)
    return result


async def _read(settings: Settings, data: Data, seconds: float) -> dict[str, Any]:
    """Every endpoint in turn, then the plain SQL."""
    connection = await asyncpg.connect(settings.database_url, command_timeout=600)
    key = await create_key(connection, "admin")
    period = f"start={data.first}&end={data.end}"
    rows = []
    with _child(settings, "api") as api, _child(settings, "flusher"):
        await asyncio.to_thread(await_server, settings.api_port)
        asked = Asked(settings.api_port, key, api.pid, connection)
        flowing = asyncio.create_task(_flow(settings))
        try:
            for name, path in ENDPOINTS.items():
                rows.append({"endpoint": name} | await asked.measure(path.format(period=period), seconds))
                console.print("  {endpoint}: p50 {p50_ms} ms, p99 {p99_ms} ms".format_map(rows[-1]))
            alone = await asked.measure(LARGEST.format(period=period), seconds, readers=1)
        finally:
            flowing.cancel()
            await asyncio.gather(flowing, return_exceptions=True)
    sql_ms = await _time_sql(connection, data)
    await connection.close()
    return {
        "endpoints": rows,
        "slowest p99 ms": max(row["p99_ms"] for row in rows),
        "largest link by country, one reader ms": alone["p50_ms"],
        **{f"plain SQL, {name} ms": round(ms, 1) for name, ms in sql_ms.items()},
        "times faster": round(sql_ms["link by country"] / alone["p50_ms"], 4),
    }


@contextmanager
def _child(settings: Settings, room: str) -> Iterator[subprocess.Popen[bytes]]:
    """A room in a process of its own."""
    named = ("database_url", "redis_url", "api_port", "metrics_port", "api_requests_per_minute")
    variables = {f"CLICKLEDGER_{name.upper()}": str(getattr(settings, name)) for name in named}
    variables["CLICKLEDGER_LOG_LEVEL"] = "warning"
    command = [sys.executable, "-m", "clickledger.child", room, "--data-dir", str(settings.data_dir)]
    process = subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def _flow(settings: Settings) -> None:
    """Clicks into the streams, evenly, until cancelled."""
    client = redis.Redis.from_url(str(settings.redis_url))
    number = 0
    try:
        while True:
            number += 1
            block = sample_clicks(int(CLICKS_PER_S * TICK_S), seed=number)
            await client.xadd(
                keys.clicks(number % settings.stream_shards), {FIELD_BLOCK: encode_block(block)}
            )
            await asyncio.sleep(TICK_S)
    finally:
        await client.aclose()


async def _time_sql(connection: asyncpg.Connection, data: Data) -> dict[str, float]:
    """The GROUP BYs over clicks, the best of three each."""
    start, end = (datetime.combine(day, clock.min, UTC) for day in (data.first, data.end))
    asked = {
        "link by country": ("clicks_by_country", (1, start, end)),
        "all": ("clicks_by_day", (start, end)),
    }
    best = {}
    for name, (block, values) in asked.items():
        times = []
        for _ in range(3):
            started = time.perf_counter()
            await connection.fetch(SQL[block], *values)
            times.append((time.perf_counter() - started) * 1000)
        best[name] = min(times)
    return best


async def _write_cost(settings: Settings, rows: int, rounds: int) -> dict[str, Any]:
    """Rows a second of the writer with counting and without, rounds interleaved; folding is part of counting. In a
    database of its own: it begins with empty tables."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    owner = await asyncpg.connect(settings.database_url)
    await owner.execute(SQL["drop_writer_database"])
    await owner.execute(SQL["make_writer_database"])
    url = urlsplit(settings.database_url or "")._replace(path=f"/{WRITER_DATABASE}").geturl()
    await asyncio.to_thread(migrate, url)
    settings = settings.model_copy(update={"database_url": url})
    connection = await asyncpg.connect(url)
    await set_codecs(connection)
    try:
        for number in range(2 * rounds):
            rollups.is_counted = number % 2 == 0
            await connection.execute(SQL["empty"])
            seconds = await time_writer_over(settings, connection, sample_clicks(rows, seed=number))
            taken[rollups.is_counted].append(rows / seconds)
            console.print(
                f"  writer, rollups {rollups.is_counted}: {taken[rollups.is_counted][-1]:,.0f} rows/s"
            )
    finally:
        rollups.is_counted = True
        structlog.reset_defaults()
        await connection.close()
        await owner.execute(SQL["drop_writer_database"])
        await owner.close()
    counted, plain = (statistics.median(taken[is_counted]) for is_counted in (True, False))
    return {
        "writer rows/s": round(counted),
        "writer rows/s without rollups": round(plain),
        "writer ratio": round(counted / plain, 3),
    }
