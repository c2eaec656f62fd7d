"""Rows of import files: CSV with a header or NDJSON in, numbered rows and faults out, streaming; and the paced append
that brings what they become into a stream. `history` and `conversion_history` build on it.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple, TextIO

import orjson

from schema.events import FIELD_BLOCK

LINE_CHARS_MAX = 65_536
STREAM_ENTRIES_MAX = 2_000
"""Blocks an import leaves waiting in a stream; beyond it the writer is let catch up first."""


class Row(NamedTuple):
    """One line of a file; `number` counts from 1 as an editor does. CSV values are text, empty ones left out."""

    number: int
    fields: dict[str, Any]


class RowFault(NamedTuple):
    """Why a row was not imported."""

    number: int
    message: str


class BadFile(Exception):
    """The file as a whole cannot be read; the message says what is wrong with it."""


def read_rows(file: TextIO, known: Collection[str], required: Collection[str]) -> Iterator[Row | RowFault]:
    """The rows of a file, CSV and NDJSON told apart by the first character. Raises BadFile for a wrong header."""
    first = file.readline(LINE_CHARS_MAX)
    if first.lstrip().startswith("{"):
        return _json_rows(chain((first,), iter(lambda: file.readline(LINE_CHARS_MAX), "")), known)
    try:
        header = next(csv.reader([first]), [])
    except csv.Error as error:
        raise BadFile(f"the first line is not a CSV header: {error}") from error
    unknown = [name for name in header if name not in known]
    missing = [name for name in required if name not in header]
    if unknown or missing or len(set(header)) < len(header):
        raise BadFile(
            f"the columns must include {' and '.join(required)} and may only be {', '.join(sorted(known))}; "
            f"unknown: {', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'}"
        )
    return _csv_rows(header, file)


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
            yield Row(number, {name: value for name, value in zip(header, values, strict=True) if value})


def _json_rows(lines: Iterable[str], known: Collection[str]) -> Iterator[Row | RowFault]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield RowFault(number, f"is not JSON: {error}")
            continue
        if not isinstance(value, dict):
            yield RowFault(number, "must be a JSON object")
        elif unknown := [name for name in value if name not in known]:
            yield RowFault(number, f"{unknown[0]}: is no known field; known are {', '.join(sorted(known))}")
        else:
            yield Row(number, {name: item for name, item in value.items() if item is not None})


async def append_paced(client: Any, stream: str, payload: bytes) -> None:
    """Append a block, once the writer has left room for it."""
    while await client.xlen(stream) > STREAM_ENTRIES_MAX:  # noqa: ASYNC110 - another process drains it
        await asyncio.sleep(0.1)
    await client.xadd(stream, {FIELD_BLOCK: payload})
