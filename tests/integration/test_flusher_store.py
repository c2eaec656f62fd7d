"""The writer against real engines: what is appended to the streams ends in the tables, exactly once."""

from __future__ import annotations

import asyncio
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from flusher_bed import (
    CHROME,
    COOKIES,
    append,
    append_raw,
    click,
    connect,
    drain,
    entries,
    rows,
    store,
    value,
)

from flusher.store import set_codecs
from schema import keys
from schema.events import ClickEvent, encode_block
from schema.ids import LEASED_WORKER_MAX, MS_SHIFT, clicked_at, wall_clock_ms
from schema.queries import load_queries
from schema.settings import Settings

DAY_MS = 86_400_000


def test_a_click_becomes_a_row(settings: Settings) -> None:
    event = click(
        query="sub1=a%20b&utm_source=news&x=1&source=https%3A%2F%2Fp.example%2F",
        ip="81.2.69.142",
        user_agent=CHROME,
    )
    store(settings, event)
    (row,) = rows(settings, "SELECT * FROM clicks")
    assert (row["click_id"], row["clicked_at"]) == (event.click_id, clicked_at(event.click_id))
    assert (str(row["cookie_id"]), str(row["ip_address"])) == (event.cookie_id, "81.2.69.0/24")
    assert (row["country_code"], row["browser"], row["device_type"]) == ("GB", "Chrome 120", "desktop")
    assert (row["sub1"], row["utm_source"], row["source_url"]) == ("a b", "news", "https://p.example/")
    assert (row["click_class"], row["is_unique"], row["referrer_host"]) == ("valid", True, "blog.example")


@pytest.mark.parametrize(("privacy", "stored"), [("full", "81.2.69.142/32"), ("none", "None")])
def test_address_privacy(settings: Settings, privacy: Any, stored: str) -> None:
    store(settings.model_copy(update={"ip_privacy": privacy}), click(ip="81.2.69.142"))
    (row,) = rows(settings, "SELECT ip_address, host(ip_address) AS host, country_code FROM clicks")
    assert (str(row["ip_address"]) if row["host"] is None else f"{row['host']}/32") == stored
    assert row["country_code"] == "GB"


def test_what_was_acknowledged_is_gone_from_the_stream(settings: Settings) -> None:
    for shard in range(settings.stream_shards):
        append(settings, click(), click(), shard=shard)
    drain(settings)
    assert value(settings, "SELECT count(*) FROM clicks") == 2 * settings.stream_shards
    assert entries(settings) == 0
    with connect(settings) as client:
        assert client.xpending(keys.clicks(0), keys.FLUSHER_GROUP)["pending"] == 0


def test_the_same_block_twice_is_stored_once(settings: Settings) -> None:
    events = [click(partner_id=1, campaign_version_id=1) for _ in range(20)]
    store(settings, *events[:12])
    store(settings, *events[8:], events[19])
    assert value(settings, "SELECT count(*) FROM clicks") == 20
    assert value(settings, "SELECT sum(clicks_stored) FROM writer_watermarks") == 20
    assert value(settings, "SELECT count(*) FROM cookies") == 20


def test_classes(settings: Settings) -> None:
    visitor = click()
    again = click(cookie_id=visitor.cookie_id)
    neighbour = click(ip=visitor.ip, user_agent=visitor.user_agent)
    store(settings, visitor, again, neighbour, click(user_agent="curl/8.5"), click(kind=1), click(kind=2))
    found = rows(settings, "SELECT click_class, class_reason, is_unique FROM clicks ORDER BY click_id")
    assert [tuple(row.values()) for row in found] == [
        ("valid", None, True),
        ("double", "same cookie", False),
        ("double", "same address and user agent", False),
        ("bot", "^curl/", False),
        ("head", None, False),
        ("prefetch", None, False),
    ]


def test_doubles_and_uniques_are_seen_across_batches_and_shards(settings: Settings) -> None:
    now = wall_clock_ms()
    cookie = COOKIES.mint(now - 90_000_000)
    times = [now - 20_000, now - 15_000, now - 5_000]
    for number, at_ms in enumerate(times):
        store(settings, click(at_ms=at_ms, cookie_id=cookie), shard=number % settings.stream_shards)
    found = rows(settings, "SELECT click_class, is_unique FROM clicks ORDER BY clicked_at")
    assert [tuple(row.values()) for row in found] == [("valid", True), ("double", False), ("valid", False)]


