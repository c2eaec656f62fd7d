"""Counts all rollups anew from what is stored: `clickledger rollups rebuild`, after a bug or an upgrade.

Works a day at a time beside a running system; nothing readers see goes missing meanwhile. Days whose clicks have been
dropped keep the rollups they have.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

import asyncpg

from schema.postgres import connect_session
from schema.queries import load_queries

SQL = load_queries("attribution", "rebuild.sql")

STATEMENT_S_MAX = 3600.0
FOLDED_AT_ONCE = 500_000
SALES_AT_ONCE = 20_000
VALUES_MAX = 1_000
"""As in the writer, which keeps to it every hour."""


class Rebuilt(NamedTuple):
    """What was counted."""

    days: int
    clicks: int
    conversions: int


async def rebuild_rollups(
    database_url: str, since: date | None, on_progress: Callable[[int, int], None]
) -> Rebuilt:
    """Count every day from `since` (the oldest there is) on; `on_progress` gets days done and days in all."""
    connection = await connect_session(database_url, "rebuild", timeout_s=STATEMENT_S_MAX)
    try:
        kept = await connection.fetchrow(SQL["days_kept"])
        assert kept is not None
        first = max(kept["since"], since) if since is not None else kept["since"]
        count = max(0, (kept["until"] - first).days)
        clicks = 0
        for number in range(count):
            clicks += await _rebuild_day(connection, first + timedelta(days=number))
            on_progress(number + 1, count)
        await connection.fetchval(SQL["bound_rollups"], VALUES_MAX, first)
        return Rebuilt(count, clicks, await _rebuild_sales(connection))
    finally:
        await connection.close(timeout=5)


async def _rebuild_day(connection: asyncpg.Connection, day: date) -> int:
    """Take a day out, let its clicks wait, and fold until none does."""
    async with connection.transaction():
        await connection.execute(SQL["lock_day"])
        for name in ("forget_deltas", "forget_hours", "forget_days"):
            await connection.execute(SQL[name], day)
        noted = await connection.execute(SQL["note_day"], day)
    while await connection.fetchval(SQL["fold_clicks"], FOLDED_AT_ONCE):
        continue
    return int(noted.rpartition(" ")[2])


async def _rebuild_sales(connection: asyncpg.Connection) -> int:
    """The rollups from what was counted of each conversion, and that from what each conversion is now."""
    async with connection.transaction():
        await connection.execute(SQL["lock_day"])
        for name in ("forget_sale_hours", "forget_sale_days"):
            await connection.execute(SQL[name])
        through = -1
        while (row := await connection.fetchrow(SQL["add_entries"], through, SALES_AT_ONCE)) is not None:
            through = row["through"]
        await connection.execute(SQL["mark_all_sales"])
    conversions = 0
    while folded := await connection.fetchval(SQL["fold_sales"], SALES_AT_ONCE):
        conversions += folded
    return conversions
