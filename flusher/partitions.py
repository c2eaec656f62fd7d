"""Makes monthly partitions before they are needed: at start, every hour, and when a flush meets a month without.

The SQL function does the work and may be called by anybody at any time; this room decides when and how far ahead.
"""

from __future__ import annotations

import asyncpg

from schema.metrics import PARTITIONS_AHEAD
from schema.queries import load_queries

PARENTS = ("clicks", "touches", "audit_logs")
AHEAD_MS = 92 * 86_400_000
"""Three months, whatever their lengths."""

_QUERIES = load_queries("flusher")


async def ensure_ahead(pool: asyncpg.Pool, now_ms: int) -> int:
    """Partitions of every partitioned table from this month to three months on; returns how many were made."""
    made = 0
    for parent in PARENTS:
        made += await pool.fetchval(_QUERIES["ensure_partitions"], parent, now_ms, now_ms + AHEAD_MS)
    PARTITIONS_AHEAD.set(await pool.fetchval(_QUERIES["partitions_ahead"]))
    return made


async def ensure_month(pool: asyncpg.Pool, parent: str, at_ms: int) -> int:
    """The partition of one month."""
    return int(await pool.fetchval(_QUERIES["ensure_partitions"], parent, at_ms, at_ms))
