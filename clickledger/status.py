"""How the system is, in one value: what `clickledger status` prints.

Reads PostgreSQL (watermarks, dead letters, partitions), the streams in Redis, and the size of the spools.
Cheap enough to be asked every second: nothing here scans clicks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import orjson
from redis.exceptions import ResponseError

from clickledger import __version__
from schema import keys
from schema.events import FIELD_BLOCK
from schema.queries import load_queries
from schema.redis_client import RedisClient, connect_redis
from schema.settings import Settings

SQL = load_queries("clickledger")
SPOOLS = ("spool", "spool-conversions")
"""The spools of the door: for clicks, and for reports of conversions."""
PAGE_ENTRIES = 200
Page = list[tuple[bytes, dict[bytes, bytes]]]
COUNTED_ENTRIES_MAX = 20_000
"""Entries of a shard whose clicks are counted one by one; the rest of a longer stream is estimated from them."""


class Shard(NamedTuple):
    """One stream, of clicks or of reports. `pending` entries were read but not acknowledged; `clicks` are not in PostgreSQL yet."""

    shard: int
    length: int
    pending: int
    clicks: int
    oldest_ms: int | None


async def read_status(settings: Settings) -> dict[str, Any]:
    """The body of `status --json`. Both servers must be named in the settings and answer."""
    assert settings.database_url is not None and settings.redis_url is not None
    ledger = await _read_ledger(settings.database_url)
    client = connect_redis(settings.redis_url)
    try:
        shards = [await _read_shard(client, shard, keys.clicks) for shard in range(settings.stream_shards)]
        reports = [
            await _read_shard(client, shard, keys.conversions) for shard in range(settings.stream_shards)
        ]
    finally:
        await client.aclose()
    oldest_ms = min((shard.oldest_ms for shard in shards if shard.oldest_ms is not None), default=None)
    watermark: datetime | None = ledger["watermark"]
    return {
        "version": __version__,
        "clicks_stored": ledger["clicks_stored"],
        "clicks_captured": ledger["clicks_stored"] + sum(shard.clicks for shard in shards),
        "lag_seconds": round(max(0.0, time.time() - oldest_ms / 1000), 3) if oldest_ms is not None else 0.0,
        "oldest_unflushed_at": oldest_ms and _rfc3339(datetime.fromtimestamp(oldest_ms / 1000, UTC)),
        "watermark": watermark and _rfc3339(watermark),
        "streams": [{"shard": row.shard, "length": row.length, "pending": row.pending} for row in shards],
        "spool_bytes": sum(spool_bytes(settings.data_dir / folder) for folder in SPOOLS),
        "conversions": _conversions(ledger, sum(shard.clicks for shard in reports)),
        "dead_letters": ledger["dead_letters"],
        "partitions_ahead": ledger["partitions_ahead"],
        "versions": {"postgres": ledger["server_version"]},
    }


def _conversions(ledger: dict[str, Any], unwritten: int) -> dict[str, int]:
    """Accepted: all reports taken in that are or may become conversions; settled: those whose outcome is known."""
    stored, waiting = ledger["conversions_stored"], ledger["conversions_waiting"]
    return {"accepted": stored + unwritten, "settled": stored - waiting, "waiting": waiting + unwritten}


def spool_bytes(directory: Path) -> int:
    """Bytes waiting in the spool of this data directory."""
    return sum(path.stat().st_size for path in directory.glob("*") if path.is_file())


async def _read_ledger(database_url: str) -> dict[str, Any]:
    connection = await asyncpg.connect(database_url, timeout=10, command_timeout=30)
    try:
        numbers = dict(await connection.fetchrow(SQL["ledger_numbers"]) or {})
        numbers |= dict(await connection.fetchrow(SQL["conversion_numbers"]) or {})
        return numbers | {"partitions_ahead": await connection.fetchval(SQL["partitions_ahead"])}
    finally:
        await connection.close(timeout=5)


async def _read_shard(client: RedisClient, shard: int, name: Callable[[int], str]) -> Shard:
    stream = name(shard)
    length = int(await client.xlen(stream))
    pending, first = await _unwritten(client, stream)
    clicks, oldest_ms = await _count_clicks(client, stream, first, length)
    return Shard(shard, length, pending, clicks, oldest_ms)


async def _unwritten(client: RedisClient, stream: str) -> tuple[int, str]:
    """How many entries the writer holds unacknowledged, and where in the stream the unwritten ones begin."""
    try:
        groups = await client.xinfo_groups(stream)
    except ResponseError:  # the stream does not exist yet
        return 0, "-"
    for group in groups:
        if group["name"] == keys.FLUSHER_GROUP.encode():
            held = await client.xpending(stream, keys.FLUSHER_GROUP)
            first = held["min"] or b"(" + group["last-delivered-id"]
            return int(held["pending"]), first.decode()
    return 0, "-"


async def _count_clicks(client: RedisClient, stream: str, first: str, length: int) -> tuple[int, int | None]:
    """Clicks in the entries from `first` on, and when the oldest was appended."""
    clicks = entries = 0
    oldest_ms: int | None = None
    while entries < COUNTED_ENTRIES_MAX:
        page: Page = await client.xrange(stream, min=first, max="+", count=PAGE_ENTRIES)  # type: ignore[assignment]
        for entry_id, fields in page:
            if oldest_ms is None:
                oldest_ms = int(entry_id.partition(b"-")[0])
            clicks += _clicks_in(fields.get(FIELD_BLOCK, b""))
        entries += len(page)
        if len(page) < PAGE_ENTRIES:
            return clicks, oldest_ms
        first = "(" + page[-1][0].decode()
    return clicks * max(length, entries) // entries, oldest_ms


def _clicks_in(block: bytes) -> int:
    try:
        return len(orjson.loads(block))
    except (orjson.JSONDecodeError, TypeError):
        return 0


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
