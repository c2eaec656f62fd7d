"""Stats endpoints under eight readers while clicks come in, beside the SQL a user would write over the clicks; and what
counting costs the writer.

`run` is called by `make bench` and, at toy size, by a test; `python -m bench.stats 1000000 20` prints one of that many
clicks and seconds an endpoint. The API and the writer are processes of their own.
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
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import redis.asyncio as redis

from attribution.keys import create_key
from bench.baselines import await_server
from bench.flush import empty, fill, sample_clicks, time_writer
from bench.stats_data import DAYS, LINKS, SQL, make_data
from clickledger.engines.embedded import running_engines
from clickledger.engines.engine import free_port
from flusher import rollups
from flusher.store import set_codecs
from schema import keys
from schema.events import FIELD_BLOCK, encode_block
from schema.migrate import migrate
from schema.settings import Settings, load_settings

READERS = 8
CLICKS_PER_S = 2_000
TICK_S = 0.1
ENDPOINTS = {
    "all": "/v1/stats?{period}",
    "all by country and device": "/v1/stats?{period}&breakdown=country,device",
    "all by link": "/v1/stats?{period}&breakdown=link",
    "link": "/v1/links/c1/stats?{period}",
    "link by country": "/v1/links/c1/stats?{period}&breakdown=country",
    "link by hour": "/v1/links/c1/stats?{period}&interval=hour",
    "campaign by link": "/v1/campaigns/1/stats?{period}&breakdown=link",
    "partner by referrer": "/v1/partners/1/stats?{period}&breakdown=referrer",
}


def run(
    clicks: int = 10_000_000,
    seconds: float = 10.0,
    writer_rows: int = 300_000,
    rounds: int = 3,
    engines: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Measure; `engines` are a database URL and a Redis URL to use (and fill) instead of embedded ones."""
    with tempfile.TemporaryDirectory() as folder:
        if engines is not None:
            return asyncio.run(_measure(clicks, seconds, writer_rows, rounds, *engines, Path(folder)))
        with running_engines(Path(folder), is_durable=True) as embedded:
            urls = (embedded.postgres.url_of("postgres"), embedded.valkey.url)
            return asyncio.run(_measure(clicks, seconds, writer_rows, rounds, *urls, Path(folder)))


async def _measure(
    clicks: int,
    seconds: float,
    writer_rows: int,
    rounds: int,
    database_url: str,
    redis_url: str,
    folder: Path,
) -> dict[str, Any]:
    await asyncio.to_thread(migrate, database_url)
    settings = load_settings(
        database_url=database_url, redis_url=redis_url, data_dir=folder, api_port=free_port(), metrics_port=0,
        api_requests_per_minute=10_000_000,
    )  # fmt: skip
    days = DAYS if clicks >= DAYS * 100 else 2
    started = time.perf_counter()
    first = await make_data(database_url, clicks, days)
    result: dict[str, Any] = {"clicks": clicks, "days": days, "links": LINKS}
    result["made_s"] = round(time.perf_counter() - started, 1)
    result |= await _read(settings, first, seconds)
    result |= await _write_cost(settings, writer_rows, rounds)
    return result


async def _read(settings: Settings, first: date, seconds: float) -> dict[str, Any]:
    """Every endpoint in turn, then the plain SQL."""
    connection = await asyncpg.connect(settings.database_url, command_timeout=600)
    key = await create_key(connection, "admin")
    period = f"start={first}&end={datetime.now(UTC).date()}"
    result: dict[str, Any] = {}
    with _child(settings, "api"), _child(settings, "flusher"):
        await asyncio.to_thread(await_server, settings.api_port)
        flowing = asyncio.create_task(_flow(settings))
        try:
            for name, path in ENDPOINTS.items():
                url = path.format(period=period)
                await _ask(settings.api_port, key, url, 1, min(seconds, 1.0))
                taken = await _ask(settings.api_port, key, url, READERS, seconds)
                result[f"{name}: p50 ms"] = round(_percentile(taken, 50), 1)
                result[f"{name}: p99 ms"] = round(_percentile(taken, 99), 1)
            alone = await _ask(
                settings.api_port, key, ENDPOINTS["link by country"].format(period=period), 1, seconds
            )
        finally:
            flowing.cancel()
            await asyncio.gather(flowing, return_exceptions=True)
    sql_ms = await _time_sql(connection, first)
    await connection.close()
    result["largest link by country, one reader ms"] = round(_percentile(alone, 50), 2)
    result |= {f"plain SQL, {name} ms": round(ms, 1) for name, ms in sql_ms.items()}
    result["times faster"] = round(sql_ms["link by country"] / _percentile(alone, 50), 1)
    return result


@contextmanager
def _child(settings: Settings, room: str) -> Iterator[None]:
    """A room in a process of its own."""
    named = ("database_url", "redis_url", "api_port", "metrics_port", "api_requests_per_minute")
    variables = {f"CLICKLEDGER_{name.upper()}": str(getattr(settings, name)) for name in named}
    command = [sys.executable, "-m", "clickledger.child", room, "--data-dir", str(settings.data_dir)]
    process = subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.DEVNULL)
    try:
        yield
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


async def _ask(port: int, key: str, path: str, readers: int, seconds: float) -> list[float]:
    """Milliseconds of every answer of so many readers, each asking again as soon as it has one."""
    ends = time.perf_counter() + seconds
    taken = await asyncio.gather(*(_reader(port, key, path, ends) for _ in range(readers)))
    return [milliseconds for one in taken for milliseconds in one]


async def _reader(port: int, key: str, path: str, ends: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    taken: list[float] = []
    while not taken or time.perf_counter() < ends:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        taken.append((time.perf_counter() - started) * 1000)
    writer.close()
    return taken


def _percentile(taken: list[float], place: int) -> float:
    return sorted(taken)[min(len(taken) - 1, len(taken) * place // 100)]


async def _time_sql(connection: asyncpg.Connection, first: date) -> dict[str, float]:
    """The GROUP BYs over clicks, the best of three each."""
    start = datetime.combine(first, clock.min, UTC)
    end = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), clock.min, UTC)
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
    """Rows a second of the writer with counting and without, rounds interleaved; folding is part of counting."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    connection = await asyncpg.connect(settings.database_url)
    await set_codecs(connection)
    try:
        for number in range(2 * rounds):
            rollups.is_counted = number % 2 == 0
            await empty(connection)
            await connection.execute(SQL["empty"])
            await fill(settings, sample_clicks(rows, seed=number))
            taken[rollups.is_counted].append(rows / await time_writer(settings, connection, rows))
    finally:
        rollups.is_counted = True
        await connection.close()
    counted, plain = (statistics.median(taken[is_counted]) for is_counted in (True, False))
    return {
        "writer rows/s": round(counted),
        "writer rows/s without rollups": round(plain),
        "writer ratio": round(counted / plain, 3),
    }


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    measured = run(clicks=size, seconds=float(sys.argv[2]) if len(sys.argv) > 2 else 10.0)
    sys.stdout.write(orjson.dumps(measured, option=orjson.OPT_INDENT_2).decode() + "\n")
