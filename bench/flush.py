"""Writer throughput next to raw COPY: a filled stream to committed rows, against the same rows copied by asyncpg in
one transaction into the same tables, clicks and cookies (`ratio`); against the clicks alone as well
(`ratio_clicks_alone`). Same server, same indexes, same durability. Rollups are folded beside the writer when it is their
turn, as always; what then still waits is folded afterwards, by itself (`fold_rows_per_s`). And once more with no rollups
kept at all (`ratio_without_rollups`).

`run` is called by `make bench` and, at toy size, by a test; `python -m bench.flush` prints its result. Rounds are
interleaved and both sides begin with empty tables; medians are reported.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import orjson
import redis.asyncio as redis
import structlog
import uvloop

from clickledger.engines.embedded import running_engines
from flusher import rollups
from flusher.packed import COOKIE_COLUMNS
from flusher.rows import COLUMNS
from flusher.store import set_codecs
from flusher.writer import tune_memory, write
from schema import keys
from schema.events import FIELD_BLOCK, encode_block
from schema.ids import ClickIdMinter, CookieIdMinter, wall_clock_ms
from schema.migrate import migrate
from schema.settings import Settings, load_settings

CLICKS_PER_BLOCK = 100
CLICKS_PER_MS = 2
LINKS = 1_000
PARTNERS = 20
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{m} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.{m} Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
)
REFERRERS = (
    "",
    "",
    "https://blog.example/post/{n}",
    "https://www.instagram.com/",
    "https://news.example/a?id={n}",
)
STORED = "SELECT coalesce(sum(clicks_stored), 0)::bigint FROM writer_watermarks"
QUERIES = ("", "", "sub1=list{n}", "utm_source=mail&utm_medium=email&sub1=a%20b&sub2={n}")


class Timing(NamedTuple):
    """Seconds both sides took for the same rows in one round, and deltas folded in a second."""

    writer_s: float
    uncounted_s: float
    fold_rows_per_s: float
    copy_clicks_s: float
    copy_cookies_s: float

    @property
    def copy_s(self) -> float:
        """Both tables, one after the other."""
        return self.copy_clicks_s + self.copy_cookies_s


def sample_clicks(count: int, seed: int = 1) -> list[tuple[Any, ...]]:
    """Clicks in event field order: mostly new visitors, a quarter that come back, some crawlers, real-looking text."""
    chance = random.Random(seed)
    start_ms = wall_clock_ms() - count // CLICKS_PER_MS
    minter = ClickIdMinter(7, clock_ns=lambda: (start_ms + len(clicks) // CLICKS_PER_MS) * 1_000_000)
    cookies = CookieIdMinter()
    visitors: list[tuple[str, str, str]] = []
    clicks: list[tuple[Any, ...]] = []
    for number in range(count):
        click_id = minter.mint()
        if visitors and chance.random() < 0.25:
            cookie, ip, agent = chance.choice(visitors)
        else:
            cookie = cookies.mint(click_id >> 21)
            ip = f"{chance.randrange(1, 224)}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"
            agent = chance.choice(BROWSERS).format(v=chance.randrange(90, 150), m=chance.randrange(8))
            visitors.append((cookie, ip, agent))
        link = chance.randrange(1, LINKS + 1)
        referrer = chance.choice(REFERRERS).format(n=number % 500)
        query = chance.choice(QUERIES).format(n=number % 1000)
        partner = link % PARTNERS + 1
        clicks.append(
            (click_id, link, partner, 1, f"c{link}", cookie, 30, 0, ip, agent, referrer, "en-GB", query)
        )
    return clicks


def run(rows: int = 400_000, rounds: int = 5, engines: tuple[str, str] | None = None) -> dict[str, Any]:
    """Measure; `engines` are a database URL and a Redis URL to use (and empty) instead of embedded ones."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    thresholds = gc.get_threshold()
    try:
        return _run(rows, rounds, engines)
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        structlog.reset_defaults()


