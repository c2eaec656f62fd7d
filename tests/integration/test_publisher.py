"""The publisher against real engines: a change reaches Redis within a second, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import orjson
import pytest
import redis

from attribution.keys import create_key, hash_key, revoke_key
from redirector import publisher
from redirector.publisher import Publisher, publish_changes, rebuild
from redirector.shelf import Shelf
from schema import keys
from schema.links import decode_link
from schema.redis_client import connect_redis
from schema.settings import Settings

ADD_LINK = "INSERT INTO partner_links (short_code, destination_url, full_url) VALUES ($1, $2, $2) RETURNING partner_link_id"


def with_publisher(settings: Settings, scenario: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    """Run a scenario beside one publisher."""

    async def run() -> None:
        connection = await asyncpg.connect(settings.database_url)
        stop = asyncio.Event()
        task = asyncio.create_task(Publisher(settings, stop).run())
        try:
            await scenario(connection)
        finally:
            stop.set()
            await asyncio.wait_for(task, 10)
            await connection.close()

    asyncio.run(run())


async def eventually(check: Callable[[], Any], seconds: float = 10.0) -> float:
    """Wait until `check` is true; how long that took."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds, "did not happen in time"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


def published(client: redis.Redis, code: str) -> Any:
    value = client.get(keys.link(code))
    return None if value is None else decode_link(value)  # type: ignore[arg-type]


@pytest.fixture
def client(redis_url: str) -> Any:
    with redis.Redis.from_url(redis_url) as opened:
        yield opened


def test_new_and_edited_link_reach_redis_within_a_second(settings: Settings, client: redis.Redis) -> None:
    async def scenario(connection: asyncpg.Connection) -> None:
        await eventually(lambda: client.get(keys.PUBLISHED))
        await connection.execute(ADD_LINK, "spring/sale", "https://shop.example/a")
        assert await eventually(lambda: published(client, "spring/sale")) < 1.0
        await connection.execute("UPDATE partner_links SET is_disabled = true")
        assert await eventually(lambda: published(client, "spring/sale").is_disabled) < 1.0
        assert not await eventually_empty(connection)

    with_publisher(settings, scenario)
    changes = [fields[b"c"] for _, fields in client.xrange(keys.LINK_CHANGES)]
    assert changes.count(b"spring/sale") == 2


async def eventually_empty(connection: asyncpg.Connection) -> int:
    """Wait until the outbox is empty."""
    for _ in range(400):
        count: int = await connection.fetchval("SELECT count(*) FROM outbox")
        if not count:
            return 0
        await asyncio.sleep(0.01)
    return count


def test_every_field_of_a_published_link_is_understood(settings: Settings, client: redis.Redis) -> None:
    async def scenario(connection: asyncpg.Connection) -> None:
        await connection.execute(
            """INSERT INTO partner_links (short_code, destination_url, full_url, rules, forward_query, starts_at,
                 expires_at, max_clicks, fallback_url, redirect_status)
               VALUES ('täg', 'https://a.example/', 'https://a.example/?x=%20ä', '[{"when":{},"to":"https://b.example"}]',
                 '["a"]', '2020-01-01', '2100-01-01 00:00:00.001', 7, 'https://f.example/', 307)"""
        )
        await eventually(lambda: published(client, "täg"))

    with_publisher(settings, scenario)
    link = published(client, "täg")
    assert link.destination == "https://a.example/?x=%20ä"
    assert (link.starts_at_ms, link.expires_at_ms) == (1577836800000, 4102444800001)
    assert (link.max_clicks, link.redirect_status, link.forward_query) == (7, 307, ["a"])
    assert link.rules == [{"when": {}, "to": "https://b.example"}]
    assert "campaign_partner_id" not in orjson.loads(client.get(keys.link("täg")))  # type: ignore[arg-type]


def test_a_deleted_link_stays_behind_as_disabled(settings: Settings, client: redis.Redis) -> None:
    async def scenario(connection: asyncpg.Connection) -> None:
        await connection.execute(ADD_LINK, "gone", "https://shop.example/a")
        await connection.execute("UPDATE partner_links SET is_deleted = true, deleted_at = now()")
        await eventually(lambda: (link := published(client, "gone")) and link.is_disabled)

    with_publisher(settings, scenario)


