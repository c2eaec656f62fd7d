"""Appends blocks to the streams of Redis: what a recorder calls for each block it brings home.

The door has two, one for clicks and one for reports of conversions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schema.events import FIELD_BLOCK
from schema.redis_client import RedisClient


class Appender:
    """Appends to one stream after the other, so that none grows hotter than the rest."""

    def __init__(self, client: RedisClient, streams: Sequence[str], first: int) -> None:
        self._client: Any = client
        self._streams = streams
        self._next = first

    async def __call__(self, payload: bytes) -> None:
        """Raises one of `UNREACHABLE` when Redis did not acknowledge."""
        stream = self._streams[self._next % len(self._streams)]
        self._next += 1
        await self._client.execute_command("XADD", stream, "*", FIELD_BLOCK, payload)
