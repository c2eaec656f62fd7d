"""Brings conversions of another tracker in: rows of a file in, blocks in the same streams as live reports out.

A row is the JSON body of `POST /-/conversions` (or the same fields as CSV columns) with `occurred_at`, however long
ago, and `vendor`, the vendor's e-mail, where the import runs without a key. The same row is always the same report, so
importing a file twice stores nothing twice. `clickledger conversions import` calls it.
"""

from __future__ import annotations

import asyncio
import csv
import uuid
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple, TextIO

import orjson

from redirector.history import STREAM_ENTRIES_MAX, BadFile, RowFault
from redirector.intake.answers import Fault
from redirector.intake.credentials import Credentials, Vendor
from redirector.intake.fields import Fields
from redirector.intake.reports import CONVERSION_FIELDS, Desk, conversion_of
from schema import keys
from schema.conversions import BLOCK_EVENTS_MAX, Event
from schema.events import FIELD_BLOCK
from schema.ids import wall_clock_ms
from schema.redis_client import RedisClient

LINE_CHARS_MAX = 65_536
COLUMNS = CONVERSION_FIELDS | {"vendor"}
_NAMESPACE = uuid.UUID("9a1f6d1c-3a0b-5c7e-9d38-2f6f0f0c5b21")


class Row(NamedTuple):
    """One line of the file; `number` counts from 1 as an editor does."""

    number: int
    fields: dict[str, Any]


def read_rows(file: TextIO) -> Iterator[Row | RowFault]:
    """The rows of a CSV file with a header, or of NDJSON, told apart by the first character. Raises BadFile."""
    first = file.readline(LINE_CHARS_MAX)
    if first.lstrip().startswith("{"):
        return _json_rows(chain((first,), iter(lambda: file.readline(LINE_CHARS_MAX), "")))
    try:
        header = next(csv.reader([first]), [])
    except csv.Error as error:
        raise BadFile(f"the first line is not a CSV header: {error}") from error
    unknown = sorted(set(header) - COLUMNS)
    if unknown or "occurred_at" not in header or len(set(header)) < len(header):
        raise BadFile(
            f"the columns must include occurred_at and may only be {', '.join(sorted(COLUMNS))}; "
            f"unknown: {', '.join(unknown) or 'none'}"
        )
    return _csv_rows(header, file)


def _json_rows(lines: Iterable[str]) -> Iterator[Row | RowFault]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield RowFault(number, f"is not JSON: {error}")
            continue
        yield Row(number, value) if isinstance(value, dict) else RowFault(number, "must be a JSON object")


def _csv_rows(header: list[str], file: TextIO) -> Iterator[Row | RowFault]:
    reader = csv.reader(file)
    while True:
        try:
            values = next(reader, None)
        except csv.Error as error:
            yield RowFault(reader.line_num + 1, str(error))
            continue
        if values is None:
            return
        number = reader.line_num + 1
        if values and len(values) != len(header):
            yield RowFault(number, f"has {len(values)} fields, the header has {len(header)}")
        elif values:
            yield _csv_row(number, {name: text for name, text in zip(header, values, strict=True) if text})


def _csv_row(number: int, fields: dict[str, Any]) -> Row | RowFault:
    """The row with its metadata, a JSON object in one column, parsed."""
    if "metadata" in fields:
        try:
            fields["metadata"] = orjson.loads(fields["metadata"])
        except orjson.JSONDecodeError as error:
            return RowFault(number, f"metadata: is not JSON: {error}")
    return Row(number, fields)


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
            await self._append_block(orjson.dumps(events))
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

    async def _append_block(self, payload: bytes) -> None:
        stream = keys.conversions(0)
        while await self._client.xlen(stream) > STREAM_ENTRIES_MAX:  # noqa: ASYNC110 - another process drains it
            await asyncio.sleep(0.1)
        await self._client.xadd(stream, {FIELD_BLOCK: payload})
