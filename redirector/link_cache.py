"""The door's links: a bounded cache over Redis, kept right by the stream of changes.

A hit is one dictionary look-up. Misses of one event-loop turn travel together in one pipeline. The publisher
appends every changed code to `links:changes`; the follower here drops it from the cache a moment later. While the
change stream cannot be read the cache stays servable; when it can again, reading goes on from where it stopped, so
nothing that changed meanwhile is missed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog

from redirector.decision import CHANGED, CachedLink
from schema import keys, metrics
from schema.links import decode_link
from schema.redis_client import UNREACHABLE, RedisClient

NEGATIVES_MAX = 10_000
NEGATIVE_S = 5.0
LOOK_UP_MAX = 500
CHANGES_READ_MAX = 1000
CHANGES_BLOCK_MS = 2000
EVERYTHING = b"*"

Value = TypeVar("Value")
_log = structlog.get_logger()


class Generations(Generic[Value]):
    """A bounded map that forgets what was not asked for lately: two generations, the older one dropped when full.

    Close to least-recently-used, without touching a list on every hit.
    """

    def __init__(self, entries_max: int) -> None:
        self._half = max(1, entries_max // 2)
        self.young: dict[str, Value] = {}
        self._old: dict[str, Value] = {}

    def get(self, key: str) -> Value | None:
        """The value, which is thereby young again."""
        value = self.young.get(key)
        if value is None and (value := self._old.get(key)) is not None:
            self.put(key, value)
        return value

    def put(self, key: str, value: Value) -> None:
        """Remember; may forget the older half."""
        if len(self.young) >= self._half and key not in self.young:
            self._old, self.young = self.young, {}
        self.young[key] = value

    def drop(self, key: str) -> None:
        """Forget one."""
        self.young.pop(key, None)
        self._old.pop(key, None)

    def values(self) -> list[Value]:
        """All values, the youngest last."""
        return list(({**self._old, **self.young}).values())

    def __len__(self) -> int:
        return len(self.young) + len(self._old)


class LinkCache:
    """Links by code, as this door process knows them. `client` answers look-ups, `follower` blocks on changes."""

    def __init__(
        self, client: RedisClient, follower: RedisClient, links_max: int, fallback_url: str | None
    ) -> None:
        self._client: Any = client
        self._follower: Any = follower
        self._fallback_url = fallback_url
        self._links: Generations[CachedLink] = Generations(links_max)
        self._epoch = 0
        self._negatives: Generations[float] = Generations(NEGATIVES_MAX)
        self._asked: dict[str, asyncio.Future[CachedLink | None]] = {}
        self._changes = 0
        self._last_change: bytes = b"0-0"
        self.is_following = False
        self._hits = 0
        self._misses = 0
        self.also_tell: Callable[[bytes], None] | None = None
        """Told of every change too: keys of the API are announced in the same stream."""

    def get(self, code: str) -> CachedLink | None:
        """The link, if this process holds it and it has not changed."""
        cached = self._links.young.get(code) or self._links.get(code)
        if cached is None or cached.epoch != self._epoch:
            return None
        self._hits += 1
        return cached

    def stale(self, code: str) -> CachedLink | None:
        """The link as it was when last heard of: what to serve while Redis cannot say what it is now."""
        return self._links.get(code)

    def is_known_missing(self, code: str) -> bool:
        """Whether Redis said a moment ago that there is no such code."""
        until = self._negatives.get(code)
        return until is not None and time.monotonic() < until

    async def fetch(self, code: str) -> CachedLink | None:
        """The link from Redis, now cached; None if there is none. Raises one of `UNREACHABLE`."""
        self._misses += 1
        asked = self._asked.get(code)
        if asked is None:
            asked = self._asked[code] = asyncio.get_running_loop().create_future()
            if len(self._asked) == 1:
                asyncio.get_running_loop().call_soon(self._look_up)
        return await asyncio.shield(asked)

    def _look_up(self) -> None:
        asked, self._asked = self._asked, {}
        codes = list(asked)
        for start in range(0, len(codes), LOOK_UP_MAX):
            part = {code: asked[code] for code in codes[start : start + LOOK_UP_MAX]}
            task = asyncio.get_running_loop().create_task(self._answer(part))
            task.add_done_callback(lambda done: done.exception())

    async def _answer(self, asked: dict[str, asyncio.Future[CachedLink | None]]) -> None:
        changes_before = self._changes
        try:
            pipeline = self._client.pipeline(transaction=False)
            for code in asked:
                pipeline.get(keys.link(code))
            pipeline.exists(keys.PUBLISHED)
            *values, is_filled = await pipeline.execute()
            if not is_filled and None in values:
                raise ConnectionError("nothing is published in this Redis yet")
            for (code, future), value in zip(asked.items(), values, strict=True):
                # A change that arrived while we asked may be newer than the answer: use it, do not keep it.
                future.set_result(self._take(code, value, is_kept=changes_before == self._changes))
        except BaseException as error:
            for future in asked.values():
                if not future.done():
                    future.set_exception(
                        error if isinstance(error, Exception) else ConnectionError(repr(error))
                    )
                    future.exception()
            if not isinstance(error, UNREACHABLE):
                _log.error("look_up_failed", error=repr(error))

    def _take(self, code: str, value: bytes | None, *, is_kept: bool) -> CachedLink | None:
        if value is None:
            if is_kept:
                self._negatives.put(code, time.monotonic() + NEGATIVE_S)
            return None
        try:
            cached = CachedLink(decode_link(value), self._fallback_url)
        except (ValueError, TypeError, KeyError) as error:
            _log.error("link_unreadable", code=code, error=repr(error))
            return None
        if is_kept:
            cached.epoch = self._epoch
            self._links.put(code, cached)
        return cached

    def preload(self, values: list[bytes]) -> None:
        """Fill an empty cache from a snapshot: links to serve as long as Redis cannot be asked."""
        for value in values:
            cached = self._take("", value, is_kept=False)
            if cached is not None:
                self._links.put(cached.link.code, cached)

    def cached(self) -> list[CachedLink]:
        """Everything held now, for the snapshot."""
        return self._links.values()

    async def begin_following(self) -> None:
        """Note where the change stream stands; what is fetched after this is never older than it."""
        newest = await self._client.xrevrange(keys.LINK_CHANGES, count=1)
        self._last_change = newest[0][0] if newest else b"0-0"
        self.is_following = True

    async def follow(self) -> None:
        """Drop changed links until cancelled."""
        pause_s = 0.05
        while True:
            try:
                await self._catch_up()
                pause_s = 0.05
            except UNREACHABLE as error:
                if self.is_following:
                    _log.warning("link_changes_unreadable", error=repr(error))
                self.is_following = False
                await asyncio.sleep(pause_s * (0.5 + random.random()))
                pause_s = min(pause_s * 2, 1.0)

    async def _catch_up(self) -> None:
        if not self.is_following:
            await self._resume()
        answer = await self._follower.xread(
            {keys.LINK_CHANGES: self._last_change}, count=CHANGES_READ_MAX, block=CHANGES_BLOCK_MS
        )
        for entry_id, fields in answer[0][1] if answer else ():
            self._last_change = entry_id
            self._forget(fields.get(b"c", EVERYTHING))

    async def _resume(self) -> None:
        """Go on after a break. Where the stream was cut or reset past our place, everything may have changed."""
        oldest = await self._follower.xrange(keys.LINK_CHANGES, count=1)
        newest = await self._follower.xrevrange(keys.LINK_CHANGES, count=1)
        is_cut = bool(oldest) and _order(oldest[0][0]) > _order(self._last_change)
        is_reset = not newest or _order(newest[0][0]) < _order(self._last_change)
        if is_cut or is_reset:
            self._forget(EVERYTHING)
            self._last_change = newest[0][0] if newest else b"0-0"
        self.is_following = True
        _log.info("link_changes_followed", is_cut=is_cut, is_reset=is_reset)

    def _forget(self, code: bytes) -> None:
        self._changes += 1
        if self.also_tell is not None:
            self.also_tell(code)
        if code == EVERYTHING:
            self._epoch += 1
            self._negatives = Generations(NEGATIVES_MAX)
            return
        text = code.decode("utf-8", "replace")
        if (known := self._links.get(text)) is not None:
            known.epoch = CHANGED
        self._negatives.drop(text)

    def count(self) -> None:
        """Bring the metrics up to date."""
        metrics.LINK_CACHE.labels("hit").inc(self._hits)
        metrics.LINK_CACHE.labels("miss").inc(self._misses)
        self._hits = self._misses = 0
        metrics.LINK_CACHE_SIZE.set(len(self._links))


def _order(entry_id: bytes) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition(b"-")
    return int(ms), int(sequence)
