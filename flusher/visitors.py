"""Visitor hashes: which clicks of a day came from the same address and browser, without being able to say who.

Each day has a random secret, kept in Redis only and destroyed 48 hours after the day began; the hash is a keyed
BLAKE2b of address (IPv6 by its /64) and user agent under the secret of the click's own day. Clicks that reach
the writer later than that (imports, long outages) get no hash: they are told apart by their cookie alone.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from schema import keys
from schema.redis_client import RedisClient

DAY_MS = 86_400_000
SECRET_BYTES = 32
SECRET_DAYS = 2
"""Days, its own included, for which a day's secret exists."""

_SIGNED_64 = struct.Struct(">q").unpack

Secrets = dict[int, Any]
"""Day (since 1970) to a BLAKE2b object that has taken in that day's secret."""


class VisitorSecrets:
    """The secrets of the days around now, fetched from Redis or, for a day nobody has seen yet, made there."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._known: Secrets = {}

    def forget(self) -> None:
        """Ask Redis again: it may have been emptied, and others will have made new secrets."""
        self._known.clear()

    async def around(self, click_days: Iterable[int], now_ms: int) -> Secrets:
        """The secrets of those days and of their neighbours, as far as they exist or may be made now."""
        today = now_ms // DAY_MS
        for day in [day for day in self._known if not _is_kept(day, today)]:
            del self._known[day]
        for day in sorted(set(click_days)):
            await self._learn(day, today, is_made=True)
            await self._learn(day - 1, today, is_made=False)
            await self._learn(day + 1, today, is_made=False)
        return self._known

    async def _learn(self, day: int, today: int, *, is_made: bool) -> None:
        """A day nobody clicked on needs no secret, so neighbours are only looked up."""
        if day in self._known or not _is_kept(day, today):
            return
        key = keys.visitor_key(day)
        if is_made:
            end_s = (day + SECRET_DAYS) * DAY_MS // 1000
            await self._redis.set(key, os.urandom(SECRET_BYTES), nx=True, exat=end_s)
        secret = await self._redis.get(key)
        if isinstance(secret, bytes):
            self._known[day] = blake2b(key=secret, digest_size=8)


def _is_kept(day: int, today: int) -> bool:
    """Tomorrow's is kept too: the clock of a door may be a little ahead."""
    return today - SECRET_DAYS < day <= today + 1


def visitor_bytes(ip: str, user_agent: str) -> bytes:
    """What is hashed: the address, IPv6 by its /64 (one household), and the browser."""
    if ":" in ip:
        ip = str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(ip)) >> 64 << 64))
    return f"{ip}\n{user_agent}".encode("utf-8", "replace")


def visitor_hash(secret: Any, visitor: bytes) -> int:
    """Signed 64-bit hash under a secret of `VisitorSecrets.around`."""
    state = secret.copy()
    state.update(visitor)
    value: int = _SIGNED_64(state.digest())[0]
    return value
