"""Reports through the real writer: facts exactly once, repeats kept as what they are, customers only as hashes."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal
from typing import Any

import asyncpg
import orjson
import pytest
import redis

from flusher.report_rows import Report
from flusher.report_store import ReportFlush, ReportStore
from flusher.store import set_codecs
from schema import keys
from schema.conversions import Event, conversion_id_of
from schema.customers import customer_hash, email_hash
from schema.ids import CookieIdMinter, wall_clock_ms
from schema.settings import Settings
from tests.flusher_bed import click, rows, value
from tests.flusher_bed import store as store_clicks
from tests.reports_bed import append_reports, drain_reports

MINT = CookieIdMinter().mint
COOKIE_ID = "0193b3a0-7c00-7abc-8def-0123456789ab"


@pytest.fixture(autouse=True)
def vendor(settings: Settings) -> int:
    (row,) = rows(
        settings, "INSERT INTO vendors (name, email) VALUES ('Acme', 'ops@acme.example') RETURNING vendor_id"
    )
    assert row["vendor_id"] == 1
    return 1


def report(kind: str = "conversion", **fields: Any) -> Event:
    """An event as the door makes it."""
    now = wall_clock_ms()
    event: Event = {
        "kind": kind,
        "v": 1,
        "report_id": MINT(now),
        "vendor_id": 1,
        "received_ms": now,
        "occurred_ms": now,
    }
    if kind == "conversion":
        event |= {
            "event": "sale",
            "transaction_id": "ORD-1",
            "amount": "100.00",
            "currency": "USD",
            "metadata": {},
        }
    elif kind == "refund":
        event |= {
            "event": "sale",
            "transaction_id": "ORD-1",
            "refund_id": "R-1",
            "amount": "33.33",
            "reason": "refund",
        }
    event |= fields
    if "transaction_id" in event:
        event.setdefault("conversion_id", conversion_id_of(1, event["event"], event["transaction_id"]))
    return event


def stored(settings: Settings, *events: Event) -> None:
    append_reports(settings, *events)
    drain_reports(settings)


def test_a_conversion_becomes_a_row(settings: Settings) -> None:
    event = report(
        click_id=77, cookie_id=COOKIE_ID, customer_id=" customer-9", customer_email="Ann@Shop.example ", coupon="SAVE20",
        metadata={"order_number": "7", "product_ids": [1, 2]}, parent_transaction_id="ORD-0", is_awaited=True,
        ip="81.2.69.142", user_agent="Firefox", confidence="medium",
    )  # fmt: skip
    stored(settings, event)
    (row,) = rows(settings, "SELECT * FROM conversion_events")
    assert str(row["conversion_id"]) == conversion_id_of(1, "sale", "ORD-1")
    assert (row["status"], row["attribution_state"]) == ("pending", "awaiting_click")
    assert (row["event_value"], row["currency"], row["commission_amount"]) == (Decimal(100), "USD", None)
    assert (row["click_id"], str(row["cookie_id"]), row["coupon"]) == (77, COOKIE_ID, "SAVE20")
    assert orjson.loads(row["metadata"]) == {"order_number": "7", "product_ids": [1, 2]}
    assert (row["attribution_confidence"], row["parent_transaction_id"], row["is_awaited"]) == (
        "medium",
        "ORD-0",
        True,
    )
    assert 1 <= len(row["visitor_hashes"]) <= 2
    assert abs(row["occurred_at"].timestamp() * 1000 - event["occurred_ms"]) < 1
    key = value(settings, "SELECT customer_key FROM vendors")
    assert (row["customer_id"], row["customer_email"]) == (
        customer_hash(key, "customer-9"),
        email_hash(key, "ann@shop.example"),
    )
    assert value(settings, "SELECT count(*) FROM customer_links") == 2


def test_fingerprints_are_those_of_clicks(settings: Settings) -> None:
    store_clicks(settings, click(ip="81.2.69.142", user_agent="Firefox"))
    stored(settings, report(ip="81.2.69.142", user_agent="Firefox"))
    assert value(
        settings,
        "SELECT count(*) FROM clicks JOIN conversion_events ON clicks.visitor_hash = ANY (visitor_hashes)",
    )


def test_fifty_at_once_are_one_conversion(settings: Settings) -> None:
    events = [report() for _ in range(50)]
    for number in range(0, 50, 10):
        append_reports(settings, *events[number : number + 10], shard=number // 10 % settings.stream_shards)
    drain_reports(settings)
    assert value(settings, "SELECT count(*) FROM conversion_events") == 1
    assert value(settings, "SELECT count(*) FROM conversion_reports WHERE outcome = 'duplicate'") == 49


def test_another_amount_is_a_conflict(settings: Settings) -> None:
    stored(settings, report(), report(amount="99.00"), report(currency="EUR"), report())
    found = rows(settings, "SELECT outcome, detail FROM conversion_reports ORDER BY conversion_report_id")
    assert [row["outcome"] for row in found] == ["conflict", "conflict", "duplicate"]
    assert found[0]["detail"] == "100.00 USD was recorded before"
    assert value(settings, "SELECT event_value FROM conversion_events") == Decimal(100)


def test_the_same_report_delivered_again_leaves_no_trace(settings: Settings) -> None:
    first, second = report(is_awaited=True), report(is_awaited=True)
    stored(settings, first, second)
    stored(settings, second, first)
    stored(settings, first)
    assert value(settings, "SELECT count(*) FROM conversion_reports") == 1
    assert value(settings, "SELECT count(*) FROM outbox WHERE topic = 'outcome'") == 1


def test_who_waits_for_a_repeat_is_told(settings: Settings) -> None:
    again = report(is_awaited=True, amount="1.00")
    stored(settings, report(), again)
    (row,) = rows(settings, "SELECT entity_id, payload FROM outbox WHERE topic = 'outcome'")
    assert orjson.loads(row["payload"]) == {
        "report_id": again["report_id"], "conversion_id": again["conversion_id"], "transaction_id": "ORD-1",
        "event": "sale", "outcome": "conflict", "reason": "100.00 USD was recorded before", "status": "pending",
        "amount": "100.00", "currency": "USD",
    }  # fmt: skip
    assert row["entity_id"] == value(settings, "SELECT conversion_event_id FROM conversion_events")


def test_refunds(settings: Settings) -> None:
    """Once each, before or after their sale; another amount under the same id is kept as a conflict."""
    stored(settings, report("refund"), report("refund"), report("refund", amount=None, refund_id="R-2"))
    stored(settings, report(), report("refund", amount="5.00"))
    found = rows(settings, "SELECT refund_id, amount, state FROM refund_reports ORDER BY refund_id")
    assert [tuple(row.values()) for row in found] == [
        ("R-1", Decimal("33.33"), "waiting"),
        ("R-2", None, "waiting"),
    ]
    (conflict,) = rows(settings, "SELECT outcome, detail, event_value FROM conversion_reports")
    assert conflict["detail"] == "refund R-1: a refund of 33.3300 (refund) was recorded before"


def test_leads_are_filled_up(settings: Settings) -> None:
    lead = {"external_lead_id": "L-1"}
    stored(
        settings, report("lead", **lead, click_id=5), report("lead", **lead, cookie_id=COOKIE_ID, email="a@b")
    )
    stored(settings, report("lead", **lead, click_id=6, customer_id="c"))
    (row,) = rows(settings, "SELECT * FROM leads")
    assert (row["click_id"], str(row["cookie_id"]), len(row["customer_id"]), len(row["email"])) == (
        5,
        COOKIE_ID,
        64,
        64,
    )
    assert value(settings, "SELECT count(*) FROM customer_links") == 1


def test_the_earliest_meeting_of_customer_and_cookie_counts(settings: Settings) -> None:
    now = wall_clock_ms()
    for number, minutes in enumerate((0, 10, 5)):
        stored(
            settings,
            report(
                transaction_id=f"O-{number}",
                customer_id="c",
                cookie_id=COOKIE_ID,
                occurred_ms=now - minutes * 60_000,
            ),
        )
    linked = value(settings, "SELECT extract(epoch FROM linked_at) * 1000 FROM customer_links")
    assert round(linked) == now - 600_000


def test_what_cannot_be_stored_is_kept_without_names_and_can_be_replayed(settings: Settings) -> None:
    unknown = report(
        event="donation", customer_id="customer-9", customer_email="ann@shop.example", ip="81.2.69.142"
    )
    broken = report(transaction_id="O-2", amount="1e9")
    refused = report("refused", faults=[["amount", "is bad"]], fields={"txn": "1"}, customer_id="customer-9")
    stored(
        settings,
        unknown,
        report(vendor_id=99, transaction_id="O-3"),
        broken,
        refused,
        report(transaction_id="O-4"),
    )
    letters = rows(settings, "SELECT reason, payload, position FROM dead_letters ORDER BY position")
    assert [letter["reason"] for letter in letters] == [
        "unknown_event",
        "unknown_vendor",
        "bad_amount",
        "bad_fields",
    ]
    assert [letter["position"] for letter in letters] == [0, 1, 2, 3]
    kept = b"".join(letter["payload"] for letter in letters)
    assert not any(name in kept for name in (b"customer-9", b"ann@shop", b"81.2.69"))
    assert value(settings, "SELECT count(*) FROM conversion_events") == 1
    rows(settings, "INSERT INTO conversion_event_types (name, display_name) VALUES ('donation', 'Donation')")
    stored(settings, orjson.loads(letters[0]["payload"]))
    key = value(settings, "SELECT customer_key FROM vendors")
    found = value(settings, "SELECT customer_id FROM conversion_events WHERE transaction_id = 'ORD-1'")
    assert found == customer_hash(key, "customer-9")


def test_a_report_postgresql_refuses_is_found_among_many(settings: Settings) -> None:
    events = [report(transaction_id=f"O-{number}") for number in range(40)]
    events[23] |= {"metadata": {"a": "\0"}}
    stored(settings, *events)
    assert value(settings, "SELECT count(*) FROM conversion_events") == 39
    assert value(settings, "SELECT reason FROM dead_letters") == "refused"


@pytest.mark.parametrize(
    "block", [b"{", b"{}", b'["x"]', b'[{"kind":"conversion","v":1}]', b'[{"kind":"conversion","v":9}]']
)
def test_what_is_no_block_is_a_dead_letter(settings: Settings, block: bytes) -> None:
    with redis.Redis.from_url(str(settings.redis_url)) as client:
        client.xadd(keys.conversions(0), {"b": block})
        client.xadd(keys.conversions(0), {"x": "y"})
    drain_reports(settings)
    assert value(settings, "SELECT count(*) FROM dead_letters") == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"vendor_id": -1}, {"vendor_id": 1 << 60}, {"event": "\0"}, {"event": "x" * 5000}, {"occurred_ms": -1},
        {"occurred_ms": 1 << 62}, {"received_ms": 1 << 62}, {"click_id": "7"}, {"click_id": 1 << 63},
        {"cookie_id": 7}, {"cookie_id": "x"}, {"conversion_id": "x"}, {"report_id": "x"}, {"customer_id": 7},
        {"coupon": ["x"]}, {"coupon": "x" * 300}, {"metadata": "x" * 70_000}, {"currency": "usd"}, {"amount": "-1"},
        {"transaction_id": "a\0"}, {"ip": "nowhere", "user_agent": "x"}, {"ip": 7, "user_agent": 7},
    ],
)  # fmt: skip
def test_hostile_events_never_stop_the_writer(settings: Settings, fields: dict[str, Any]) -> None:
    hostile = report(transaction_id="BAD")
    stored(settings, hostile | fields, report())
    assert value(settings, "SELECT count(*) FROM conversion_events WHERE transaction_id = 'ORD-1'") == 1
    done = "SELECT (SELECT count(*) FROM dead_letters) + (SELECT count(*) FROM conversion_events) "
    assert value(settings, done) == 2


def test_two_writers_storing_the_same_reports_at_once(settings: Settings) -> None:
    reports = [Report("1-0", place, report(transaction_id=f"O-{place}")) for place in range(200)]

    async def both() -> None:
        pool = await asyncpg.create_pool(str(settings.database_url), init=set_codecs)
        try:
            stores = [ReportStore(pool) for _ in range(4)]
            turned = [reports, reports[::-1], reports[100:] + reports[:100], reports]
            flushes = [ReportFlush("conversions:{0}", given, []) for given in turned]
            await asyncio.gather(*(one.store(flush) for one, flush in zip(stores, flushes, strict=True)))
        finally:
            await pool.close()

    asyncio.run(both())
    assert value(settings, "SELECT count(*) FROM conversion_events") == 200
    assert value(settings, "SELECT count(*) FROM conversion_reports") == 0


def test_late_clicks_are_noted(settings: Settings) -> None:
    """A click the watermark had passed, with a conversion after it; one without is nobody's concern."""
    now = wall_clock_ms()
    store_clicks(settings, click(at_ms=now - 60_000))
    rows(settings, "UPDATE writer_watermarks SET stored_through = now()")
    store_clicks(settings, click(at_ms=now - 50_000))
    assert value(settings, "SELECT count(*) FROM late_clicks") == 0
    stored(settings, report(occurred_ms=now - 30_000))
    late, after = click(at_ms=now - 40_000), click(at_ms=now - 20_000)
    store_clicks(settings, late, after, late)
    assert [row["click_id"] for row in rows(settings, "SELECT click_id FROM late_clicks")] == [late.click_id]


def test_the_watermark_is_not_moved_by_reports(settings: Settings) -> None:
    rows(settings, "INSERT INTO writer_watermarks (shard, stored_through) VALUES (7, '2020-01-01Z')")
    stored(settings, report())
    assert value(settings, "SELECT stored_through FROM writer_watermarks WHERE shard = 7").year == 2020


def test_every_vendor_has_a_key_of_its_own(settings: Settings) -> None:
    rows(
        settings,
        "INSERT INTO vendors (name, email) SELECT 'V', 'v' || n || '@x' FROM generate_series(1, 20) n",
    )
    found = [row["customer_key"] for row in rows(settings, "SELECT customer_key FROM vendors")]
    assert len(set(found)) == 21 and {len(key) for key in found} == {32}
    assert uuid.UUID(bytes=found[0][:16]).version == 4
