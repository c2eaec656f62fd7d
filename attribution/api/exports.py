"""Streams the rows of a query in constant memory: a server-side cursor on one side, lines of text on the other.

The list routes hand over a block and its parameters when a caller wants CSV or NDJSON. The first batch is fetched
before the answer begins, so that what can go wrong still gets a proper status.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

from fastapi.responses import StreamingResponse

from attribution.api.formats import CSV, csv_lines, header_line, json_lines
from attribution.api.tenancy import SQL, Tenancy
from attribution.faults import Busy

BATCH_ROWS = 1_000
EXPORTS_MAX = 3
"""At once in one process: each holds a connection for as long as its reader takes."""
_free = asyncio.Semaphore(EXPORTS_MAX)


class Listing(NamedTuple):
    """What is listed: a block of SQL with its parameters, and how a record is shown."""

    name: str
    statement: str
    values: tuple[Any, ...]
    columns: tuple[str, ...]
    shown: Callable[[Mapping[str, Any]], dict[str, Any]]


async def stream(asking: Tenancy, listing: Listing, media_type: str) -> StreamingResponse:
    """The answer. Raises Busy when too many exports run already."""
    if _free.locked():
        raise Busy(f"{EXPORTS_MAX} exports are running; try again when one has ended.")
    chunks = _chunks(asking, listing, media_type)
    first = await anext(chunks)
    extension = "csv" if media_type == CSV else "ndjson"
    headers = {
        "Content-Disposition": f'attachment; filename="{listing.name}.{extension}"',
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_with_first(first, chunks), 200, headers, media_type)


async def _with_first(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def _chunks(asking: Tenancy, listing: Listing, media_type: str) -> AsyncIterator[bytes]:
    """The header and the first batch, then a batch at a time."""
    async with _free, asking.transaction() as connection:
        await connection.execute(SQL["begin_export"])
        cursor = await connection.cursor(listing.statement, *listing.values)
        chunk = header_line(listing.columns) if media_type == CSV else b""
        while True:
            rows = [listing.shown(row) for row in await cursor.fetch(BATCH_ROWS)]
            yield chunk + (csv_lines(listing.columns, rows) if media_type == CSV else json_lines(rows))
            if len(rows) < BATCH_ROWS:
                return
            chunk = b""
