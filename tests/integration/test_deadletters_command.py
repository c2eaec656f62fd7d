"""`clickledger deadletters`: what could not be stored is shown and put back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import redis

from flusher.dead_letters import Letter, add_letters
from schema import keys
from schema.settings import Settings
from tests.running_system import clickledger


async def add(database_url: str, count: int) -> None:
    """Dead letters 1 to `count`."""
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=1)
    async with pool, pool.acquire() as connection:
        letters = [Letter(keys.clicks(0), "5-0", place, "bad_text", "why", b"[1]") for place in range(count)]
        await add_letters(connection, letters)


def run(settings: Settings, *arguments: str, cwd: Path) -> tuple[int, str]:
    done = clickledger(
        "deadletters", *arguments, cwd=cwd, database_url=settings.database_url, redis_url=settings.redis_url
    )
    return done.returncode, done.stdout + done.stderr


def test_letters_are_listed_and_replayed_once(settings: Settings, tmp_path: Path) -> None:
    assert settings.database_url is not None and settings.redis_url is not None
    asyncio.run(add(settings.database_url, 3))
    status, listed = run(settings, "list", "--json", cwd=tmp_path)
    rows = [json.loads(line) for line in listed.splitlines()]
    assert (status, [row["reason"] for row in rows]) == (0, ["bad_text"] * 3)
    assert run(settings, "replay", str(rows[0]["dead_letter_id"]), cwd=tmp_path) == (
        0,
        "1 put back on their streams.\n",
    )
    assert run(settings, "replay", "--all", cwd=tmp_path) == (0, "2 put back on their streams.\n")
    with redis.Redis.from_url(settings.redis_url) as client:
        assert client.xlen(keys.clicks(0)) == 3
    assert run(settings, "list", cwd=tmp_path) == (0, "")


def test_an_unknown_letter_is_status_1_and_no_choice_is_status_2(settings: Settings, tmp_path: Path) -> None:
    status, said = run(settings, "replay", "99", cwd=tmp_path)
    assert status == 1 and "There is no dead letter 99." in said
    assert run(settings, "replay", cwd=tmp_path)[0] == 2