def test_midnight_does_not_make_a_visitor_new(settings: Settings) -> None:
    midnight = wall_clock_ms() // DAY_MS * DAY_MS
    visitor = {"ip": "81.2.69.142", "user_agent": CHROME, "cookie_id": None}
    store(settings, click(at_ms=midnight - 60_000, **visitor))
    store(settings, click(at_ms=midnight, **visitor))
    found = rows(settings, "SELECT is_unique, visitor_hash FROM clicks ORDER BY clicked_at")
    assert [row["is_unique"] for row in found] == [True, False]
    assert found[0]["visitor_hash"] != found[1]["visitor_hash"]


def test_a_late_click_beside_a_stored_later_one_is_not_unique(settings: Settings) -> None:
    now = wall_clock_ms()
    cookie = COOKIES.mint(now - 10 * DAY_MS)
    for at_ms in (now, now - 3_600_000, now - 30 * 3_600_000):
        store(settings, click(at_ms=at_ms, cookie_id=cookie))
    found = rows(settings, "SELECT is_unique FROM clicks ORDER BY clicked_at DESC")
    assert [row["is_unique"] for row in found] == [True, False, True]


def test_secrets_end_after_48_hours_and_old_clicks_get_no_hash(settings: Settings) -> None:
    now = wall_clock_ms()
    store(settings, click(), click(at_ms=now - 3 * DAY_MS))
    hashes = rows(settings, "SELECT visitor_hash FROM clicks ORDER BY clicked_at")
    assert hashes[0]["visitor_hash"] is None
    assert hashes[1]["visitor_hash"] is not None
    with connect(settings) as client:
        today = now // DAY_MS
        assert client.exists(keys.visitor_key(today - 3)) == 0
        assert client.expiretime(keys.visitor_key(today)) == (today + 2) * 86_400


def test_cookies_keep_first_and_last_in_any_order_of_arrival(settings: Settings) -> None:
    """Twenty cookies with the same seven clicks, in three flushes each, every one in another order."""
    now = wall_clock_ms()
    days = [-120, -80, -78, -60, -40, -39, -20]
    arrivals: list[list[ClickEvent]] = [[], [], []]
    for number in range(20):
        cookie = COOKIES.mint(now)
        for place, day in enumerate(random.Random(number).sample(days, len(days))):
            at_ms = now + day * DAY_MS
            arrivals[place % 3].append(click(at_ms=at_ms, cookie_id=cookie, partner_id=-day))
    for events in arrivals:
        store(settings, *events)
    found = rows(settings, "SELECT * FROM cookies")
    assert len(found) == 20
    expires_at = clicked_at((now + 10 * DAY_MS) << MS_SHIFT)
    for row in found:
        assert (row["first_partner_id"], row["last_partner_id"], row["expires_at"]) == (80, 20, expires_at)
        assert row["last_seen_at"] == clicked_at(row["last_click_id"])


def test_a_new_life_begins_after_the_expiry(settings: Settings) -> None:
    now = wall_clock_ms()
    cookie = COOKIES.mint(now)
    for day, window in ((-20, 7), (-14, 7), (-2, 0), (-1, 0)):
        store(
            settings, click(at_ms=now + day * DAY_MS, cookie_id=cookie, window_days=window, partner_id=-day)
        )
    (row,) = rows(settings, "SELECT * FROM cookies")
    assert (row["first_partner_id"], row["last_partner_id"]) == (1, 1)
    assert row["expires_at"] == clicked_at(row["last_click_id"])


def test_only_valid_clicks_move_a_cookie(settings: Settings) -> None:
    first = click(partner_id=1)
    store(settings, first, click(cookie_id=first.cookie_id, partner_id=2))
    (row,) = rows(settings, "SELECT first_click_id, last_click_id FROM cookies")
    assert tuple(row.values()) == (first.click_id, first.click_id)


