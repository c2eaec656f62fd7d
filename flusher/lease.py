"""A lease in Redis: who may do a thing now, until when, and how the next one takes over.

The writer takes one per shard, so that a shard has one active consumer. It saves work, it does not keep data
right: two writers on one shard would still store every click once, because the database recognises ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from schema.redis_client import RedisClient

# Renew and release only what is still ours: another may have taken over while we were stopped.
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class Lease:
    """One lease; `token` tells its holders apart. `is_held` is judged by this process's own clock."""

    def __init__(
        self,
        redis: RedisClient,
        key: str,
        token: str,
        ttl_ms: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._key = key
        self._token = token
        self._ttl_ms = ttl_ms
        self._clock = clock
        self._held_until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether it is certainly still ours."""
        return self._clock() < self._held_until

    async def acquire(self) -> bool:
        """Take it if nobody holds it."""
        asked = self._clock()
        if await self._redis.set(self._key, self._token, nx=True, px=self._ttl_ms) or await self._renewed():
            self._held_until = asked + self._ttl_ms / 1000
        return self.is_held

    async def renew(self) -> bool:
        """Keep it for another term; False when somebody else has it now."""
        asked = self._clock()
        is_ours = await self._renewed()
        self._held_until = asked + self._ttl_ms / 1000 if is_ours else 0.0
        return is_ours

    async def release(self) -> None:
        """Let the next one have it at once."""
        self._held_until = 0.0
        await self._redis.eval(_RELEASE, 1, self._key, self._token)

    async def _renewed(self) -> bool:
        return bool(await self._redis.eval(_RENEW, 1, self._key, self._token, str(self._ttl_ms)))
