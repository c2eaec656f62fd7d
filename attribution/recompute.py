"""Attributes the conversions of a period again, with the attributor's own functions, and says what that changed.

`clickledger recompute` calls `recompute`. Approved and paid conversions are never touched, and terms stay those a
conversion was first priced under; so on a sound ledger it changes nothing, and a second run never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from attribution.settlement import Unsettled, settle
from attribution.terms import SQL as READ
from attribution.totals import SQL as POST
from schema.postgres import connect_session
from schema.queries import load_queries

SQL = load_queries("attribution", "recompute.sql")

BATCH = 500
ATTEMPTS_MAX = 5
STATEMENT_S_MAX = 300.0
CHANGES_SHOWN_MAX = 10_000
COMPARED = (
    "attribution_state",
    "state_reason",
    "attribution_type",
    "commission",
    "credits",
    "touches",
    "digest",
)


class Change(NamedTuple):
    """One conversion that came out otherwise: the columns that differ, before and after."""

    conversion_id: str
    transaction_id: str | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]


class Recomputed(NamedTuple):
    """How many were looked at and how many changed, the first of the changes, what could not be worked out and why, and
    how many were final."""

    examined: int
    changed: int
    changes: list[Change]
    failures: list[tuple[str, str]]
    final: int


class _Undone(Exception):
    """Ends the transaction of a dry run."""


async def recompute(
    database_url: str,
    start: datetime,
    end: datetime,
    *,
    is_dry_run: bool = False,
    on_progress: Callable[[int], None] = lambda _examined: None,
) -> Recomputed:
    """Attribute the conversions that occurred in [start, end) again; a dry run only says what would change."""
    connection = await connect_session(database_url, "recompute", timeout_s=STATEMENT_S_MAX)
    try:
        total = Recomputed(0, 0, [], [], await connection.fetchval(SQL["count_final"], start, end))
        last = (start, 0)
        while rows := await connection.fetch(SQL["next_to_recompute"], start, end, *last, BATCH):
            numbers = [row["conversion_event_id"] for row in rows]
            changes = await _one_batch(connection, list(numbers), total.failures, is_dry_run=is_dry_run)
            total.changes.extend(changes[: CHANGES_SHOWN_MAX - len(total.changes)])
            total = total._replace(
                examined=total.examined + len(numbers), changed=total.changed + len(changes)
            )
            last = (rows[-1]["occurred_at"], numbers[-1])
            on_progress(total.examined)
        return total
    finally:
        await connection.close(timeout=5)


async def _one_batch(
    connection: asyncpg.Connection, numbers: list[int], failures: list[tuple[str, str]], *, is_dry_run: bool
) -> list[Change]:
    """One transaction; once more where another got in the way, without those that cannot be worked out."""
    for row in await connection.fetch(READ["months_of"], numbers):
        await connection.execute(POST["ensure_partitions"], row["month"])
    attempts = 0
    while numbers:
        try:
            return await _settle(connection, numbers, is_dry_run=is_dry_run)
        except Unsettled as error:
            failures.append((await _name_of(connection, error.number), error.reason))
            numbers = [number for number in numbers if number != error.number]
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError):
            attempts += 1
            if attempts >= ATTEMPTS_MAX:
                raise
            await asyncio.sleep(0.1 * 2**attempts)
    return []


async def _settle(
    connection: asyncpg.Connection, numbers: Sequence[int], *, is_dry_run: bool
) -> list[Change]:
    changes: list[Change] = []
    try:
        async with connection.transaction():
            await connection.execute(READ["begin_batch"])
            await connection.fetch(SQL["lock_to_recompute"], numbers)
            before = await connection.fetch(SQL["states"], numbers)
            await settle(connection, numbers)
            after = await connection.fetch(SQL["states"], numbers)
            changes = [
                change
                for old, new in zip(before, after, strict=True)
                if (change := _change(old, new)) is not None
            ]
            if is_dry_run:
                raise _Undone
    except _Undone:
        pass
    return changes


def _change(before: Any, after: Any) -> Change | None:
    differing = [name for name in COMPARED if before[name] != after[name]]
    if not differing:
        return None
    return Change(
        before["conversion_id"],
        before["transaction_id"],
        {name: before[name] for name in differing},
        {name: after[name] for name in differing},
    )


async def _name_of(connection: asyncpg.Connection, number: int) -> str:
    rows = await connection.fetch(SQL["states"], [number])
    return str(rows[0]["transaction_id"] or rows[0]["conversion_id"])
