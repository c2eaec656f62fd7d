"""Tells the rollups which clicks were stored, and has them folded in.

`note_clicks` runs in the transaction that stores the clicks and only appends a short row each: that costs a tenth of
storing them. `Folding`, a task of the writer, has PostgreSQL add up what has gathered, every few seconds; between the two
a reader adds the rows that wait to the rollups. So stats are exact at any moment and folding may be late.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import structlog

from flusher.backoff import Backoff, pause
from flusher.draft import Draft
from flusher.packed import DELTA_COLUMNS, UTM, copy_chunks, packed_deltas
from flusher.texts import host_of, parameters_of
from schema.metrics import DELTAS_FOLDED, FOLD_SECONDS
from schema.postgres import UNREACHABLE
from schema.queries import load_queries

FOLD_S = 2.0
"""Folding more seldom is cheaper, and every reader adds up what waits: at two thousand clicks a second a millisecond or
more for every five thousand."""
BUSY_CLICKS = 20_000
"""A writer that stored more since the last fold is catching up, and lets a whole fold gather, for `BUSY_FOLD_S` at most:
that is half of the cost a click, while clicks want the processors more than readers do."""
BUSY_FOLD_S = 10.0
CLICKS_AT_ONCE = 250_000
"""A fold of that many takes a few seconds and 64 MB of PostgreSQL's memory; nobody waits for it."""
SALES_AT_ONCE = 5_000
VALUES_MAX = 1_000
"""Values of one dimension that keep a row of their own, a day and link (or partner, campaign, vendor, all)."""
BOUND_S = 3_600.0
FIRST_BOUND_S = 30.0
"""A writer that starts has other things to do first."""
BOUND_DAYS = 3
"""How far back crowded days are looked for: older ones were cut when they were new, or when they came in."""
VACUUM_ROWS = 50_000
_NOT_WELL = (*UNREACHABLE, asyncpg.PostgresError, asyncpg.InternalClientError)
_QUERIES = load_queries("flusher", "rollups.sql")

_noted = 0
"""Clicks this process noted since it last folded, about: what was rolled back is counted too."""

is_counted = True
"""False only in a bench that measures what counting costs."""

log = structlog.get_logger()


async def note_clicks(connection: asyncpg.pool.PoolConnectionProxy, drafts: list[Draft]) -> None:
    """Append the deltas of clicks that were really stored. One alone goes through asyncpg's own encoder, like its row."""
    global _noted
    if not is_counted:
        return
    _noted += len(drafts)
    if len(drafts) > 1:
        rows = copy_chunks(drafts, packed_deltas)
        await connection.copy_to_table("click_deltas", source=rows, columns=DELTA_COLUMNS, format="binary")
    elif drafts:
        row = delta_of(drafts[0])
        await connection.copy_records_to_table("click_deltas", records=[row], columns=DELTA_COLUMNS)


def delta_of(draft: Draft) -> tuple[Any, ...]:
    """The values of `DELTA_COLUMNS`."""
    event, agent = draft.event, draft.agent
    parameters = parameters_of(event.query) or {}
    return (
        draft.at_ms,
        event.link_id,
        event.partner_id,
        event.campaign_version_id,
        draft.country,
        agent.device_type,
        agent.browser,
        agent.os,
        host_of(event.referrer),
        *map(parameters.get, UTM),
        draft.click_class,
        draft.is_unique,
    )


class Folding:
    """Folds until told to stop; any number of writers may, PostgreSQL lets one at a time."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._unvacuumed = 0
        self._bound_at = time.monotonic() - BOUND_S + FIRST_BOUND_S

    async def run(self, is_stopping: asyncio.Event) -> None:
        """Every few seconds, and no more than a fifth of the time: a larger fold costs less a click."""
        global _noted
        _noted, folded = 0, time.monotonic()
        backoff = Backoff()
        while not is_stopping.is_set():
            started = time.monotonic()
            if BUSY_CLICKS < _noted < CLICKS_AT_ONCE and started - folded < BUSY_FOLD_S:
                await pause(is_stopping, FOLD_S / 4)
                continue
            try:
                await self._fold()
            except _NOT_WELL as error:
                wait_s = backoff.failed()
                log.warning("fold_failed", error=repr(error)[:300], wait_s=round(wait_s, 2))
            else:
                backoff.succeeded()
                folded = time.monotonic()
                wait_s = max(FOLD_S, 4 * (time.monotonic() - started))
            await pause(is_stopping, wait_s)

    async def _fold(self) -> None:
        global _noted
        started = time.perf_counter()
        _noted = 0
        clicks = await self._pool.fetchval(_QUERIES["fold_clicks"], CLICKS_AT_ONCE)
        sales = await self._pool.fetchval(_QUERIES["fold_sales"], SALES_AT_ONCE)
        if clicks or sales:
            FOLD_SECONDS.observe(time.perf_counter() - started)
            DELTAS_FOLDED.labels("click").inc(clicks)
            DELTAS_FOLDED.labels("sale").inc(sales)
        self._unvacuumed += clicks + sales
        if self._unvacuumed >= VACUUM_ROWS:
            # Readers walk over the rows that were taken; autovacuum comes once a minute at best.
            await self._pool.execute(_QUERIES["vacuum_deltas"])
            self._unvacuumed = 0
        if time.monotonic() - self._bound_at >= BOUND_S:
            self._bound_at = time.monotonic()
            await self._pool.fetchval(_QUERIES["bound_rollups"], VALUES_MAX, BOUND_DAYS)
            while await self._pool.fetchval(_QUERIES["close_week"]):
                continue