async def _enrol(settings: Settings) -> None:
    connection = await asyncpg.connect(str(settings.database_url))
    await connection.execute(
        "SET session_replication_role = replica;"  # enrolments alone, without their campaign
        "INSERT INTO campaign_partners (campaign_version_id, partner_id) VALUES (1, 1), (1, 2)"
    )
    await connection.close()


def test_totals_count_valid_clicks_once(settings: Settings) -> None:
    asyncio.run(_enrol(settings))
    events = [click(partner_id=1 + number % 3, campaign_version_id=1) for number in range(30)]
    bots = [click(partner_id=1, campaign_version_id=1, user_agent="curl/8") for _ in range(5)]
    store(settings, *events, *bots)
    store(settings, *events, *bots, shard=1)
    found = rows(settings, "SELECT partner_id, total_clicks, last_click_at FROM campaign_partners ORDER BY 1")
    assert [(row["partner_id"], row["total_clicks"]) for row in found] == [(1, 10), (2, 10)]
    assert found[0]["last_click_at"] == clicked_at(events[27].click_id)


def test_history_of_any_month_gets_its_partition(settings: Settings) -> None:
    months = [datetime(2019, 3, 31, 23, 59, tzinfo=UTC), datetime(2021, 12, 1, tzinfo=UTC), datetime.now(UTC)]
    store(settings, *(click(at_ms=int(month.timestamp() * 1000)) for month in months))
    assert value(settings, "SELECT count(*) FROM clicks") == 3
    assert value(settings, "SELECT to_regclass('clicks_201903') IS NOT NULL")
    assert value(settings, "SELECT to_regclass('clicks_202001') IS NULL")


def test_partitions_are_made_ahead(settings: Settings) -> None:
    drain(settings)
    store(settings, click())
    ahead = (datetime.now(UTC).replace(day=1) + timedelta(days=75)).strftime("%Y%m")
    for parent in ("clicks", "touches", "audit_logs"):
        if value(settings, "SELECT to_regclass($1) IS NOT NULL", parent):
            assert value(settings, "SELECT to_regclass($1) IS NOT NULL", f"{parent}_{ahead}")


def imported(number: int, at_ms: int, **fields: Any) -> ClickEvent:
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))
    return click(**fields)._replace(click_id=at_ms << MS_SHIFT, import_key=key)


