"""The audit of the ledger: every invariant that foreign keys would hold elsewhere, and every sum of money.

`clickledger verify` and tests call `verify`. All checks read one snapshot, so a running writer cannot make them
disagree with each other.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import asyncpg

from attribution.verify_splits import count_wrong_splits
from schema.postgres import connect_session
from schema.queries import load_queries

SQL = (
    load_queries("attribution", "verify.sql")
    | load_queries("attribution", "verify_rollups.sql")
    | load_queries("attribution", "verify_ledger.sql")
)
SPLITS = "splits_equal_recomputation"
"""The one check that runs in Python."""
STATEMENT_S_MAX = 3600.0


class Check(NamedTuple):
    """One invariant: how many things were examined, how many break it, and up to five of those."""

    name: str
    ok: bool
    examined: int
    violations: int
    detail: list[str]


def verify(database_url: str) -> list[Check]:
    """Run every check on that database."""
    return asyncio.run(verify_ledger(database_url))


async def verify_ledger(database_url: str) -> list[Check]:
    """Run every check in one read-only snapshot."""
    connection = await connect_session(database_url, "verify", timeout_s=STATEMENT_S_MAX, jit="off")
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return [await check_named(connection, name) for name in (*SQL, SPLITS)]
    finally:
        await connection.close(timeout=5)


async def check_named(connection: asyncpg.Connection, name: str) -> Check:
    """One check, in the transaction the connection is in."""
    if name == SPLITS:
        examined, violations, examples = await count_wrong_splits(connection)
        return Check(name, violations == 0, examined, violations, examples)
    row = await connection.fetchrow(SQL[name])
    assert row is not None
    return Check(name, row["violations"] == 0, row["examined"], row["violations"], row["examples"] or [])
