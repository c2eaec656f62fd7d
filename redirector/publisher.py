"""The publisher: brings changed links, API keys and vendors from PostgreSQL to Redis, where the doors read them.

Triggers leave a row in `outbox` for everything that changed; the active publisher turns rows into Redis values,
announces each changed code on the change stream, and only then deletes the rows, so a crash anywhere repeats
harmless work and loses none. `run_publisher` is the process, `rebuild` fills an empty Redis from scratch.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import orjson
import structlog

from redirector.shelf import Shelf
from redirector.vendor_shelf import publish_outcomes, publish_vendors, refill_vendors
from schema import metrics, postgres, redis_client
from schema.queries import load_queries
from schema.settings import Settings

LOG = structlog.get_logger()
SQL = load_queries("redirector")

CHANNEL = "clickledger_outbox"
ACTIVE_LOCK = 0x636C6B01
"""Session advisory lock of the one active publisher; the others stand by and poll for it."""
STEP_LOCK = 0x636C6B02
"""Transaction lock around "read from PostgreSQL, write to Redis": a rebuild beside the active publisher can never
write an older value over a newer one."""
POLL_S = 0.5
CHANGES_MAX = 1_000
PAGE_LINKS = 1_000
BACKOFF_S_MAX = 5.0
TOPICS = ("link", "campaign_partner", "partner", "campaign", "campaign_version")

Progress = Callable[[int, int], None]


class Publisher:
    """One publisher process: an own PostgreSQL session, a shelf in Redis, and a stop signal."""

    def __init__(self, settings: Settings, stop: asyncio.Event) -> None:
        assert settings.database_url is not None and settings.redis_url is not None
        self._database_url = settings.database_url
        self._redis = redis_client.connect_redis(settings.redis_url)
        self._shelf = Shelf(self._redis)
        self._stop = stop
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Publish until stopped. PostgreSQL or Redis being away is waited out."""
        failures = 0
        while not self._stop.is_set():
            try:
                async with _session(self._database_url) as connection:
                    await self._stand_by(connection)
                    failures = 0
                    await self._serve(connection)
            except (*postgres.UNREACHABLE, *redis_client.UNREACHABLE, asyncpg.PostgresError) as error:
                failures += 1
                LOG.warning("publisher_waiting", error=type(error).__name__, detail=str(error)[:200])
                await self._pause(_backoff(failures))
        await self._redis.aclose()

    async def _stand_by(self, connection: asyncpg.Connection) -> None:
        """Return once this session is the active publisher (or the process is stopping)."""
        while not self._stop.is_set():
            if await connection.fetchval(SQL["become_active"], ACTIVE_LOCK):
                LOG.info("publisher_active")
                return
            await self._pause(POLL_S)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        """Publish change after change, woken by NOTIFY and by a poll that makes up for a lost one."""
        await connection.add_listener(CHANNEL, self._wake)
        connection.add_termination_listener(self._wake)
        while not self._stop.is_set():
            self._woken.clear()
            await self._refill_if_lost(connection)
            published = await publish_changes(connection, self._shelf)
            if published < CHANGES_MAX:
                await self._wait(POLL_S)

    async def _refill_if_lost(self, connection: asyncpg.Connection) -> None:
        """Rebuild by itself when Redis no longer holds what was published."""
        if not await self._shelf.is_current():
            LOG.warning("redis_lost_its_links")
            LOG.info("redis_refilled", links=await refill(connection, self._shelf, _no_progress))

    def _wake(self, *_: object) -> None:
        self._woken.set()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


async def publish_changes(connection: asyncpg.Connection, shelf: Shelf) -> int:
    """Bring one bounded batch of changes to Redis, then delete it from the outbox; how many there were."""
    changes = await connection.fetch(SQL["oldest_changes"], CHANGES_MAX)
    metrics.PUBLISHER_LAG.set(max((change["age_s"] for change in changes), default=0.0))
    if not changes:
        return 0
    for topic in (*TOPICS, "key", "vendor", "outcome"):
        of_topic = [change for change in changes if change["topic"] == topic]
        entities = sorted({change["entity_id"] for change in of_topic})
        if not entities:
            continue
        if topic == "outcome":
            await publish_outcomes(connection, shelf, [change["outbox_id"] for change in of_topic])
        elif topic == "vendor":
            await _publish_vendors(connection, shelf, entities)
        elif topic == "key":
            rows = await _publish_keys(connection, shelf, "keys_changed", entities)
            await shelf.announce_keys([row["key_hash"] for row in rows])
        else:
            await _publish_topic(connection, shelf, topic, entities)
        metrics.PUBLISHED.labels(topic).inc(len(entities))
    await connection.execute(SQL["forget_changes"], [change["outbox_id"] for change in changes])
    return len(changes)


async def _publish_topic(
    connection: asyncpg.Connection, shelf: Shelf, topic: str, entities: Sequence[int]
) -> None:
    """Publish every link that hangs on these entities, a page at a time: a campaign may have 100,000."""
    async with connection.transaction():
        await connection.execute(SQL["begin_step"], STEP_LOCK)
        cursor = await connection.cursor(SQL[f"links_of_{topic}"], entities)
        while page := await cursor.fetch(PAGE_LINKS):
            await _publish_page(connection, shelf, page)
            await shelf.announce([row["code"] for row in page])