def test_imports_are_stored_once_under_ids_of_their_time(settings: Settings) -> None:
    at_ms = wall_clock_ms() - 400 * DAY_MS
    events = [imported(number, at_ms + number // 100) for number in range(300)]
    store(settings, *events[:200])
    store(settings, *events, events[0], shard=1)
    found = rows(settings, "SELECT click_id, clicked_at, visitor_hash FROM clicks")
    assert len(found) == 300
    assert {row["click_id"] >> MS_SHIFT for row in found} == {at_ms, at_ms + 1, at_ms + 2}
    assert all(row["click_id"] >> 11 & 1023 > LEASED_WORKER_MAX for row in found)
    assert value(settings, "SELECT count(*) FROM click_imports JOIN clicks USING (click_id)") == 300


def test_imports_whose_slot_is_taken_move_to_the_next(settings: Settings) -> None:
    at_ms = wall_clock_ms() - DAY_MS
    first, second = imported(1, at_ms), imported(1, at_ms, user_agent="other")
    other_key = uuid.UUID(int=uuid.UUID(first.import_key).int ^ 1 << 100)  # proposes the same slot
    store(settings, first)
    store(settings, second._replace(import_key=str(other_key)))
    ids = [row["click_id"] for row in rows(settings, "SELECT click_id FROM clicks ORDER BY 1")]
    assert ids[1] == ids[0] + 1


def test_undecodable_events_are_set_aside_and_the_others_stored(settings: Settings) -> None:
    good = [click() for _ in range(3)]
    beyond = click(link_id=1 << 40)
    block = encode_block([tuple(good[0]), ("x",), tuple(good[1]), tuple(beyond), tuple(good[2])])
    append_raw(settings, block)
    append_raw(settings, b"{not json")
    append_raw(settings, b"{}")
    with connect(settings) as client:
        client.xadd(keys.clicks(0), {"other": "field"})
    drain(settings)
    assert value(settings, "SELECT count(*) FROM clicks") == 3
    found = rows(settings, "SELECT position, reason FROM dead_letters ORDER BY entry_id, position")
    assert [tuple(row.values()) for row in found] == [
        (1, "not_an_event"),
        (3, "bad_number"),
        (0, "not_json"),
        (0, "not_a_block"),
        (0, "not_a_block"),
    ]


def test_a_row_postgresql_refuses_does_not_hold_up_the_others(settings: Settings) -> None:
    rows(settings, "ALTER TABLE clicks ADD CONSTRAINT no_thirteen CHECK (sub1 <> '13')")
    events = [click(query=f"sub1={number}") for number in range(100)]
    store(settings, *events)
    assert value(settings, "SELECT count(*) FROM clicks") == 99
    assert value(settings, "SELECT sum(clicks_stored) FROM writer_watermarks") == 99
    (letter,) = rows(settings, "SELECT * FROM dead_letters")
    assert (letter["reason"], letter["position"]) == ("refused", 13)
    assert "no_thirteen" in letter["detail"]
    assert value(settings, "SELECT count(*) FROM cookies") == 99


def test_watermarks_move_when_there_is_nothing_to_do(settings: Settings) -> None:
    store(settings, click())
    before = datetime.now(UTC)
    asyncio.run(_write_for(settings, 1.5))
    found = rows(settings, "SELECT shard, stored_through FROM writer_watermarks ORDER BY shard")
    assert [row["shard"] for row in found] == list(range(settings.stream_shards))
    for row in found:
        assert before - timedelta(seconds=2) < row["stored_through"] < datetime.now(UTC)


async def _write_for(settings: Settings, seconds: float) -> None:
    from flusher.writer import write

    is_stopping = asyncio.Event()
    writer = asyncio.create_task(write(settings, is_stopping))
    await asyncio.sleep(seconds)
    is_stopping.set()
    await writer


def test_every_query_prepares(settings: Settings) -> None:
    async def prepare() -> None:
        connection = await asyncpg.connect(str(settings.database_url))
        await set_codecs(connection)
        for query in load_queries("flusher").values():
            await connection.prepare(query)
        await connection.close()

    asyncio.run(prepare())


@pytest.mark.parametrize("writers", [1, 2])
def test_shards_stored_side_by_side_agree_about_visitors(settings: Settings, writers: int) -> None:
    """Many small flushes of four shards at once, by one or two writers, about forty visitors of three links."""
    busy = settings.model_copy(update={"stream_shards": 4, "flush_rows_max": 25})
    chance, now = random.Random(7), wall_clock_ms()
    cookies = [COOKIES.mint(now - DAY_MS) for _ in range(40)]
    events = [
        click(
            at_ms=now - 3_600_000 + number * 900,
            cookie_id=chance.choice(cookies),
            link_id=chance.randrange(1, 4),
        )
        for number in range(2_000)
    ]
    for number in range(0, len(events), 10):
        append(busy, *events[number : number + 10], shard=chance.randrange(4))
    asyncio.run(_write_side_by_side(busy, writers))
    assert value(busy, "SELECT count(*) FROM clicks") == len(events)
    uniques = rows(busy, "SELECT cookie_id, partner_link_id FROM clicks WHERE is_unique")
    visitors = {(event.cookie_id, event.link_id) for event in events}
    assert len(uniques) == len(visitors) == len({tuple(row.values()) for row in uniques})
    wrong = """SELECT count(*) FROM cookies JOIN (
                   SELECT cookie_id, min(click_id) AS first, max(click_id) AS last
                   FROM clicks WHERE click_class = 'valid' GROUP BY 1) AS truth USING (cookie_id)
               WHERE (first_click_id, last_click_id) <> (first, last)"""
    assert value(busy, wrong) == 0
    assert value(busy, "SELECT count(*) FROM cookies") == len(cookies)


async def _write_side_by_side(settings: Settings, writers: int) -> None:
    from flusher.writer import write

    is_stopping = asyncio.Event()
    tasks = [asyncio.create_task(write(settings, is_stopping)) for _ in range(writers)]
    async with asyncio.timeout(60):
        while entries(settings):  # noqa: ASYNC110 - Redis tells of no such event
            await asyncio.sleep(0.02)
    is_stopping.set()
    await asyncio.gather(*tasks)
