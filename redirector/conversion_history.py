"""Brings conversions of another tracker in: rows of a file in, blocks in the same streams as live reports out.

A row is the JSON body of `POST /-/conversions` (or the same fields as CSV columns) with `occurred_at`, however long
ago, and `vendor`, the vendor's e-mail, where the import runs without a key. The same row is always the same report, so
importing a file twice stores nothing twice. `clickledger conversions import` calls it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TextIO

import orjson

from redirector.intake.answers import Fault
from redirector.intake.credentials import Credentials, Vendor
from redirector.intake.fields import Fields
from redirector.intake.reports import CONVERSION_FIELDS, Desk, conversion_of
from redirector.row_files import Row, RowFault, append_paced, read_rows
from schema import keys
from schema.conversions import BLOCK_EVENTS_MAX, Event
from schema.ids import wall_clock_ms
from schema.redis_client import RedisClient

COLUMNS = CONVERSION_FIELDS | {"vendor"}
_NAMESPACE = uuid.UUID("9a1f6d1c-3a0b-5c7e-9d38-2f6f0f0c5b21")


def read_conversion_rows(file: TextIO) -> Iterator[Row | RowFault]:
    """The rows of a file of conversions; metadata in a CSV column is a JSON object. Raises BadFile."""
    for row in read_rows(file, COLUMNS, ("occurred_at",)):
        yield _with_metadata(row) if isinstance(row, Row) else row


def _with_metadata(row: Row) -> Row | RowFault:
    given = row.fields.get("metadata")
    if not isinstance(given, str):
        return row
    try:
        return Row(row.number, row.fields | {"metadata": orjson.loads(given)})
    except orjson.JSONDecodeError as error:
        return RowFault(row.number, f"metadata: is not JSON: {error}")


class ConversionImport:
    """Appends rows to the streams in blocks, no faster than the writer stores them.

    `vendor` is that of the key, None where each row names its own.
    """

    def __init__(self, client: RedisClient, vendor: Vendor | None) -> None:
        self._client: Any = client
        self._vendor = vendor
        self._credentials = Credentials(client)
        self.appended = 0

    async def append(self, rows: Iterable[Row | RowFault]) -> list[RowFault] | None:
        """Append one block's worth of rows; the faults of those left out, None at the end."""
        chunk = list(islice(rows, BLOCK_EVENTS_MAX))
        if not chunk:
            return None
        faults: list[RowFault] = []
        events: list[Event] = []
        for row in chunk:
            event = row if isinstance(row, RowFault) else await self._event_of(row)
            if isinstance(event, RowFault):
                faults.append(event)
            else:
                events.append(event)
        if events:
            await append_paced(self._client, keys.conversions(0), orjson.dumps(events))
            self.appended += len(events)
        return faults

    async def _event_of(self, row: Row) -> Event | RowFault:
        given = dict(row.fields)
        name = given.pop("vendor", None)
        vendor = await self._vendor_of(name)
        if vendor is None:
            return RowFault(row.number, "vendor: names no vendor, or not the one of the key")
        report_id = str(
            uuid.uuid5(_NAMESPACE, orjson.dumps([vendor.vendor_id, sorted(given.items())]).decode())
        )
        faults: list[Fault] = []
        fields = Fields(given, faults)
        fields.refuse_unknown(CONVERSION_FIELDS)
        event = conversion_of(fields, Desk(vendor, wall_clock_ms(), lambda _: report_id, is_import=True))
        if faults:
            return RowFault(row.number, "; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        return event

    async def _vendor_of(self, name: object) -> Vendor | None:
        """The vendor a row belongs to; with a key a row may name it too, but no other."""
        if name is None:
            return self._vendor
        named = await self._credentials.vendor_named(name) if isinstance(name, str) else None
        if self._vendor is not None and named is not None and named.vendor_id != self._vendor.vendor_id:
            return None
        return named
