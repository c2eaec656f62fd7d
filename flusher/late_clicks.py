"""Notes clicks that the ledger may have missed: those it thought were all stored when it attributed conversions.

Called by the store in the transaction that stores them, before the watermark moves. Clicks and conversions are stored
under one lock, so a conversion that is not there yet cannot have been attributed without them.
"""

from __future__ import annotations

import asyncpg

from flusher.draft import Draft
from schema.queries import load_queries

_QUERIES = load_queries("flusher", "reports.sql")


async def note_late_clicks(
    connection: asyncpg.pool.PoolConnectionProxy, shard: int, valid: list[Draft]
) -> None:
    """Note the valid clicks not newer than the shard's watermark with a conversion after them."""
    bounds = await connection.fetchrow(_QUERIES["late_bounds"], shard) if valid else None
    if bounds is None or bounds["newest_conversion"] is None:
        return
    bound_ms = min(bounds["stored_through"], bounds["newest_conversion"])
    late = [draft for draft in valid if draft.at_ms <= bound_ms]
    if late:
        await connection.execute(
            _QUERIES["add_late_clicks"],
            [draft.click_id for draft in late],
            [draft.at_ms for draft in late],
            [draft.cookie_id for draft in late],
        )
