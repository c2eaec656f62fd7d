"""Appends blocks to the streams of Redis: what a recorder calls for each block it brings home.

The door has two, one for clicks and one for reports of conversions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from schema.events import FIELD_BLOCK

Command = Callable[..., Awaitable[object]]
"""Sends one Redis command, its words as bytes, and returns when it is answered."""


class Appender:
    """Appends to one stream after the other, so that none grows hotter than the rest."""

    def __init__(self, command: Command, streams: Sequence[str], first: int) -> None:
        self._command = command
        self._streams = [stream.encode() for stream in streams]
        self._next = first

    async def __call__(self, payload: bytes) -> None:
        """Raises one of `UNREACHABLE` when Redis did not acknowledge."""
        stream = self._streams[self._next % len(self._streams)]
        self._next += 1
        await self._command(b"XADD", stream, b"*", FIELD_BLOCK, payload)

    async def ping(self) -> None:
        """Raises one of `UNREACHABLE` when Redis does not answer on the connection that appends."""
        await self._command(b"PING")