def _run(rows: int, rounds: int, engines: tuple[str, str] | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        if engines is not None:
            return uvloop.run(_measure(rows, rounds, *engines, Path(folder)))
        with running_engines(Path(folder), is_durable=True) as embedded:
            urls = (embedded.postgres.url_of("postgres"), embedded.valkey.url)
            return uvloop.run(_measure(rows, rounds, *urls, Path(folder)))


async def _measure(rows: int, rounds: int, database_url: str, redis_url: str, folder: Path) -> dict[str, Any]:
    await asyncio.to_thread(migrate, database_url)
    settings = load_settings(database_url=database_url, redis_url=redis_url, data_dir=folder)
    timings = []
    for number in range(rounds):
        clicks = sample_clicks(rows, seed=number)
        timings.append(await _round(settings, clicks))
    connection = await asyncpg.connect(database_url)
    version = await connection.fetchval("SHOW server_version")
    await connection.close()
    writer = statistics.median(rows / timing.writer_s for timing in timings)
    copy = statistics.median(rows / timing.copy_s for timing in timings)
    return {
        "rows": rows,
        "rounds": rounds,
        "writer_rows_per_s": round(writer),
        "copy_rows_per_s": round(copy),
        "ratio": round(statistics.median(t.copy_s / t.writer_s for t in timings), 3),
        "ratio_clicks_alone": round(statistics.median(t.copy_clicks_s / t.writer_s for t in timings), 3),
        "ratio_without_rollups": round(statistics.median(t.copy_s / t.uncounted_s for t in timings), 3),
        "fold_rows_per_s": round(statistics.median(timing.fold_rows_per_s for timing in timings)),
        "postgresql": version,
        "cores": os.cpu_count(),
    }


async def _round(settings: Settings, clicks: list[tuple[Any, ...]]) -> Timing:
    connection = await asyncpg.connect(settings.database_url)
    await set_codecs(connection)
    try:
        writer_s = await time_writer_over(settings, connection, clicks)
        fold = await _fold_rate(connection)
        clicks_stored = await _rows(connection, "clicks", COLUMNS)
        cookies_stored = await _rows(connection, "cookies", COOKIE_COLUMNS)
        assert len(clicks_stored) == len(clicks)
        await empty(connection)
        clicks_s = await _time_copy(connection, "clicks", COLUMNS, clicks_stored)
        cookies_s = await _time_copy(connection, "cookies", COOKIE_COLUMNS, cookies_stored)
        rollups.is_counted = False
        uncounted_s = await time_writer_over(settings, connection, clicks)
        return Timing(writer_s, uncounted_s, fold, clicks_s, cookies_s)
    finally:
        rollups.is_counted = True
        await connection.close()


async def time_writer_over(
    settings: Settings, connection: asyncpg.Connection, clicks: list[tuple[Any, ...]]
) -> float:
    """Seconds for these clicks, beginning with empty tables."""
    await empty(connection)
    await fill(settings, clicks)
    return await time_writer(settings, connection, len(clicks))


async def _rows(
    connection: asyncpg.Connection, table: str, columns: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    return [
        tuple(row) for row in await connection.fetch(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1")
    ]


async def _time_copy(
    connection: asyncpg.Connection, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> float:
    started = time.perf_counter()
    await connection.copy_records_to_table(table, records=rows, columns=list(columns))
    return time.perf_counter() - started


async def empty(connection: asyncpg.Connection) -> None:
    """Fresh tables, and enrolments for the totals to go to."""
    await connection.execute(
        "TRUNCATE clicks, cookies, writer_watermarks, dead_letters, click_imports, click_deltas"
    )
    await connection.execute(
        "SET session_replication_role = replica"
    )  # enrolments alone, without their campaign
    await connection.execute("DELETE FROM campaign_partners")
    await connection.execute(
        "INSERT INTO campaign_partners (campaign_version_id, partner_id) SELECT 1, generate_series(1, $1::int)",
        PARTNERS,
    )
    await connection.execute("RESET session_replication_role")
    await connection.execute("CHECKPOINT")


async def fill(settings: Settings, clicks: list[tuple[Any, ...]]) -> None:
    """Blocks over all shards, and yesterday's visitor secret, as on any day but the first."""
    client = redis.Redis.from_url(str(settings.redis_url))
    await client.flushdb()
    yesterday = wall_clock_ms() // 86_400_000 - 1
    await client.set(keys.visitor_key(yesterday), os.urandom(32), ex=86_400)
    for start in range(0, len(clicks), CLICKS_PER_BLOCK):
        shard = start // CLICKS_PER_BLOCK % settings.stream_shards
        block = encode_block(clicks[start : start + CLICKS_PER_BLOCK])
        await client.xadd(keys.clicks(shard), {FIELD_BLOCK: block})
    await client.aclose()


async def time_writer(settings: Settings, connection: asyncpg.Connection, rows: int) -> float:
    """Seconds from the first entry the writer reads to the commit of its last row: starting a process, building its parsers
    and taking its leases happens once and is no part of it."""
    tune_memory()  # again: the samples are not the writer's to look through
    is_stopping = asyncio.Event()
    writer = asyncio.create_task(write(settings, is_stopping))
    await _reading(settings, writer)
    started = time.perf_counter()
    while not writer.done() and await connection.fetchval(STORED) < rows:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
    seconds = time.perf_counter() - started
    is_stopping.set()
    await writer
    return seconds


async def _reading(settings: Settings, writer: asyncio.Task[None]) -> None:
    """Until the first entry of any shard is delivered."""
    client = redis.Redis.from_url(str(settings.redis_url))
    streams = [keys.clicks(shard) for shard in range(settings.stream_shards)]
    while not writer.done():
        groups = [group for name in streams for group in await client.xinfo_groups(name)]
        if any(group["entries-read"] for group in groups):
            break
        await asyncio.sleep(0.002)
    await client.aclose()


async def _fold_rate(connection: asyncpg.Connection) -> float:
    """Rows a second of a fold of all deltas that wait."""
    started = time.perf_counter()
    folded = 0
    while rows := await connection.fetchval("SELECT fold_clicks($1::int)", rollups.CLICKS_AT_ONCE):
        folded += rows
    return folded / (time.perf_counter() - started)


if __name__ == "__main__":
    import sys

    sys.stdout.write(orjson.dumps(run(), option=orjson.OPT_INDENT_2).decode() + "\n")
