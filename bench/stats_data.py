"""Makes the data of the stats bench: so many clicks over so many days and links, counted as the writer counts them.

`python -m bench.stats_data 10000000 URL` fills a migrated, empty database of that address, with a progress bar.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, date, datetime, time, timedelta

import asyncpg
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from attribution.rebuild import SQL as REBUILD
from schema.queries import load_queries

SQL = load_queries("bench", "stats.sql")
DAYS = 90
LINKS = 1_000
FOLDED_AT_ONCE = 500_000


async def make_data(database_url: str, clicks: int, days: int = DAYS, links: int = LINKS) -> date:
    """Fill the database; the first day of the data. The last one is yesterday."""
    connection = await asyncpg.connect(
        database_url, command_timeout=3600, server_settings={"timezone": "UTC", "synchronous_commit": "off"}
    )
    today = datetime.now(UTC).date()
    first = today - timedelta(days=days)
    try:
        await connection.execute(SQL["make_programme"])
        await connection.execute(SQL["make_enrolments"])
        await connection.execute(SQL["make_links"], links)
        await connection.execute(SQL["make_partitions"], datetime.combine(first, time.min, UTC))
        columns = (*Progress.get_default_columns(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            for number in progress.track(range(days), description=f"{clicks:,} clicks"):
                share = clicks * (number + 1) // days - clicks * number // days
                await _make_day(connection, first + timedelta(days=number), share, links)
        await connection.execute(SQL["tidy_up"])
    finally:
        await connection.close()
    return first


async def _make_day(connection: asyncpg.Connection, day: date, clicks: int, links: int) -> None:
    await connection.execute(SQL["make_day"], day, clicks, links)
    await connection.execute(SQL["make_sales"], day)
    await connection.execute(REBUILD["note_day"], day)
    while await connection.fetchval(REBUILD["fold_clicks"], FOLDED_AT_ONCE):
        continue
    while await connection.fetchval(REBUILD["fold_sales"], FOLDED_AT_ONCE):
        continue


if __name__ == "__main__":
    asyncio.run(make_data(sys.argv[2], int(sys.argv[1])))
