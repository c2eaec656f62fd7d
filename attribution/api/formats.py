"""Rows as JSON lines or CSV, a batch at a time, and which of them a request asks for. Pure.

CSV is opened in spreadsheets: `attribution.spreadsheets` makes text harmless there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from attribution.spreadsheets import cell

JSON = "application/json"
CSV = "text/csv"
NDJSON = "application/x-ndjson"

_JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


def wanted_format(accept: str | None) -> str:
    """The first media type of an Accept header, by its weights, that there is; JSON otherwise."""
    wishes = []
    for place, item in enumerate((accept or "").split(",")[:50]):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        wishes.append((-_number(quality), place, name))
    for less, _place, name in sorted(wishes):
        if less < 0 and name in (JSON, CSV, NDJSON):
            return name
    return JSON


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def header_line(columns: Sequence[str]) -> bytes:
    """The first line of a CSV file."""
    return csv_lines(columns, [dict(zip(columns, columns, strict=True))])


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as RFC 4180 lines."""
    lines = (",".join([_cell(row[name]) for name in columns]) + "\r\n" for row in rows)
    return "".join(lines).encode("utf-8", "replace")


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as one JSON object a line."""
    return b"".join(orjson.dumps(dict(row), option=_JSON_OPTIONS, default=str) for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    return cell(str(value))
