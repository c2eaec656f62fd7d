"""Limits how often a key may ask: a bucket of tokens for each key, in this process.

ASGI middleware around the whole application. A bucket holds a minute's requests and refills evenly; every answer
to a key says what is left (`RateLimit`, draft-ietf-httpapi-ratelimit-headers), and an empty bucket answers 429 with
`Retry-After`. Several API processes have a bucket each.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attribution.api.problems import problem

WINDOW_S = 60
KEYS_MAX = 10_000
"""Buckets kept; whoever asked longest ago is forgotten first, with a bucket that has long been full again."""


class Buckets:
    """Tokens left for each key."""

    def __init__(self, requests_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(requests_per_minute)
        self._per_s = requests_per_minute / WINDOW_S
        self._clock = clock
        self._filled: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, key: bytes) -> tuple[int, float]:
        """Take a token: how many are left, and seconds to wait when there was none (else 0)."""
        now = self._clock()
        tokens, at = self._filled.pop(key, (self._size, now))
        tokens = min(self._size, tokens + (now - at) * self._per_s)
        is_granted = tokens >= 1
        left = tokens - 1 if is_granted else tokens
        self._filled[key] = (left, now)
        if len(self._filled) > KEYS_MAX:
            self._filled.popitem(last=False)
        return int(left), 0.0 if is_granted else (1 - tokens) / self._per_s


class RateLimit:
    """The middleware. Requests without a key are not counted: they are answered without work."""

    def __init__(self, app: ASGIApp, requests_per_minute: int) -> None:
        self._app = app
        self._buckets = Buckets(requests_per_minute)
        self._policy = f'"key";q={requests_per_minute};w={WINDOW_S}'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through with its headers, or answer 429."""
        key = _key_of(scope)
        if key is None:
            return await self._app(scope, receive, send)
        left, wait_s = self._buckets.take(key)
        headers = {"RateLimit-Policy": self._policy, "RateLimit": f'"key";r={left};t={WINDOW_S}'}
        if wait_s:
            headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
            answer = problem(
                429, "This key asks too often; wait as long as Retry-After says.", headers=headers
            )
            return await answer(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        return await self._app(scope, receive, send_with_headers)


def _key_of(scope: Scope) -> bytes | None:
    """A digest of the key, so that no key stays in memory."""
    if scope["type"] != "http":
        return None
    for name, value in scope["headers"]:
        if name == b"authorization":
            return blake2b(value, digest_size=16).digest()
    return None
