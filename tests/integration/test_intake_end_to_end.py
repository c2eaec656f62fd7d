"""From a shop's request to rows and back: real door, real publisher, real writer, keys made as users make them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import orjson
import pytest

from attribution.keys import create_key, revoke_key
from flusher.writer import write
from redirector.publisher import Publisher
from schema.settings import Settings
from tests.doors import PATIENT_MS, Door, running_door
from tests.flusher_bed import rows, value
from tests.reports_bed import json_of, post, sale, signed


@contextlib.contextmanager
def beside(run: Callable[[asyncio.Event], Any]) -> Iterator[None]:
    """A room in a thread of its own until the end of the block."""
    ready: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        ready.append((asyncio.get_running_loop(), stop))
        await run(stop)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        wait_until(lambda: ready)
        yield
    finally:
        loop, stop = ready[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=30)


def wait_until(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ask(settings: Settings, work: Callable[[asyncpg.Connection], Any]) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(str(settings.database_url))
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


class Shop:
    """A vendor with a key, a door, a publisher and a writer around it."""

    def __init__(self, settings: Settings, door: Door, key: str) -> None:
        self.settings = settings
        self.door = door
        self.key = key

    def sell(self, body: Any, **headers: str) -> Any:
        return post(self.door, "/-/conversions", body, key=self.key, **headers)


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    rows(
        settings,
        "INSERT INTO vendors (name, email, postback_secrets) VALUES ('Acme', 'ops@acme.example', '{s3cret}')",
    )
    key = ask(settings, lambda connection: create_key(connection, "vendor", 1))
    with (
        running_door(
            str(settings.redis_url), settings.data_dir / "door", capture_budget_ms=PATIENT_MS
        ) as door,
        beside(lambda stop: Publisher(settings, stop).run()),
        beside(lambda stop: write(settings, stop)),
    ):
        shop = Shop(settings, door, key)
        wait_until(lambda: shop.sell(sale("opening")).status == 202)
        yield shop


def conversions(settings: Settings) -> int:
    return int(value(settings, "SELECT count(*) FROM conversion_events WHERE transaction_id <> 'opening'"))


def test_a_postback_becomes_a_row(shop: Shop) -> None:
    query = signed("vendor=ops%40acme.example&txn=O-1&amount=12.30&currency=USD", "s3cret")
    assert shop.door.get(f"/-/pb?{query}").status == 202
    wait_until(lambda: conversions(shop.settings) == 1)
    assert (
        str(value(shop.settings, "SELECT event_value FROM conversion_events WHERE transaction_id = 'O-1'"))
        == "12.3000"
    )


def test_fifty_identical_postbacks_at_once(shop: Shop) -> None:
    """One row; of those that wait, all but one (for want of an attributor here) are told duplicate, each with the first conversion's id."""
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: shop.sell(sale("SAME"), Prefer="wait=3"), range(50)))
    assert conversions(shop.settings) == 1
    statuses = sorted(reply.status for reply in replies)
    assert statuses == [200] * 49 + [202]  # nobody attributes here: the first one's outcome does not come
    told = [json_of(reply) for reply in replies]
    assert sorted(body.get("outcome", "") for body in told) == ["", *["duplicate"] * 49]
    assert len({body["conversion_id"] for body in told}) == 1


def test_a_conflict_is_409_even_beside_the_first(shop: Shop) -> None:
    for number in range(20):
        shop.sell(sale(f"C-{number}"))
        reply = shop.sell(sale(f"C-{number}", amount="99.00"), Prefer="wait=5")
        body = json_of(reply)
        assert (reply.status, body["outcome"], body["amount"]) == (409, "conflict", "100.00")


def test_the_ledgers_outcome_reaches_who_waits(shop: Shop) -> None:
    """Whatever body the ledger leaves in the outbox is the answer."""
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(shop.sell, sale("W-1"), Prefer="wait=8")
        wait_until(lambda: conversions(shop.settings) == 1)
        rows(
            shop.settings,
            "INSERT INTO outbox (topic, entity_id, payload) SELECT 'outcome', conversion_event_id, $1::jsonb"
            " FROM conversion_events WHERE is_awaited",
            orjson.dumps({"outcome": "attributed", "credits": []}).decode(),
        )
        reply = request.result(timeout=10)
    assert (reply.status, json_of(reply)) == (200, {"outcome": "attributed", "credits": []})


def test_a_revoked_key_and_a_suspended_vendor_stop_within_a_second(shop: Shop) -> None:
    ask(shop.settings, lambda connection: revoke_key(connection, 1))
    began = time.monotonic()
    while shop.sell(sale()).status != 401:
        assert time.monotonic() - began < 1.0
    shop.key = ask(shop.settings, lambda connection: create_key(connection, "vendor", 1))
    wait_until(lambda: shop.sell(sale()).status == 202)
    rows(shop.settings, "UPDATE vendors SET status = 'suspended'")
    began = time.monotonic()
    while shop.sell(sale()).status != 403:
        assert time.monotonic() - began < 1.0


def test_settings_of_a_vendor_reach_the_door(shop: Shop) -> None:
    rows(shop.settings, "UPDATE vendors SET default_currency = 'JPY', require_transaction_id = true")
    wait_until(lambda: shop.sell({"transaction_id": "J", "amount": "5"}).status == 202)
    assert shop.sell({"amount": "5"}).status == 422
    rows(shop.settings, "UPDATE vendors SET is_unsigned_pixel_allowed = true")
    path = "/-/px.gif?vendor=1&txn=PX&amount=7"
    wait_until(lambda: shop.door.get(path).status == 200 and conversions(shop.settings) == 2, 5)
    found = value(
        shop.settings, "SELECT attribution_confidence FROM conversion_events WHERE transaction_id = 'PX'"
    )
    assert found == "medium"


def test_redis_emptied_and_refilled(shop: Shop) -> None:
    """Keys and vendors come back by themselves; until then nobody is told that their key is wrong."""
    shop.door.redis.flushdb()
    seen: set[int] = set()
    began = time.monotonic()
    while shop.sell(sale("again")).status != 202 or time.monotonic() - began < 1.5:
        seen.add(shop.sell(sale("again")).status)
        assert time.monotonic() - began < 10
    assert seen <= {202, 503}
