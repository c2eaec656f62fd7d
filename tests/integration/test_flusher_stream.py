"""Leases change hands, groups come back, strays are claimed: the Redis side of the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from flusher_bed import append, click, connect, drain, entries, rows, value

from flusher.batch import Entry
from flusher.lease import Lease
from flusher.stream import FROM_START, ClickStream
from flusher.visitors import DAY_MS, VisitorSecrets
from flusher.writer import write
from schema import keys
from schema.ids import wall_clock_ms
from schema.redis_client import RedisClient, connect_redis
from schema.settings import Settings


def run(redis_url: str, act: Callable[[RedisClient], Awaitable[None]]) -> None:
    async def both() -> None:
        redis = connect_redis(redis_url)
        await act(redis)
        await redis.aclose()

    asyncio.run(both())


def test_a_lease_has_one_holder_and_ends_by_itself(redis_url: str) -> None:
    async def act(redis: RedisClient) -> None:
        first, second = (Lease(redis, "lease:{0}", token, 300) for token in ("first", "second"))
        assert await first.acquire()
        assert not await second.acquire()
        assert await first.renew()
        await second.release()  # not ours to release
        assert not await second.acquire()
        await asyncio.sleep(0.35)
        assert not first.is_held
        assert await second.acquire()
        assert not await first.renew()
        await second.release()
        assert await first.acquire()

    run(redis_url, act)


def test_pending_entries_survive_a_change_of_writer(redis_url: str) -> None:
    async def act(redis: RedisClient) -> None:
        first, second = ClickStream(redis, 0), ClickStream(redis, 0)
        await first.make_group()
        await second.make_group()
        for number in range(5):
            await first.append(b"[%d]" % number)
        taken: list[Entry] = await first.read_new(3, None)
        found = await second.read_pending(FROM_START, 2)
        found += await second.read_pending(found[-1].entry_id, 10)
        assert [entry.entry_id for entry in found] == [entry.entry_id for entry in taken]
        await second.acknowledge([entry.entry_id for entry in found])
        assert await second.read_pending(FROM_START, 10) == []
        assert len(await second.read_new(10, None)) == 2
        assert await second.length() == 2

    run(redis_url, act)


def test_an_entry_deleted_while_pending_is_acknowledged_and_forgotten(settings: Settings) -> None:
    append(settings, click())
    with connect(settings) as client:
        client.xgroup_create(keys.clicks(0), keys.FLUSHER_GROUP, id="0")
        ((_, [(entry_id, _fields)]),) = client.xreadgroup(
            keys.FLUSHER_GROUP, "shard-0", {keys.clicks(0): ">"}
        )
        client.xdel(keys.clicks(0), entry_id)
    append(settings, click())
    drain(settings)
    assert value(settings, "SELECT count(*) FROM clicks") == 1
    with connect(settings) as client:
        assert client.xpending(keys.clicks(0), keys.FLUSHER_GROUP)["pending"] == 0


def test_entries_under_a_strange_consumer_are_claimed(redis_url: str) -> None:
    async def act(redis: RedisClient) -> None:
        stream = ClickStream(redis, 0)
        await stream.make_group()
        await stream.append(b"[]")
        await redis.xreadgroup(keys.FLUSHER_GROUP, "by-hand", {stream.name: ">"})
        (pending,) = await redis.xpending_range(stream.name, keys.FLUSHER_GROUP, "-", "+", 10)
        await redis.xclaim(
            stream.name, keys.FLUSHER_GROUP, "by-hand", 0, [pending["message_id"]], idle=3_600_000
        )
        await stream.claim_strays()
        assert len(await stream.read_pending(FROM_START, 10)) == 1

    run(redis_url, act)


def test_redis_emptied_under_a_running_writer(settings: Settings) -> None:
    async def act() -> None:
        is_stopping = asyncio.Event()
        writer = asyncio.create_task(write(settings, is_stopping))
        for _ in range(3):
            await asyncio.to_thread(append, settings, click())
            await _until(lambda: entries(settings) == 0)
            with connect(settings) as client:
                client.flushdb()
        is_stopping.set()
        await writer

    asyncio.run(act())
    assert value(settings, "SELECT count(*) FROM clicks") == 3


def test_a_second_writer_stands_by_and_takes_over(settings: Settings) -> None:
    async def act() -> None:
        stops = [asyncio.Event(), asyncio.Event()]
        writers = [asyncio.create_task(write(settings, stop)) for stop in stops]
        await asyncio.to_thread(append, settings, click())
        await _until(lambda: entries(settings) == 0)
        stops[0].set()
        await writers[0]
        await asyncio.to_thread(append, settings, click())
        await _until(lambda: entries(settings) == 0)
        stops[1].set()
        await writers[1]

    asyncio.run(act())
    assert value(settings, "SELECT count(*) FROM clicks") == 2


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(is_so):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.02)


def test_secrets_are_shared_kept_short_and_made_anew_after_a_loss(redis_url: str) -> None:
    async def act(redis: RedisClient) -> None:
        now = wall_clock_ms()
        today = now // DAY_MS
        first, second = VisitorSecrets(redis), VisitorSecrets(redis)
        known = await first.around([today, today - 5], now)
        assert set(known) == {today}
        assert (await second.around([today], now))[today].digest() == known[today].digest()
        await redis.delete(keys.visitor_key(today))
        second.forget()
        assert (await second.around([today], now))[today].digest() != known[today].digest()
        assert set(await first.around([today + 1], now + DAY_MS)) == {today, today + 1}
        assert set(await first.around([today + 2], now + 2 * DAY_MS)) == {today + 1, today + 2}

    run(redis_url, act)


def test_visible_within_two_seconds_on_an_idle_writer(settings: Settings) -> None:
    async def act() -> float:
        is_stopping = asyncio.Event()
        writer = asyncio.create_task(write(settings, is_stopping))
        await asyncio.sleep(0.5)
        started = asyncio.get_running_loop().time()
        await asyncio.to_thread(append, settings, click())
        await _until(lambda: entries(settings) == 0)
        seconds = asyncio.get_running_loop().time() - started
        is_stopping.set()
        await writer
        return seconds

    assert asyncio.run(act()) < 2.0
    assert len(rows(settings, "SELECT FROM clicks")) == 1
