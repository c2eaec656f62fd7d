"""The append connection: one socket to one Redis, commands written without waiting for the answers before them.

redis-py's client costs 73 us of the door's core for one XADD, most of it in its connection pool; this costs 32 us
(one append a block, measured with 6 KB blocks). It speaks just enough RESP for AUTH, SELECT, PING and XADD; replies
are parsed by hiredis. TLS and clusters go through redis-py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

CONNECT_S_MAX = 2.0
REPLIES_MAX = 1_000
"""Commands without an answer at most; a Redis that is that far behind is given up."""


def is_plain(redis_url: str) -> bool:
    """Whether this connection can serve that URL: one server, no TLS, TCP."""
    parts = urlsplit(redis_url)
    return parts.scheme == "redis" and parse_qs(parts.query).get("cluster", ["false"])[0].lower() != "true"


class _Replies(asyncio.Protocol):
    """Settles the futures of commands in the order they were written."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(replyError=ResponseError, protocolError=RedisConnectionError)
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                self._settle(reply)
        except RedisConnectionError as error:
            self.abandon(error)

    def _settle(self, reply: Any) -> None:
        future = self._waiting.popleft()
        if future.done():
            return  # whoever waited gave up; the answer only keeps its place in the order
        if isinstance(reply, ResponseError):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        self.abandon(RedisConnectionError(f"Redis closed the connection: {error}"))

    def abandon(self, error: Exception) -> None:
        """Fail what waits and close."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)
                future.exception()  # read here: nobody may be waiting any more

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def send(self, command: bytes) -> asyncio.Future[Any]:
        """Write one command; its reply."""
        if self._transport is None:
            raise RedisConnectionError("the connection is closed")
        if len(self._waiting) >= REPLIES_MAX:
            raise RedisConnectionError("too many commands wait for their answers")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._transport.write(command)
        return future


class StreamConnection:
    """Opens itself at the first command and again after every loss. Errors are those of redis-py."""

    def __init__(self, redis_url: str) -> None:
        parts = urlsplit(redis_url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 6379
        self._password = unquote(parts.password) if parts.password else None
        self._user = unquote(parts.username) if parts.username else None
        self._database = parts.path.strip("/") or "0"
        self._replies: _Replies | None = None
        self._opening = asyncio.Lock()

    async def command(self, *words: bytes) -> Any:
        """Send one command and return its reply. Raises RedisError, OSError or TimeoutError."""
        replies = self._replies
        if replies is None or not replies.is_open:
            replies = await self._open()
        return await replies.send(_encode(words))

    async def _open(self) -> _Replies:
        async with self._opening:
            if self._replies is not None and self._replies.is_open:
                return self._replies
            async with asyncio.timeout(CONNECT_S_MAX):
                loop = asyncio.get_running_loop()
                _, replies = await loop.create_connection(_Replies, self._host, self._port)
                for words in self._greeting():
                    await replies.send(_encode(words))
            self._replies = replies
            return replies

    def _greeting(self) -> list[tuple[bytes, ...]]:
        words: list[tuple[bytes, ...]] = []
        if self._password is not None:
            user = (self._user.encode(),) if self._user else ()
            words.append((b"AUTH", *user, self._password.encode()))
        if self._database != "0":
            words.append((b"SELECT", self._database.encode()))
        return words

    def close(self) -> None:
        """Give the socket back."""
        if self._replies is not None:
            self._replies.abandon(RedisConnectionError("the door stops"))


def _encode(words: tuple[bytes, ...]) -> bytes:
    """A RESP array of bulk strings."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
