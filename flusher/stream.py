"""One stream of clicks or reports as the writer sees it: its consumer group, reading, acknowledging, trimming.

Every shard has one consumer name, whoever holds its lease: what a killed writer had read but not acknowledged is
simply ours when we read our own pending entries. All Redis stream commands of the writer are in this file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from redis.exceptions import ResponseError

from flusher.batch import Entry
from schema import keys
from schema.conversions import decode_reports
from schema.events import FIELD_BLOCK, BadEvent, decode_block
from schema.redis_client import RedisClient

ACKNOWLEDGED_AT_ONCE = 500
DECODED_AT_ONCE = 4
"""Entries decoded before the loop has another turn: a full block takes 2 ms."""
STRAY_IDLE_MS = 60_000
_SERVER_TIME = "redis.call('exists', KEYS[1]); return redis.call('time')"
FROM_START = "0-0"

Decode = Callable[[bytes], tuple[list[Any], list[BadEvent]]]
"""A block's payload to its events, and what is none."""


class NoGroup(Exception):
    """The stream has lost its consumer group: Redis was emptied or restored."""


class ClickStream:
    """The click stream of one shard, read by the writer's group."""

    _name = staticmethod(keys.clicks)
    _decode: Decode = staticmethod(decode_block)

    def __init__(self, redis: RedisClient, shard: int) -> None:
        self.name = self._name(shard)
        self._redis = redis
        self._consumer = f"shard-{shard}"

    async def make_group(self) -> None:
        """Make stream and group if they do not exist; the group begins at the first entry there is."""
        try:
            await self._redis.xgroup_create(self.name, keys.FLUSHER_GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def claim_strays(self) -> None:
        """Take over entries that stand under any other consumer's name, left there by hand or another version."""
        cursor: Any = FROM_START
        while True:
            reply = await self._redis.xautoclaim(
                self.name,
                keys.FLUSHER_GROUP,
                self._consumer,
                min_idle_time=STRAY_IDLE_MS,
                start_id=cursor,
                count=ACKNOWLEDGED_AT_ONCE,
                justid=False,
            )
            cursor = reply[0]
            if cursor in (b"0-0", "0-0"):
                return

    async def read_new(self, count: int, block_ms: int | None) -> list[Entry]:
        """Entries never delivered before; waits up to `block_ms` for the first (None: does not wait)."""
        return await self._read(">", count, block_ms)

    async def read_pending(self, after: str, count: int) -> list[Entry]:
        """Entries delivered but never acknowledged, later than `after`."""
        return await self._read(after, count, None)

    async def _read(self, start: str, count: int, block_ms: int | None) -> list[Entry]:
        try:
            reply: Any = await self._redis.xreadgroup(
                keys.FLUSHER_GROUP, self._consumer, {self.name: start}, count=count, block=block_ms
            )
        except ResponseError as error:
            if "NOGROUP" in str(error) or "UNBLOCKED" in str(error):
                raise NoGroup(self.name) from error
            raise
        read: list[Entry] = []
        for raw_id, fields in reply[0][1] if reply else ():
            read.append(_entry(raw_id, fields, self._decode))
            if len(read) % DECODED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return read

    async def acknowledge(self, entry_ids: list[str]) -> None:
        """Delete stored entries, then acknowledge them; call after COMMIT.

        Exactly these ids: trimming by a smallest id could take entries another holder of the lease has read and
        not yet stored. Deleted first: killed in between, an entry without body is found pending and acknowledged;
        the other way round it would stay in the stream for ever, unread.
        """
        for start in range(0, len(entry_ids), ACKNOWLEDGED_AT_ONCE):
            some = entry_ids[start : start + ACKNOWLEDGED_AT_ONCE]
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.xdel(self.name, *some)
                pipeline.xack(self.name, keys.FLUSHER_GROUP, *some)
                await pipeline.execute()

    async def append(self, payload: bytes) -> None:
        """Put a block back (a replayed dead letter)."""
        await self._redis.xadd(self.name, {FIELD_BLOCK: payload})

    async def length(self) -> int:
        """Entries in the stream."""
        return int(await self._redis.xlen(self.name))

    async def server_ms(self) -> int:
        """The clock that stamps entries: that of the node which holds this stream."""
        seconds, micros = await self._redis.eval(_SERVER_TIME, 1, self.name)
        return int(seconds) * 1000 + int(micros) // 1000


class ReportStream(ClickStream):
    """The stream of one shard's conversions, refunds and leads."""

    _name = staticmethod(keys.conversions)
    _decode = staticmethod(decode_reports)


def _entry(raw_id: bytes, fields: dict[bytes, bytes] | None, decode: Decode) -> Entry:
    """A decoded entry; one that was deleted while pending is empty, one without a block is bad."""
    entry_id = raw_id.decode()
    if not fields:
        return Entry(entry_id, [], [], 0)
    payload = fields.get(FIELD_BLOCK)
    if payload is None:
        return Entry(entry_id, [], [BadEvent("not_a_block", repr(fields).encode()[:10_000])], 0)
    events, bad = decode(payload)
    return Entry(entry_id, events, bad, len(payload))
