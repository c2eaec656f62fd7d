"""Writes links as text in the own format of `links import`, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson

from attribution.link_fields import NewLink, Policy
from attribution.links import list_links
from attribution.spreadsheets import cell

PAGE_LINKS = 1_000
COLUMNS = ("code", *(name for name in NewLink.model_fields if name != "code"))
_OBJECTS = ("rules", "utm_params", "custom_params")


async def export_links(connection: asyncpg.Connection, policy: Policy, *, is_csv: bool) -> AsyncIterator[str]:
    """Pieces of text: CSV with a header, or one JSON object a line."""
    if is_csv:
        yield _csv([COLUMNS])
    after = 0
    while links := await list_links(connection, policy, after, PAGE_LINKS):
        after = links[-1]["link_id"]
        rows = [{name: link[name] for name in COLUMNS} for link in links]
        yield _csv([_fields(row) for row in rows]) if is_csv else _ndjson(rows)


def _csv(rows: list[Any]) -> str:
    return "".join(",".join(map(cell, row)) + "\n" for row in rows)


def _fields(row: dict[str, Any]) -> list[str]:
    return [_field(name, value) for name, value in row.items()]


def _field(name: str, value: Any) -> str:
    """A value as the import reads it back."""
    if value is None or (name in _OBJECTS and not value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _ndjson(rows: list[dict[str, Any]]) -> str:
    return "".join(orjson.dumps(row).decode() + "\n" for row in rows)
