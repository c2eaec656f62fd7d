"""The writer against real engines: what is appended to the streams ends in the tables, exactly once."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import redis as plain_redis

from flusher.writer import write
from schema import keys
from schema.events import FIELD_BLOCK, ClickEvent, encode_block
from schema.ids import ClickIdMinter, CookieIdMinter
from schema.settings import Settings

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
MINTER = ClickIdMinter(1)
COOKIES = CookieIdMinter()


def click(**fields: Any) -> ClickEvent:
    """An event of a new visitor, with `fields` on top."""
    click_id = fields.pop("click_id", None) or MINTER.mint()
    event = ClickEvent(
        click_id=click_id,
        link_id=1,
        partner_id=None,
        campaign_version_id=None,
        code="a",
        cookie_id=COOKIES.mint(click_id >> 21),
        window_days=30,
        kind=0,
        ip=f"81.2.{click_id % 250}.{click_id // 250 % 250}",
        user_agent=CHROME,
        referrer="https://blog.example/post",
        language="en",
        query="",
    )
    return event._replace(**fields)


def append(settings: Settings, *events: ClickEvent, shard: int = 0) -> None:
    with plain_redis.Redis.from_url(str(settings.redis_url)) as client:
        client.xadd(keys.clicks(shard), {FIELD_BLOCK: encode_block([tuple(event) for event in events])})


def drain(settings: Settings) -> None:
    """Run the writer until the streams are empty."""

    async def run() -> None:
        is_stopping = asyncio.Event()
        writer = asyncio.create_task(write(settings, is_stopping))
        with plain_redis.Redis.from_url(str(settings.redis_url)) as client:
            while not writer.done() and any(
                client.xlen(keys.clicks(shard)) for shard in range(settings.stream_shards)
            ):
                await asyncio.sleep(0.02)
        is_stopping.set()
        await writer

    asyncio.run(run())


def rows(settings: Settings, query: str, *values: Any) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(str(settings.database_url))
        try:
            return [dict(row) for row in await connection.fetch(query, *values)]
        finally:
            await connection.close()

    return asyncio.run(run())


def test_a_click_becomes_a_row(settings: Settings) -> None:
    event = click(query="sub1=a%20b&utm_source=news&x=1")
    append(settings, event)
    drain(settings)
    (row,) = rows(settings, "SELECT * FROM clicks")
    assert row["click_id"] == event.click_id
