"""The shelf: how published links, API keys, vendors and click caps are laid down in Redis, in bounded pipelines.

The publisher calls it; the doors read what lies there. Values are written before they are announced, in two round
trips, because the nodes of a Redis Cluster keep no order between each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from redis.asyncio.cluster import RedisCluster

from schema import keys
from schema.ids import wall_clock_ms
from schema.redis_client import RedisClient

PIPELINE_COMMANDS = 500
OUTCOME_S = 60
"""How long an outcome can be asked for after it was handed out."""
RAISE_TO = """
if tonumber(redis.call('GET', KEYS[1]) or '-1') < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end
"""
"""Atomic beside the doors' INCR: a cap counter is only ever raised to what the ledger counted."""

Item = TypeVar("Item")


class Shelf:
    """Redis as the publisher sees it."""

    def __init__(self, client: RedisClient) -> None:
        self._client: Any = client

    async def is_current(self) -> bool:
        """Note that Redis is up to date now; False when it lost what was published, or is not the same server."""
        if await self._client.get(keys.PUBLISHED_INSTANCE) != await self._run_id():
            return False
        return bool(await self._client.set(keys.PUBLISHED, wall_clock_ms(), xx=True))

    async def mark_filled(self) -> None:
        """Note that everything has been published to this server."""
        await self._client.set(keys.PUBLISHED_INSTANCE, await self._run_id())
        await self._client.set(keys.PUBLISHED, wall_clock_ms())

    async def _run_id(self) -> bytes:
        """The run id of the server. A cluster has many and loses no acknowledged write by a node's restart alone."""
        if isinstance(self._client, RedisCluster):
            return b"cluster"
        return str((await self._client.info("server"))["run_id"]).encode()

    async def put_links(self, links: Sequence[tuple[str, str]]) -> None:
        """Write the values of codes."""
        for chunk in _chunks(links):
            pipeline = self._client.pipeline(transaction=False)
            for code, value in chunk:
                pipeline.set(keys.link(code), value)
            await pipeline.execute()

    async def put_values(self, values: Sequence[tuple[str, str]]) -> None:
        """Write values under keys of their own."""
        for chunk in _chunks(values):
            pipeline = self._client.pipeline(transaction=False)
            for name, value in chunk:
                pipeline.set(name, value)
            await pipeline.execute()

    async def put_outcomes(self, outcomes: Sequence[tuple[str, bytes]]) -> None:
        """Hand the outcome bodies of reports to the doors that wait for them."""
        for chunk in _chunks(outcomes):
            pipeline = self._client.pipeline(transaction=False)
            for report_id, body in chunk:
                pipeline.set(keys.outcome(report_id), body, ex=OUTCOME_S)
                entry = {"r": report_id, "b": body}
                pipeline.xadd(keys.OUTCOMES, entry, maxlen=keys.OUTCOMES_MAX, approximate=True)
            await pipeline.execute()

    async def announce(self, codes: Sequence[str]) -> None:
        """Tell every door that these codes changed; `*` stands for all of them."""
        for chunk in _chunks(codes):
            pipeline = self._client.pipeline(transaction=False)
            for code in chunk:
                pipeline.xadd(keys.LINK_CHANGES, {"c": code}, maxlen=keys.LINK_CHANGES_MAX, approximate=True)
            await pipeline.execute()

    async def without_cap(self, link_ids: Sequence[int]) -> list[int]:
        """Those of these links that have no visitor counter."""
        missing: list[int] = []
        for chunk in _chunks(link_ids):
            pipeline = self._client.pipeline(transaction=False)
            for link_id in chunk:
                pipeline.exists(keys.cap(link_id))
            found = await pipeline.execute()
            missing += [link_id for link_id, is_there in zip(chunk, found, strict=True) if not is_there]
        return missing

    async def restore_caps(self, counts: Sequence[tuple[int, int]]) -> None:
        """Raise the visitor counters of capped links to at least what was stored."""
        for chunk in _chunks(counts):
            pipeline = self._client.pipeline(transaction=False)
            for link_id, visitors in chunk:
                pipeline.eval(RAISE_TO, 1, keys.cap(link_id), visitors)
            await pipeline.execute()

    async def put_keys(self, live: Sequence[tuple[str, bytes, int | None]], over: Sequence[str]) -> None:
        """Write API keys (which vanish by themselves when they expire) and remove those that are over."""
        for chunk in _chunks(live):
            pipeline = self._client.pipeline(transaction=False)
            for key_hash, value, expires_at_ms in chunk:
                pipeline.set(keys.api_key(key_hash), value, pxat=expires_at_ms)
            await pipeline.execute()
        for key_hash in over:
            await self._client.delete(keys.api_key(key_hash))

    async def announce_keys(self, key_hashes: Sequence[str]) -> None:
        """Tell every door that these API keys changed."""
        await self.announce([keys.NO_CODE + keys.api_key(key_hash) for key_hash in key_hashes])


def _chunks(items: Sequence[Item]) -> Iterator[list[Item]]:
    """`items` in pieces small enough for one pipeline."""
    iterator = iter(items)
    while piece := list(islice(iterator, PIPELINE_COMMANDS)):
        yield piece
