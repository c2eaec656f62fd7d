"""Brings clicks of another tracker in: rows of a file in, blocks in the same streams as live clicks out.

Each row keeps its past `clicked_at`; its final id is given by the writer, which also knows whether the row came
before. A row is recognised by its `import_id`, or without one by its line number and content, so importing a file
twice, or again after repairing some lines, stores each row once. `clickledger clicks import` calls it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, TextIO
from urllib.parse import urlencode

import orjson

from redirector.row_files import Row, RowFault, append_paced, read_rows
from redirector.visitor import fold_address
from schema import keys
from schema.events import (
    KIND_CLICK,
    QUERY_CHARS_MAX,
    REFERRER_CHARS_MAX,
    SUB_CHARS_MAX,
    USER_AGENT_CHARS_MAX,
    encode_block,
)
from schema.ids import import_click_id, wall_clock_ms
from schema.links import PublishedLink, decode_link, normalise_code
from schema.redis_client import RedisClient

BLOCK_ROWS = 500
CLOCK_SKEW_MS = 5 * 60 * 1000

QUERY_COLUMNS = (
    *(f"sub{number}" for number in range(1, 6)),
    *(f"utm_{part}" for part in ("source", "medium", "campaign", "content", "term")),
)
COLUMNS = ("code", "clicked_at", "import_id", "cookie_id", "ip", "user_agent", "referrer", *QUERY_COLUMNS)

_NAMESPACE = uuid.UUID("5d2c8d0e-6f0b-5d55-9c3e-0d6f6c6b1a11")


def read_click_rows(file: TextIO) -> Iterator[Row | RowFault]:
    """The rows of a file of clicks. Raises BadFile."""
    for row in read_rows(file, COLUMNS, ("code", "clicked_at")):
        if isinstance(row, Row) and not all(isinstance(value, str) for value in row.fields.values()):
            yield RowFault(row.number, "all values must be strings")
        else:
            yield row


def click_of(row: Row, link: PublishedLink, now_ms: int) -> tuple[object, ...] | RowFault:
    """The row as a click event of that link, or why it is none."""
    fields = row.fields
    at_ms = _moment_ms(fields.get("clicked_at", ""))
    if at_ms is None or not 0 < at_ms <= now_ms + CLOCK_SKEW_MS:
        return RowFault(row.number, "clicked_at: must be a past RFC 3339 time with its offset")
    ip = fields.get("ip")
    if ip is not None and (ip := fold_address(ip)) is None:
        return RowFault(row.number, "ip: is not an address")
    query = {name: fields[name][:SUB_CHARS_MAX] for name in QUERY_COLUMNS if name in fields}
    return (
        import_click_id(at_ms, 0),
        link.link_id,
        link.partner_id,
        link.campaign_version_id,
        link.code,
        _cookie_id(fields.get("cookie_id")),
        link.window_days,
        KIND_CLICK,
        ip,
        fields.get("user_agent", "")[:USER_AGENT_CHARS_MAX],
        fields.get("referrer", "")[:REFERRER_CHARS_MAX],
        "",
        urlencode(query)[:QUERY_CHARS_MAX],
        _import_key(row),
    )


def _moment_ms(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else int(moment.timestamp() * 1000)


def _cookie_id(value: str | None) -> str | None:
    """A UUID as it is; any other tracker's visitor id as a UUID that is the same each time."""
    if value is None:
        return None
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, f"cookie:{value}"))


def _import_key(row: Row) -> str:
    given = row.fields.get("import_id")
    if given is not None:
        return str(uuid.uuid5(_NAMESPACE, f"id:{given}"))
    content = orjson.dumps([row.number, sorted(row.fields.items())])
    return str(uuid.UUID(bytes=hashlib.blake2b(content, digest_size=16).digest()))


class ClickImport:
    """Appends rows to the streams in blocks, no faster than the writer stores them."""

    def __init__(self, client: RedisClient, shards: int, *, is_case_sensitive: bool) -> None:
        self._client: Any = client
        self._shards = shards
        self._is_case_sensitive = is_case_sensitive
        self._next_shard = 0
        self.appended = 0

    async def append(self, rows: Iterable[Row | RowFault]) -> list[RowFault] | None:
        """Append one block's worth of rows, at most `BLOCK_ROWS`; the faults of those left out, None at the end."""
        chunk = list(islice(rows, BLOCK_ROWS))
        if not chunk:
            return None
        faults = [row for row in chunk if isinstance(row, RowFault)]
        good = [row for row in chunk if isinstance(row, Row)]
        links = await self._links({self._code(row) for row in good})
        now_ms = wall_clock_ms()
        clicks: list[tuple[object, ...]] = []
        for row in good:
            link = links.get(self._code(row))
            click = (
                click_of(row, link, now_ms) if link else RowFault(row.number, "code: is not a published link")
            )
            if isinstance(click, RowFault):
                faults.append(click)
            else:
                clicks.append(click)
        if clicks:
            await self._append_block(encode_block(clicks))
            self.appended += len(clicks)
        return sorted(faults)

    def _code(self, row: Row) -> str:
        return normalise_code(row.fields.get("code", ""), is_case_sensitive=self._is_case_sensitive)

    async def _links(self, codes: set[str]) -> dict[str, PublishedLink]:
        ordered = sorted(codes)
        pipeline = self._client.pipeline(transaction=False)
        for code in ordered:
            pipeline.get(keys.link(code))
        values = await pipeline.execute() if ordered else []
        return {code: decode_link(value) for code, value in zip(ordered, values, strict=True) if value}

    async def _append_block(self, payload: bytes) -> None:
        stream = keys.clicks(self._next_shard % self._shards)
        self._next_shard += 1
        await append_paced(self._client, stream, payload)
