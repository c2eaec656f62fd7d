"""Attributor throughput next to raw COPY: a generated month of clicks and conversions, attributed under all five models,
against PostgreSQL merely copying the very same touches into the same empty table with the same indexes (`ratio`).

`run` is called by `make bench` and, at toy size, by a test; `python -m bench.attribute 2000000 50000` prints one of
that size. The attributor is a process of its own; its memory is read from the kernel a quarter of the way and at the
end: it must not grow with the month.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import orjson

from attribution.attributor import run_attributor
from attribution.touch_rows import COLUMNS
from clickledger.engines.embedded import running_engines
from schema.migrate import migrate
from schema.queries import load_queries
from schema.settings import Settings, load_settings

SQL = load_queries("bench", "attribute.sql")

TOUCHES_MAX = 30
PARTNERS = 200
VISIT = timedelta(days=27)
"""Clicks of a cookie lie this far apart at most, within the window of 30 days."""
WAIT_S_MAX = 3_600.0


class Settled(NamedTuple):
    """How long the attributor took, and its memory a quarter of the way and at its highest."""

    seconds: float
    quarter_mb: float
    peak_mb: float


def run(
    clicks: int = 2_000_000, conversions: int = 50_000, engines: tuple[str, str] | None = None
) -> dict[str, Any]:
    """Measure; `engines` are a database URL and a Redis URL to use instead of embedded ones."""
    with tempfile.TemporaryDirectory() as folder:
        if engines is not None:
            return asyncio.run(_measure(clicks, conversions, *engines, Path(folder)))
        with running_engines(Path(folder), is_durable=True) as embedded:
            urls = (embedded.postgres.url_of("postgres"), embedded.valkey.url)
            return asyncio.run(_measure(clicks, conversions, *urls, Path(folder)))


async def _measure(
    clicks: int, conversions: int, database_url: str, redis_url: str, folder: Path
) -> dict[str, Any]:
    await asyncio.to_thread(migrate, database_url)
    settings = load_settings(
        database_url=database_url, redis_url=redis_url, data_dir=folder, log_level="warning", metrics_port=0
    )
    connection = await asyncpg.connect(database_url, command_timeout=WAIT_S_MAX)
    try:
        stored = await make_month(connection, settings.stream_shards, clicks, conversions)
        settled = await _time_attributor(settings, connection, conversions)
        touches = await connection.fetchval("SELECT count(*) FROM touches")
        copy_s = await _time_copy(connection, folder / "touches")
        version = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return {
        "clicks": stored,
        "conversions": conversions,
        "touches": touches,
        "attributor_s": round(settled.seconds, 2),
        "attributor_touches_per_s": round(touches / settled.seconds),
        "attributor_conversions_per_s": round(conversions / settled.seconds),
        "copy_s": round(copy_s, 2),
        "copy_touches_per_s": round(touches / copy_s),
        "ratio": round(copy_s / settled.seconds, 3),
        "memory_quarter_mb": settled.quarter_mb,
        "memory_peak_mb": settled.peak_mb,
        "postgresql": version,
        "cores": os.cpu_count(),
    }


async def make_month(connection: asyncpg.Connection, shards: int, clicks: int, conversions: int) -> int:
    """A programme, a month of clicks, and its conversions as the writer stores them; how many clicks."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    await connection.execute(SQL["make_programme"])
    await connection.execute(SQL["make_partners"], PARTNERS)
    await connection.execute(SQL["make_enrolments"])
    await connection.execute(SQL["make_links"])
    for parent in ("clicks", "touches"):
        await connection.execute(SQL["make_partitions"], parent, end - timedelta(days=62), end)
    await connection.execute(SQL["make_buyers"], conversions, TOUCHES_MAX, end, VISIT)
    made = await connection.fetchval(SQL["count_clicks"])
    await connection.execute(SQL["make_visitors"], max(0, clicks - made), TOUCHES_MAX, end, VISIT)
    await connection.execute(SQL["make_conversions"], conversions, end)
    await connection.execute(SQL["make_watermarks"], shards)
    for table in ("clicks", "conversion_events", "partner_links", "campaign_partners"):
        await connection.execute(f"ANALYZE {table}")
    await connection.execute("CHECKPOINT")
    return int(await connection.fetchval(SQL["count_clicks"]))


async def _time_attributor(settings: Settings, connection: asyncpg.Connection, conversions: int) -> Settled:
    """From its first commit to its last, as the writer is timed: starting a process happens once."""
    process = multiprocessing.get_context("spawn").Process(target=run_attributor, args=(settings,))
    started = time.perf_counter()
    process.start()
    first: tuple[float, int] | None = None
    quarter_mb = 0.0
    try:
        while (waiting := await connection.fetchval(SQL["count_waiting"])) or first is None:
            now, done = time.perf_counter(), conversions - waiting
            assert process.is_alive() and now - started < WAIT_S_MAX
            if done and first is None:
                first = (now, done)
            if not quarter_mb and done >= conversions / 4:
                quarter_mb = _memory_mb(process.pid, "VmRSS")
            await asyncio.sleep(0.02)
        ended, peak_mb = time.perf_counter(), _memory_mb(process.pid, "VmHWM")
    finally:
        process.terminate()
        process.join(30)
    began, at_first = first
    if at_first == conversions:  # a toy: one batch has no pace
        return Settled(ended - started, quarter_mb, peak_mb)
    return Settled((ended - began) * conversions / (conversions - at_first), quarter_mb, peak_mb)


def _memory_mb(pid: int | None, name: str) -> float:
    """Resident memory of a process, or the most it ever was."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024, 1)


async def _time_copy(connection: asyncpg.Connection, file: Path) -> float:
    """Seconds to copy the stored touches into the emptied table, in PostgreSQL's own binary form."""
    columns = list(COLUMNS)
    query = f"SELECT {', '.join(columns)} FROM touches"
    await connection.copy_from_query(query, output=file, format="binary")
    await connection.execute("TRUNCATE touches")
    await connection.execute("CHECKPOINT")
    started = time.perf_counter()
    await connection.copy_to_table("touches", source=file, columns=columns, format="binary")
    return time.perf_counter() - started


if __name__ == "__main__":
    import sys

    made, sold = (int(text) for text in sys.argv[1:3] or ("2000000", "50000"))
    sys.stdout.write(orjson.dumps(run(made, sold), option=orjson.OPT_INDENT_2).decode() + "\n")