def test_pausing_a_campaign_reaches_all_its_links(
    settings: Settings, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "PAGE_LINKS", 100)

    async def scenario(connection: asyncpg.Connection) -> None:
        await connection.execute(PROGRAMME)
        await connection.execute(
            """INSERT INTO partner_links (short_code, campaign_partner_id, full_url)
               SELECT 'c' || n, 1, 'https://shop.example/' FROM generate_series(1, 2500) n"""
        )
        await eventually(lambda: published(client, "c2500"))
        assert not published(client, "c1").is_paused
        await eventually_empty(connection)
        await connection.execute("UPDATE campaigns SET status = 'paused'")
        await eventually(lambda: all(published(client, f"c{n}").is_paused for n in (1, 1234, 2500)))
        await eventually_empty(connection)
        await connection.execute("UPDATE campaigns SET status = 'active'")
        await connection.execute("UPDATE partners SET status = 'suspended'")
        await eventually_empty(connection)
        assert published(client, "c1").is_paused
        await connection.execute("UPDATE partners SET status = 'active'")
        await connection.execute("UPDATE campaign_partners SET status = 'removed'")
        await eventually_empty(connection)
        assert published(client, "c2500").is_paused
        await connection.execute("UPDATE campaign_partners SET status = 'approved'")
        await eventually_empty(connection)
        assert not published(client, "c2500").is_paused
        await connection.execute("UPDATE campaign_versions SET click_param = 'cid'")
        await eventually_empty(connection)
        assert published(client, "c77").click_param == "cid"

    with_publisher(settings, scenario)


PROGRAMME = """
    INSERT INTO vendors (vendor_id, name, email) VALUES (1, 'Acme', 'v@acme.example');
    INSERT INTO partners (partner_id, name, email, status) VALUES (1, 'Blog', 'a@blog.example', 'active');
    BEGIN;
    INSERT INTO campaigns (campaign_id, vendor_id, current_campaign_version_id) VALUES (1, 1, 1);
    INSERT INTO campaign_versions (campaign_version_id, campaign_id, version_number, name, destination_url,
        default_commission_type, default_commission_value) VALUES (1, 1, 1, 'Summer', 'https://shop.example/', 'flat', 1);
    COMMIT;
    INSERT INTO campaign_partners (campaign_partner_id, campaign_version_id, partner_id, status)
        VALUES (1, 1, 1, 'approved');
"""


def test_keys_come_and_go(settings: Settings, client: redis.Redis) -> None:
    async def scenario(connection: asyncpg.Connection) -> None:
        plaintext = await create_key(connection, "admin", None, None, "mine")
        name = keys.api_key(hash_key(plaintext))
        await eventually(lambda: client.get(name))
        value = {"role": "admin", "vendor_id": None, "partner_id": None, "expires_at_ms": None}
        assert orjson.loads(client.get(name)) == value  # type: ignore[arg-type]
        await revoke_key(connection, 1)
        await eventually(lambda: client.get(name) is None)
        short_lived = await create_key(connection, "admin")
        soon = "UPDATE api_keys SET expires_at = now() + interval '1 hour' WHERE revoked_at IS NULL"
        await connection.execute(soon)
        name = keys.api_key(hash_key(short_lived))
        await eventually(lambda: 3500 < client.ttl(name) <= 3600)  # type: ignore[operator]

    with_publisher(settings, scenario)


class DyingShelf(Shelf):
    """Dies after the values are in Redis and before anything is announced."""

    async def announce(self, codes: Any) -> None:
        raise asyncio.CancelledError


def test_killed_between_redis_and_delete_repeats_harmlessly(settings: Settings, client: redis.Redis) -> None:
    async def scenario() -> None:
        connection = await asyncpg.connect(settings.database_url)
        redis_client = connect_redis(str(settings.redis_url))
        await connection.execute(ADD_LINK, "twice", "https://shop.example/")
        with pytest.raises(asyncio.CancelledError):
            await publish_changes(connection, DyingShelf(redis_client))
        assert published(client, "twice") is not None
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 1
        assert await publish_changes(connection, Shelf(redis_client)) == 1
        assert await publish_changes(connection, Shelf(redis_client)) == 0
        await redis_client.aclose()
        await connection.close()

    asyncio.run(scenario())
    assert [fields[b"c"] for _, fields in client.xrange(keys.LINK_CHANGES)] == [b"twice"]


def test_of_two_publishers_one_works_and_the_other_takes_over(
    settings: Settings, client: redis.Redis
) -> None:
    async def scenario() -> None:
        connection = await asyncpg.connect(settings.database_url)
        stops = [asyncio.Event(), asyncio.Event()]
        tasks = [asyncio.create_task(Publisher(settings, stop).run()) for stop in stops]
        holders = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        await eventually(lambda: client.get(keys.PUBLISHED))
        await connection.execute(ADD_LINK, "one", "https://shop.example/")
        await eventually(lambda: published(client, "one"))
        await eventually_empty(connection)
        assert await connection.fetchval(holders) == 1
        # The active one's session is killed: the other (or itself again) goes on.
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        await connection.execute(ADD_LINK, "two", "https://shop.example/")
        await eventually(lambda: published(client, "two"))
        for stop in stops:
            stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        await connection.close()

    asyncio.run(scenario())
    assert [fields[b"c"] for _, fields in client.xrange(keys.LINK_CHANGES)][-1] == b"two"


