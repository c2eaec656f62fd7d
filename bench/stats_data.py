"""Makes the data of the stats bench: so many clicks over so many days and links, counted as the writer counts them.

`python -m bench.stats_data 10000000 URL` fills a migrated, empty database of that address, with a progress bar. Where it
is kept in a data directory, a file beside the engines says what was made, and only once all of it was.
"""

from __future__ import annotations

import asyncio
import sys
import time as clock
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import asyncpg
import orjson
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from attribution.rebuild import SQL as REBUILD
from schema.queries import load_queries

SQL = load_queries("bench", "stats.sql")
FOLD = load_queries("flusher", "rollups.sql")
DAYS = 90
LINKS = 1_000
FOLDED_AT_ONCE = 500_000
MADE_FILE = "stats_data.json"


class Data(NamedTuple):
    """What was made: `clicks` over `days` from `first` on, in `made_s` seconds."""

    clicks: int
    days: int
    links: int
    first: date
    made_s: float

    @property
    def end(self) -> date:
        """The day after the last."""
        return self.first + timedelta(days=self.days)

    def keep(self, folder: Path) -> None:
        """Say in the folder that it is all there."""
        (folder / MADE_FILE).write_bytes(orjson.dumps(self._asdict(), option=orjson.OPT_INDENT_2))


def kept_data(folder: Path, clicks: int) -> Data | None:
    """What the folder holds; None where it is empty. Raises ValueError when it holds something else than asked for."""
    if not folder.exists() or not any(folder.iterdir()):
        return None
    made = folder / MADE_FILE
    if not made.exists():
        raise ValueError(
            f"{folder} holds something else, or data that was never finished: name an empty directory"
        )
    fields = orjson.loads(made.read_bytes())
    data = Data(**fields | {"first": date.fromisoformat(fields["first"])})
    if data.clicks != clicks:
        raise ValueError(f"{folder} holds {data.clicks:,} clicks, not {clicks:,}: name another directory")
    return data


async def make_data(database_url: str, clicks: int, days: int = DAYS, links: int = LINKS) -> Data:
    """Fill the database. The last day is yesterday."""
    started = clock.perf_counter()
    settings = {"timezone": "UTC", "synchronous_commit": "off"}
    maker, folder = [
        await asyncpg.connect(database_url, command_timeout=3600, server_settings=settings) for _ in range(2)
    ]
    first = datetime.now(UTC).date() - timedelta(days=days)
    try:
        await maker.execute(SQL["make_programme"])
        await maker.execute(SQL["make_enrolments"])
        await maker.execute(SQL["make_links"], links)
        await maker.execute(SQL["make_partitions"], datetime.combine(first, time.min, UTC))
        columns = (*Progress.get_default_columns(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task(f"{clicks:,} clicks", total=days)
            made: asyncio.Queue[int] = asyncio.Queue()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_make_days(maker, first, clicks, days, links, made))
                tasks.create_task(_fold_days(folder, days, made, partial(progress.advance, bar)))
        while await maker.fetchval(FOLD["close_week"]):
            continue
        await maker.execute(SQL["tidy_up"])
    finally:
        await maker.close()
        await folder.close()
    return Data(clicks, days, links, first, round(clock.perf_counter() - started, 1))


async def _make_days(
    connection: asyncpg.Connection, first: date, clicks: int, days: int, links: int, made: asyncio.Queue[int]
) -> None:
    """Clicks and conversions of each day, left waiting to be folded."""
    for number in range(days):
        day, share = first + timedelta(days=number), clicks * (number + 1) // days - clicks * number // days
        await connection.execute(SQL["make_day"], day, share, links)
        await connection.execute(SQL["make_sales"], day)
        await connection.execute(REBUILD["note_day"], day)
        made.put_nowait(number)


async def _fold_days(
    connection: asyncpg.Connection, days: int, made: asyncio.Queue[int], on_day: Callable[[], None]
) -> None:
    """Take what was made into the rollups while the next day is being made."""
    for _ in range(days):
        await made.get()
        while await connection.fetchval(REBUILD["fold_clicks"], FOLDED_AT_ONCE):
            continue
        while await connection.fetchval(REBUILD["fold_sales"], FOLDED_AT_ONCE):
            continue
        await connection.execute(FOLD["vacuum_deltas"])
        on_day()


if __name__ == "__main__":
    asyncio.run(make_data(sys.argv[2], int(sys.argv[1])))
