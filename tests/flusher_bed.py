"""What tests of the writer share: events, a way to append and drain them, a writer to kill, and a look into the tables."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import redis

from flusher.writer import write
from schema import keys
from schema.events import FIELD_BLOCK, ClickEvent, encode_block
from schema.ids import MS_SHIFT, ClickIdMinter, CookieIdMinter
from schema.settings import Settings

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
MINTER = ClickIdMinter(1)
COOKIES = CookieIdMinter()
_RUN = "from flusher.writer import run_flusher; from schema.settings import load_settings; run_flusher(load_settings())"
_numbers = itertools.count(1)


def click(*, at_ms: int | None = None, **fields: Any) -> ClickEvent:
    """The event of a new visitor, now or at `at_ms`, with `fields` on top."""
    number = MINTER.mint()
    click_id = number if at_ms is None else at_ms << MS_SHIFT | next(_numbers)
    event = ClickEvent(
        click_id=click_id,
        link_id=1,
        partner_id=None,
        campaign_version_id=None,
        code="a",
        cookie_id=COOKIES.mint(click_id >> MS_SHIFT),
        window_days=30,
        kind=0,
        ip=f"81.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        user_agent=f"{CHROME} {number}",
        referrer="https://blog.example/post",
        language="en",
        query="",
    )
    return event._replace(**fields)


def connect(settings: Settings) -> redis.Redis:
    """A plain client on the settings' Redis."""
    return redis.Redis.from_url(str(settings.redis_url))


def append(settings: Settings, *events: ClickEvent, shard: int = 0) -> None:
    """Events as one block."""
    append_raw(settings, encode_block([tuple(event) for event in events]), shard=shard)


def append_raw(settings: Settings, block: bytes, *, shard: int = 0) -> None:
    """Any bytes as a block."""
    with connect(settings) as client:
        client.xadd(keys.clicks(shard), {FIELD_BLOCK: block})


def entries(settings: Settings) -> int:
    """Entries in all streams."""
    with connect(settings) as client:
        return sum(client.xlen(keys.clicks(shard)) for shard in range(settings.stream_shards))


def drain(settings: Settings, *, seconds_max: float = 30.0) -> None:
    """Run the writer in this process until the streams are empty."""

    async def run() -> None:
        is_stopping = asyncio.Event()
        writer = asyncio.create_task(write(settings, is_stopping))
        async with asyncio.timeout(seconds_max):
            while not writer.done() and entries(settings):  # noqa: ASYNC110 - Redis tells of no such event
                await asyncio.sleep(0.02)
        is_stopping.set()
        await writer

    asyncio.run(run())


@contextmanager
def flusher(settings: Settings, redis_url: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A writer process; killed at the end if it still runs."""
    environment = {
        **os.environ,
        "CLICKLEDGER_DATABASE_URL": str(settings.database_url),
        "CLICKLEDGER_REDIS_URL": redis_url or str(settings.redis_url),
        "CLICKLEDGER_DATA_DIR": str(settings.data_dir),
    }
    process = subprocess.Popen([sys.executable, "-c", _RUN], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


def store(settings: Settings, *events: ClickEvent, shard: int = 0) -> None:
    """Append one block and drain it."""
    append(settings, *events, shard=shard)
    drain(settings)


def rows(settings: Settings, query: str, *values: Any) -> list[dict[str, Any]]:
    """What a query finds."""

    async def run() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(str(settings.database_url))
        try:
            return [dict(row) for row in await connection.fetch(query, *values)]
        finally:
            await connection.close()

    return asyncio.run(run())


def value(settings: Settings, query: str, *values: Any) -> Any:
    """The one value a query finds."""
    (row,) = rows(settings, query, *values)
    (found,) = row.values()
    return found