def test_rebuild_fills_an_empty_redis(settings: Settings, client: redis.Redis) -> None:
    steps: list[tuple[int, int]] = []

    async def scenario() -> None:
        connection = await asyncpg.connect(settings.database_url)
        await connection.execute(
            """INSERT INTO partner_links (short_code, destination_url, full_url, max_clicks)
               SELECT 'r' || n, 'https://shop.example/', 'https://shop.example/' || n,
                      CASE WHEN n = 5 THEN 10 END FROM generate_series(1, 20000) n"""
        )
        await add_clicks(connection, 5, 4)
        await create_key(connection, "admin")
        await connection.close()

    asyncio.run(scenario())
    assert rebuild(settings, lambda done, total: steps.append((done, total))) == 20_000
    assert published(client, "r20000").destination == "https://shop.example/20000"
    assert steps[-1] == (20_000, 20_000) and len(steps) == 20
    assert [fields[b"c"] for _, fields in client.xrange(keys.LINK_CHANGES)] == [b"*"]
    assert client.get(keys.cap(5)) == b"4"
    assert len(list(client.scan_iter("key:*"))) == 1


async def add_clicks(connection: asyncpg.Connection, link_id: int, count: int) -> None:
    """Clicks of today, and as many bots that do not use a cap up."""
    await connection.execute(
        """INSERT INTO clicks (click_id, clicked_at, partner_link_id, click_class)
           SELECT ((extract(epoch FROM now()) * 1000)::bigint << 21) + n, now(), $1,
                  CASE WHEN n % 2 = 0 THEN 'valid' ELSE 'bot' END FROM generate_series(1, $2 * 2) n""",
        link_id,
        count,
    )


def test_a_cap_counter_is_raised_but_never_lowered(settings: Settings, client: redis.Redis) -> None:
    client.set(keys.cap(1), 9)

    async def scenario() -> None:
        connection = await asyncpg.connect(settings.database_url)
        await connection.execute(ADD_LINK, "capped", "https://shop.example/")
        await connection.execute("UPDATE partner_links SET max_clicks = 10")
        await add_clicks(connection, 1, 4)
        await connection.close()

    asyncio.run(scenario())
    rebuild(settings)
    assert client.get(keys.cap(1)) == b"9"


def test_a_redis_that_lost_its_data_is_filled_again(settings: Settings, client: redis.Redis) -> None:
    async def scenario(connection: asyncpg.Connection) -> None:
        await connection.execute(ADD_LINK, "kept", "https://shop.example/")
        await eventually(lambda: published(client, "kept"))
        await eventually_empty(connection)
        client.flushdb()
        assert await eventually(lambda: published(client, "kept")) < 2.0
        await eventually(lambda: client.get(keys.PUBLISHED))
        client.delete(keys.link("kept"))
        client.set(keys.PUBLISHED_INSTANCE, "another server")
        await eventually(lambda: published(client, "kept"))

    with_publisher(settings, scenario)


def test_a_flood_of_edits_is_published_to_the_last(settings: Settings, client: redis.Redis) -> None:
    async def scenario(connection: asyncpg.Connection) -> None:
        await connection.execute(ADD_LINK, "busy", "https://shop.example/")
        for number in range(300):
            await connection.execute(
                "UPDATE partner_links SET full_url = $1", f"https://shop.example/{number}"
            )
        await eventually(lambda: published(client, "busy").destination.endswith("/299"))

    with_publisher(settings, scenario)


def test_a_missing_cap_counter_is_restored_with_its_link(settings: Settings, client: redis.Redis) -> None:
    async def scenario(connection: asyncpg.Connection) -> None:
        await connection.execute(ADD_LINK, "capped", "https://shop.example/")
        await add_clicks(connection, 1, 4)
        await eventually(lambda: published(client, "capped"))
        assert client.get(keys.cap(1)) is None
        await connection.execute("UPDATE partner_links SET max_clicks = 10")
        await eventually(lambda: client.get(keys.cap(1)) == b"4")
        client.set(keys.cap(1), 3)  # the door's count stands while it is there
        await connection.execute("UPDATE partner_links SET max_clicks = 9")
        await eventually(lambda: published(client, "capped").max_clicks == 9)
        assert client.get(keys.cap(1)) == b"3"

    with_publisher(settings, scenario)


def test_redis_and_postgresql_away_are_waited_out(
    settings: Settings, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_shelf: Shelf, _links: Any) -> None:
        raise redis.ConnectionError("away")

    async def scenario(connection: asyncpg.Connection) -> None:
        await eventually(lambda: client.get(keys.PUBLISHED))
        with monkeypatch.context() as patch:
            patch.setattr(Shelf, "put_links", away)
            await connection.execute(ADD_LINK, "later", "https://shop.example/")
            await asyncio.sleep(1)
            assert await connection.fetchval("SELECT count(*) FROM outbox") == 1
        await eventually(lambda: published(client, "later"))
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'clickledger-publisher' "
            "AND datname = current_database()"
        )
        await connection.execute(ADD_LINK, "last", "https://shop.example/")
        await eventually(lambda: published(client, "last"))

    with_publisher(settings, scenario)