async def _publish_page(
    connection: asyncpg.Connection, shelf: Shelf, page: Sequence[asyncpg.Record], *, is_refill: bool = False
) -> None:
    """Write one page of links, and first the visitor counts of capped ones.

    A refill counts them all: a door may have begun a lost counter anew. Otherwise a counter that is there is right.
    """
    capped = [row["link_id"] for row in page if row["max_clicks"] is not None]
    uncounted = capped if is_refill else await shelf.without_cap(capped)
    if uncounted:
        counts = await connection.fetch(SQL["visitors_of_links"], uncounted)
        await shelf.restore_caps([(row["link_id"], row["visitors"]) for row in counts])
    await shelf.put_links([(row["code"], row["value"]) for row in page])


async def _publish_vendors(connection: asyncpg.Connection, shelf: Shelf, vendor_ids: Sequence[int]) -> None:
    async with connection.transaction():
        await connection.execute(SQL["begin_step"], STEP_LOCK)
        await publish_vendors(connection, shelf, vendor_ids)


async def _publish_keys(
    connection: asyncpg.Connection, shelf: Shelf, query: str, *parameters: object
) -> list[asyncpg.Record]:
    """Write the live keys a query finds, remove those that are over; what it found."""
    async with connection.transaction():
        await connection.execute(SQL["begin_step"], STEP_LOCK)
        rows = await connection.fetch(SQL[query], *parameters)
        live = [
            (row["key_hash"], _key_value(row), row["expires_at_ms"]) for row in rows if not row["is_over"]
        ]
        await shelf.put_keys(live, [row["key_hash"] for row in rows if row["is_over"]])
    return list(rows)


def _key_value(row: asyncpg.Record) -> bytes:
    """What the door may know of a key: whose it is, and until when."""
    return orjson.dumps({name: row[name] for name in ("role", "vendor_id", "partner_id", "expires_at_ms")})


async def refill(connection: asyncpg.Connection, shelf: Shelf, on_progress: Progress) -> int:
    """Publish every link and key, page by page in constant memory, then tell the doors to look again.

    Pages, not one cursor: each is a short transaction, so a long refill holds back neither vacuum nor edits.
    """
    total = await connection.fetchval(SQL["count_links"])
    done, last_id = 0, 0
    while page := await _refill_page(connection, shelf, last_id):
        last_id = page[-1]["link_id"]
        done += len(page)
        on_progress(done, max(total, done))
    await _refill_keys(connection, shelf)
    await refill_vendors(connection, shelf)
    await shelf.announce(["*"])
    await shelf.mark_filled()
    return done


async def _refill_page(connection: asyncpg.Connection, shelf: Shelf, after: int) -> list[asyncpg.Record]:
    async with connection.transaction():
        await connection.execute(SQL["begin_step"], STEP_LOCK)
        page = await connection.fetch(SQL["links_page"], after, PAGE_LINKS)
        await _publish_page(connection, shelf, page, is_refill=True)
    return list(page)


async def _refill_keys(connection: asyncpg.Connection, shelf: Shelf) -> None:
    last_id = 0
    while rows := await _publish_keys(connection, shelf, "keys_page", last_id, PAGE_LINKS):
        last_id = rows[-1]["api_key_id"]


def _no_progress(_done: int, _total: int) -> None:
    """For a refill nobody watches."""


def _backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, bounded, with jitter."""
    return float(min(BACKOFF_S_MAX, 0.05 * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0))


@contextlib.asynccontextmanager
async def _session(url: str) -> Any:
    """One PostgreSQL session; advisory lock and LISTEN live and die with it."""
    connection = await postgres.connect_session(url, "publisher", timeout_s=60)
    try:
        yield connection
    finally:
        with contextlib.suppress(*postgres.UNREACHABLE, asyncpg.PostgresError):
            await connection.close(timeout=2)


def rebuild(settings: Settings, on_progress: Progress = _no_progress) -> int:
    """Fill Redis from PostgreSQL beside a running system; the number of links published.

    `on_progress` gets (links done, links in all) after every page.
    """
    return asyncio.run(_rebuild(settings, on_progress))


async def _rebuild(settings: Settings, on_progress: Progress) -> int:
    assert settings.database_url is not None and settings.redis_url is not None
    redis = redis_client.connect_redis(settings.redis_url)
    try:
        async with _session(settings.database_url) as connection:
            return await refill(connection, Shelf(redis), on_progress)
    finally:
        await redis.aclose()


def run_publisher(settings: Settings) -> None:
    """Run the publisher until SIGTERM or SIGINT."""
    asyncio.run(_main(settings))


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    publisher = asyncio.create_task(Publisher(settings, stop).run())
    await asyncio.wait([publisher, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait([publisher], timeout=10)
    publisher.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await publisher
