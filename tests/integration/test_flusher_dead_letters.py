"""Dead letters: paged, replayed into their streams, and made anew when they fail again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from flusher_bed import append, append_raw, click, drain, rows, store, value

from flusher.dead_letters import get_letters, list_letters, replay
from schema.redis_client import RedisClient, connect_redis
from schema.settings import Settings

T = TypeVar("T")


def run(settings: Settings, act: Callable[[asyncpg.Pool, RedisClient], Awaitable[T]]) -> T:
    async def both() -> T:
        redis = connect_redis(str(settings.redis_url))
        async with asyncpg.create_pool(str(settings.database_url), min_size=1, max_size=2) as pool:
            result = await act(pool, redis)
        await redis.aclose()
        return result

    return asyncio.run(both())


def test_a_refused_click_is_stored_once_the_fault_is_mended(settings: Settings) -> None:
    rows(settings, "ALTER TABLE clicks ADD CONSTRAINT no_thirteen CHECK (sub1 <> '13')")
    bad = click(query="sub1=13")
    store(settings, bad, click())
    rows(settings, "ALTER TABLE clicks DROP CONSTRAINT no_thirteen")
    letters = run(settings, lambda pool, _redis: list_letters(pool))
    assert [letter.reason for letter in letters] == ["refused"]
    assert run(settings, lambda pool, redis: replay(pool, redis, letters)) == 1
    drain(settings)
    assert value(settings, "SELECT count(*) FROM clicks WHERE click_id = $1", bad.click_id) == 1
    assert run(settings, lambda pool, _redis: list_letters(pool)) == []
    (known,) = run(settings, lambda pool, _redis: get_letters(pool, [letters[0].dead_letter_id, 999_999]))
    assert known.replay_count == 1
    assert known.replayed_at is not None


def test_replayed_twice_it_is_still_one_click(settings: Settings) -> None:
    append(settings, click(ip=None)._replace(import_key="x"))
    drain(settings)
    (letter,) = run(settings, lambda pool, _redis: list_letters(pool))
    mended = letter._replace(payload=letter.payload.replace(b'"x"', b"null"))
    for _ in range(2):
        run(settings, lambda pool, redis: replay(pool, redis, [mended]))
    drain(settings)
    assert value(settings, "SELECT count(*) FROM clicks") == 1


def test_a_letter_that_fails_again_is_a_new_one(settings: Settings) -> None:
    append_raw(settings, b"{not json")
    append_raw(settings, b'[["x"]]')
    drain(settings)
    letters = run(settings, lambda pool, _redis: list_letters(pool))
    run(settings, lambda pool, redis: replay(pool, redis, letters))
    drain(settings)
    again = run(settings, lambda pool, _redis: list_letters(pool))
    assert [letter.reason for letter in again] == ["not_json", "not_an_event"]
    assert {letter.entry_id for letter in again}.isdisjoint(letter.entry_id for letter in letters)
    assert len(run(settings, lambda pool, _redis: list_letters(pool, is_with_replayed=True))) == 4


def test_letters_come_in_pages(settings: Settings) -> None:
    append_raw(settings, b'["a","b","c","d","e"]')
    drain(settings)
    pages: list[list[int]] = []
    after = 0
    while True:
        page = run(settings, lambda pool, _redis, after=after: list_letters(pool, after=after, limit=2))  # type: ignore[misc]
        if not page:
            break
        after = page[-1].dead_letter_id
        pages.append([letter.position for letter in page])
    assert pages == [[0, 1], [2, 3], [4]]
