"""Waiting for what becomes of a report (`Prefer: wait`, RFC 7240), without asking PostgreSQL.

The publisher appends each awaited outcome to one stream. While somebody waits, one task here reads it and hands
each outcome to the request it answers; nobody waiting, nothing runs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from schema import keys, metrics
from schema.redis_client import UNREACHABLE, connect_redis

WAIT_S_MAX = 10
WAITING_MAX = 5_000
"""Reports waited for at once; beyond it a request is answered 202 as if it had not asked."""
READ_BLOCK_MS = 1_000
READ_MAX = 500
PAUSE_S = 0.2

Outcome = bytes
"""The outcome body, JSON."""


class Outcomes:
    """The outcomes one door process waits for."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = connect_redis(redis_url, timeout_s=None, connections_max=4)
        self._waiting: dict[bytes, asyncio.Future[Outcome]] = {}
        self._last: bytes | None = None
        self._placing = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None

    async def expect(self, report_ids: Sequence[str]) -> bool:
        """Begin to listen for these, before they are kept; False where it cannot be waited for."""
        if len(self._waiting) + len(report_ids) > WAITING_MAX:
            return False
        try:
            await self._take_place()
        except UNREACHABLE:
            return False
        loop = asyncio.get_running_loop()
        for report_id in report_ids:
            self._waiting[report_id.encode()] = loop.create_future()
        metrics.OUTCOMES_AWAITED.set(len(self._waiting))
        if self._reader is None:
            self._reader = loop.create_task(self._read())
        return True

    async def _take_place(self) -> None:
        """Note where the stream stands before anything is kept; what comes after cannot be missed."""
        async with self._placing:
            if self._last is None:
                async with asyncio.timeout(1.0):
                    newest = await self._redis.xrevrange(keys.OUTCOMES, count=1)
                self._last = newest[0][0] if newest else b"0-0"

    async def collect(self, report_ids: Sequence[str], seconds: float) -> list[Outcome | None]:
        """The outcomes that are there in time, None for the others."""
        names = [report_id.encode() for report_id in report_ids]
        try:
            await asyncio.wait([self._waiting[name] for name in names], timeout=seconds)
            return [_result(self._waiting[name]) for name in names]
        finally:
            for name in names:
                self._waiting.pop(name).cancel()
            metrics.OUTCOMES_AWAITED.set(len(self._waiting))

    def give_up(self, report_ids: Sequence[str]) -> None:
        """Nobody will collect these."""
        for report_id in report_ids:
            if (future := self._waiting.pop(report_id.encode(), None)) is not None:
                future.cancel()

    async def _read(self) -> None:
        """Hand out outcomes until nobody waits."""
        while self._waiting:
            try:
                answer = await self._redis.xread(
                    {keys.OUTCOMES: self._last}, count=READ_MAX, block=READ_BLOCK_MS
                )
            except UNREACHABLE:
                await asyncio.sleep(PAUSE_S)
                continue
            for entry_id, fields in answer[0][1] if answer else ():
                self._last = entry_id
                future = self._waiting.get(fields.get(b"r", b""))
                if future is not None and not future.done():
                    future.set_result(fields[b"b"])
        self._reader = self._last = None  # and whoever comes next takes a new place

    async def close(self) -> None:
        """Stop listening."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        await self._redis.aclose()


def _result(future: asyncio.Future[Outcome]) -> Outcome | None:
    return future.result() if future.done() and not future.cancelled() else None


def seconds_preferred(prefer: bytes) -> int:
    """N of `Prefer: wait=N`, at most `WAIT_S_MAX`; 0 where nobody asks. What cannot be understood is ignored."""
    for preference in prefer.lower().split(b","):
        name, _, value = preference.partition(b";")[0].strip().partition(b"=")
        value = value.strip().strip(b'"')
        if name.strip() == b"wait" and value.isdigit() and len(value) < 10:
            return min(int(value), WAIT_S_MAX)
    return 0
