"""What the publisher brings to Redis for the conversion endpoints: vendors with their settings and secrets, and
the outcomes somebody waits for.

`publisher.py` calls it for the topics `vendor` and `outcome`, and when it refills an empty Redis.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import orjson

from redirector.shelf import Shelf
from schema import keys
from schema.queries import load_queries

PAGE_VENDORS = 1_000
_SQL = load_queries("redirector", "vendors.sql")


async def publish_vendors(connection: asyncpg.Connection, shelf: Shelf, vendor_ids: Sequence[int]) -> None:
    """Bring these vendors to Redis, then tell the doors."""
    for start in range(0, len(vendor_ids), PAGE_VENDORS):
        rows = await connection.fetch(_SQL["vendors_changed"], vendor_ids[start : start + PAGE_VENDORS])
        await shelf.announce([keys.NO_CODE + name for name in await _put(shelf, rows)])


async def refill_vendors(connection: asyncpg.Connection, shelf: Shelf) -> None:
    """Bring every vendor to Redis; the caller tells the doors to look at everything again."""
    last_id = 0
    while rows := await connection.fetch(_SQL["vendors_page"], last_id, PAGE_VENDORS):
        await _put(shelf, rows)
        last_id = rows[-1]["vendor_id"]


async def publish_outcomes(connection: asyncpg.Connection, shelf: Shelf, changes: Sequence[int]) -> None:
    """Hand outcomes on to the doors that wait; one whose conversion nobody can wait for is left out."""
    rows = await connection.fetch(_SQL["outcomes_of_changes"], changes)
    await shelf.put_outcomes([(row["report_id"], row["body"].encode()) for row in rows])


async def _put(shelf: Shelf, rows: Sequence[asyncpg.Record]) -> list[str]:
    """Write the vendors, the ways to find them first: names that are not there yet find nobody; the keys written."""
    ways: list[tuple[str, str]] = []
    for row in rows:
        ways.append((keys.vendor_email(row["email"]), orjson.dumps({"vendor_id": row["vendor_id"]}).decode()))
        if row["token_hash"] is not None:
            token = {"role": "postback", "vendor_id": row["vendor_id"]}
            ways.append((keys.api_key(row["token_hash"]), orjson.dumps(token).decode()))
    values = [(keys.vendor(row["vendor_id"]), row["value"]) for row in rows]
    for written in (ways, values):
        await shelf.put_values(written)
    return [name for name, _ in (*ways, *values)]
