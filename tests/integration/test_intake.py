"""The conversion endpoints over HTTP on a real door: who may report, what is taken, what is answered, what is kept."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from redirector.intake.answers import PIXEL
from schema import keys
from schema.conversions import conversion_id_of
from tests.doors import PATIENT_MS, Door, running_door
from tests.reports_bed import (
    KEY,
    fields_named,
    json_of,
    post,
    publish_key,
    publish_vendor,
    put,
    reports,
    sale,
    settle,
    signed,
)

CLICK_ID = str(int(time.time() * 1000) << 21 | 5)
COOKIE_ID = "0193b3a0-7c00-7abc-8def-0123456789ab"


@pytest.fixture(scope="module")
def shared_door(engines: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with running_door(
        engines.redis_url, tmp_path_factory.mktemp("door"), capture_budget_ms=PATIENT_MS
    ) as running:
        yield running


@pytest.fixture
def door(shared_door: Door, redis_url: str) -> Door:
    """The door of this module on an emptied Redis, with a vendor."""
    shared_door.redis.xadd(keys.LINK_CHANGES, {"c": "*"})
    publish_vendor(shared_door.redis)
    settle(shared_door)
    return shared_door


def later(**step: int) -> str:
    return (datetime.now(UTC) + timedelta(**step)).isoformat()


class TestConversions:
    def test_one(self, door: Door) -> None:
        body = sale(
            event="sale", click_id=CLICK_ID, cookie_id=COOKIE_ID, customer_id="c-9", customer_email="A@b.example",
            coupon="SAVE20", occurred_at="2026-11-20T10:00:00+02:00", metadata={"order_number": "7", "n": [1.5, None]},
            ip="::ffff:81.2.69.142", user_agent="Firefox",
        ) | {"occurred_at": later(hours=-1)}  # fmt: skip
        reply = post(door, "/-/conversions", body)
        conversion_id = conversion_id_of(1, "sale", "ORD-1")
        assert (reply.status, json_of(reply)) == (202, {"conversion_id": conversion_id, "status": "accepted"})
        assert (reply.get("content-type"), reply.get("cache-control")) == ("application/json", "no-store")
        (event,) = reports(door.redis)
        assert event["click_id"] == int(CLICK_ID)
        wanted = {"kind": "conversion", "vendor_id": 1, "conversion_id": conversion_id, "amount": "100.00",
                  "currency": "USD", "cookie_id": COOKIE_ID, "customer_id": "c-9", "coupon": "SAVE20",
                  "customer_email": "A@b.example", "metadata": {"order_number": "7", "n": [1.5, None]},
                  "confidence": "high", "ip": "81.2.69.142", "is_awaited": False}  # fmt: skip
        assert {name: event[name] for name in wanted} == wanted
        assert event["occurred_ms"] == pytest.approx(event["received_ms"] - 3_600_000, abs=5_000)

    def test_a_list(self, door: Door) -> None:
        reply = post(door, "/-/conversions", [sale(f"L-{number}") for number in range(1000)])
        assert reply.status == 202
        ids = [answer["conversion_id"] for answer in json_of(reply)]
        assert ids == [conversion_id_of(1, "sale", f"L-{number}") for number in range(1000)]
        assert sorted(event["conversion_id"] for event in reports(door.redis)) == sorted(ids)

    @pytest.mark.parametrize("size", [0, 1001])
    def test_a_list_of_the_wrong_size(self, door: Door, size: int) -> None:
        assert fields_named(post(door, "/-/conversions", [sale()] * size)) == {""}
        assert not reports(door.redis)

    def test_one_bad_in_a_list_refuses_all_and_names_each_field(self, door: Door) -> None:
        body = [sale(), sale(amount="1,5", currency="usd"), 7, sale(click_id="abc", surprise=1)]
        assert fields_named(post(door, "/-/conversions", body)) == {
            *("1.amount", "1.currency", "2", "3.click_id", "3.surprise")
        }
        assert not reports(door.redis)

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"amount": 100}, {"amount"}),
            ({"amount": 100.0}, {"amount"}),
            ({"amount": "1e3"}, {"amount"}),
            ({"amount": "-1"}, {"amount"}),
            ({"amount": "NaN"}, {"amount"}),
            ({"amount": "1.001"}, {"amount"}),
            ({"amount": "1.5", "currency": "JPY"}, {"amount"}),
            ({"currency": "XXX"}, {"currency"}),
            ({"currency": None}, {"currency"}),
            ({"currency": 840}, {"currency"}),
            ({"transaction_id": 5}, {"transaction_id"}),
            ({"transaction_id": ""}, {"transaction_id"}),
            ({"transaction_id": "x" * 256}, {"transaction_id"}),
            ({"transaction_id": "a\0b"}, {"transaction_id"}),
            ({"event": "x" * 101}, {"event"}),
            ({"event": ["sale"]}, {"event"}),
            ({"click_id": 17}, {"click_id"}),
            ({"click_id": "-1"}, {"click_id"}),
            ({"click_id": "9" * 19}, {"click_id"}),
            ({"cookie_id": 1}, {"cookie_id"}),
            ({"customer_email": "nobody"}, {"customer_email"}),
            ({"occurred_at": "yesterday"}, {"occurred_at"}),
            ({"occurred_at": "2026-11-20T10:00:00"}, {"occurred_at"}),
            ({"occurred_at": "2026-13-20T10:00:00Z"}, {"occurred_at"}),
            ({"occurred_at": 1795160782}, {"occurred_at"}),
            ({"occurred_at": later(days=1)}, {"occurred_at"}),
            ({"occurred_at": later(days=-91)}, {"occurred_at"}),
            ({"metadata": []}, {"metadata"}),
            ({"metadata": {"a": "\0"}}, {"metadata"}),
            ({"metadata": {"a": "x" * 17_000}}, {"metadata"}),
            ({"ip": "1.2.3"}, {"ip"}),
            ({"commission": "10.00"}, {"commission"}),
            ({"commission_amount": "10.00", "partner_id": 3}, {"commission_amount", "partner_id"}),
        ],
    )
    def test_each_bad_field_is_named(self, door: Door, fields: dict[str, Any], named: set[str]) -> None:
        assert fields_named(post(door, "/-/conversions", sale(**fields))) == named
        assert not reports(door.redis)

    def test_times_at_the_edge_are_taken(self, door: Door) -> None:
        for number, moment in enumerate((later(minutes=4), later(days=-89), "2026-11-20t09:00:00.123456z")):
            if not moment.startswith("2026-11-20t"):
                assert post(door, "/-/conversions", sale(f"T-{number}", occurred_at=moment)).status == 202

    def test_a_changed_cookie_counts_as_none(self, door: Door) -> None:
        assert post(door, "/-/conversions", sale(cookie_id="tampered")).status == 202
        assert reports(door.redis)[0]["cookie_id"] is None

    def test_defaults(self, door: Door) -> None:
        publish_vendor(door.redis, default_currency="JPY")
        settle(door)
        assert post(door, "/-/conversions", {"transaction_id": "O"}).status == 202
        (event,) = reports(door.redis)
        assert (event["event"], event["amount"], event["currency"]) == ("sale", "0", "JPY")

    def test_without_transaction_id(self, door: Door) -> None:
        """The same click, amount and moment is the same conversion; sure it is not."""
        body = sale(None, click_id=CLICK_ID, occurred_at=later(seconds=-1))  # type: ignore[arg-type]
        first, again = (json_of(post(door, "/-/conversions", body))["conversion_id"] for _ in range(2))
        other = json_of(post(door, "/-/conversions", body | {"amount": "100.01"}))["conversion_id"]
        assert first == again != other
        assert {event["confidence"] for event in reports(door.redis)} == {"medium"}
        publish_vendor(door.redis, is_transaction_id_required=True)
        settle(door)
        assert fields_named(post(door, "/-/conversions", body)) == {"transaction_id"}

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"nothing", b'"text"', b"null", b"12", b"\xff\xfe", b"[" * 5000, b'{"amount":NaN}'],
    )
    def test_hostile_bodies(self, door: Door, body: bytes) -> None:
        assert post(door, "/-/conversions", body).status == 422

    def test_metadata_nested_deeper_than_can_be_kept(self, door: Door) -> None:
        nested = b'{"transaction_id":"O","currency":"USD","metadata":' + b'{"a":' * 400 + b"1" + b"}" * 401
        assert fields_named(post(door, "/-/conversions", nested)) == {"metadata"}

    def test_a_body_too_large(self, door: Door) -> None:
        reply = post(door, "/-/conversions", b" " * (3 << 20))
        assert reply.status == 413

    def test_a_body_too_large_that_does_not_say_so(self, door: Door) -> None:
        piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
        head = b"POST /-/pb HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        again = b"GET /-/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answers = door.raw(head + piece * 40 + b"0\r\n\r\n" + again)
        assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"413", b"200"]

    def test_a_compressed_body(self, door: Door) -> None:
        assert post(door, "/-/conversions", b"x", Content_Encoding="gzip").status == 415

    def test_methods(self, door: Door) -> None:
        assert door.get("/-/conversions").status == 405
        assert door.get("/-/conversions", "OPTIONS").get("allow") == "POST, OPTIONS"
        assert door.get("/-/pb", "DELETE").get("allow") == "GET, POST, OPTIONS"


class TestKeys:
    def test_no_key_and_wrong_keys(self, door: Door) -> None:
        for key in (None, "clk_vendor_unknown", "x" * 500, "ä"):
            reply = post(door, "/-/conversions", sale(), key=key and key.encode().decode("latin-1"))
            assert (reply.status, reply.get("www-authenticate")) == (401, "Bearer")
        assert post(door, "/-/conversions", sale(), key=None, Authorization="Basic abc").status == 401

    @pytest.mark.parametrize("role", ["admin", "partner"])
    def test_keys_of_others(self, door: Door, role: str) -> None:
        publish_key(door.redis, "clk_other", role, partner_id=4)
        assert post(door, "/-/conversions", sale(), key="clk_other").status == 403

    def test_a_suspended_vendor(self, door: Door) -> None:
        publish_vendor(door.redis, is_active=False)
        settle(door)
        assert post(door, "/-/conversions", sale()).status == 403

    def test_a_key_past_its_time(self, door: Door) -> None:
        publish_key(door.redis, "clk_short", vendor_id=1, expires_at_ms=int(time.time() * 1000) + 300)
        assert post(door, "/-/conversions", sale(), key="clk_short").status == 202
        time.sleep(0.35)
        assert post(door, "/-/conversions", sale(), key="clk_short").status == 401

    def test_a_revoked_key_stops_within_a_second(self, door: Door) -> None:
        assert post(door, "/-/conversions", sale()).status == 202
        name = keys.api_key(hashlib.sha256(KEY.encode()).hexdigest())
        door.redis.delete(name)
        door.redis.xadd(keys.LINK_CHANGES, {"c": keys.NO_CODE + name})
        began = time.monotonic()
        while post(door, "/-/conversions", sale()).status != 401:
            assert time.monotonic() - began < 1.0

    def test_a_new_key_works_within_a_second_though_it_was_tried_before(self, door: Door) -> None:
        assert post(door, "/-/conversions", sale(), key="clk_new").status == 401
        publish_key(door.redis, "clk_new", vendor_id=1)
        began = time.monotonic()
        while post(door, "/-/conversions", sale(), key="clk_new").status != 202:
            assert time.monotonic() - began < 1.0

    def test_a_replaced_postback_token(self, door: Door) -> None:
        old, new = (hashlib.sha256(token).hexdigest() for token in (b"old", b"new"))
        for token_hash in (old, new):
            put(door.redis, keys.api_key(token_hash), {"role": "postback", "vendor_id": 1})
        publish_vendor(door.redis, token_hash=new)
        settle(door)
        path = "/-/pb?txn=1&amount=1&currency=USD&key="
        assert (door.get(path + "old").status, door.get(path + "new").status) == (401, 202)

    def test_a_burst_of_a_key_nobody_looked_up_yet(self, door: Door) -> None:
        """One look-up for all of them, not a connection each."""
        door.redis.xadd(keys.LINK_CHANGES, {"c": "*"})
        settle(door)
        with ThreadPoolExecutor(150) as pool:
            replies = list(
                pool.map(
                    lambda n: post(door, "/-/conversions", sale(f"B-{n}"), Idempotency_Key=f"{n}"), range(150)
                )
            )
        assert {reply.status for reply in replies} == {202}

    def test_nothing_published_yet(self, door: Door) -> None:
        door.redis.delete(keys.PUBLISHED)
        reply = post(door, "/-/conversions", sale(), key="clk_not_there_yet")
        assert (reply.status, reply.get("retry-after")) == (503, "2")


class TestPostback:
    def test_get(self, door: Door) -> None:
        query = f"click_id={CLICK_ID}&txn=ORD-1&amount=12.3&currency=usd&coupon=A%20B&adv1=x&adv5=%C3%A4&key={KEY}&foo=1"
        reply = door.get(f"/-/pb?{query}")
        assert (reply.status, json_of(reply)["conversion_id"]) == (202, conversion_id_of(1, "sale", "ORD-1"))
        (event,) = reports(door.redis)
        assert (event["amount"], event["currency"], event["coupon"]) == ("12.30", "USD", "A B")
        assert event["metadata"] == {"adv1": "x", "adv5": "ä"}

    def test_post(self, door: Door) -> None:
        form = f"txn=F+1&amount=1.00&currency=EUR&key={KEY}".encode()
        kind = "application/x-www-form-urlencoded; charset=utf-8"
        assert post(door, "/-/pb", form, key=None, Content_Type=kind).status == 202
        assert post(door, "/-/pb?event=signup", form, key=None, Content_Type=kind).status == 202
        found = {(event["event"], event["transaction_id"]) for event in reports(door.redis)}
        assert found == {("sale", "F 1"), ("signup", "F 1")}
        assert post(door, "/-/pb", b"{}", key=None, Content_Type="application/json").status == 415

    @pytest.mark.parametrize(
        ("query", "wanted"),
        [
            (
                "nid=1&transaction_id={click}&order_id=E-1&amount=5&currency=USD&verification_token={key}",
                "E-1",
            ),
            (
                "tt=ss&tv=2&merchant=9&amount=5&ch=aw&parts=D:5&vc=C&cr=USD&ref=A-1&cks={click}&key={key}",
                "A-1",
            ),
            ("CID=1&TYPE=2&METHOD=S2S&CJEVENT={click}&OID=C-1&CURRENCY=USD&AMT=5&COUPON=C&key={key}", "C-1"),
            ("irclickid={click}&OrderId=I-1&amount=5&currency=USD&PromoCode=C&token={key}", "I-1"),
            ("dub_id={click}&invoiceId=D-1&amount=5&currency=USD&key={key}", "D-1"),
            ("clickid={click}&transaction_id=T-1&amount=5&currency=USD&key={key}&coupon=&status=", "T-1"),
        ],
    )
    def test_other_trackers_senders_only_change_the_host(self, door: Door, query: str, wanted: str) -> None:
        reply = door.get("/-/pb?" + query.format(click=CLICK_ID, key=KEY))
        assert reply.status == 202, reply
        (event,) = reports(door.redis)
        assert (event["transaction_id"], event["click_id"], event["amount"]) == (
            wanted,
            int(CLICK_ID),
            "5.00",
        )
        assert event["coupon"] in (None, "C")

    def test_bad_fields_are_named_as_they_were_sent(self, door: Door) -> None:
        path = f"/-/pb?OID=1&OrderId=2&AMT=12,34&cr=xx&cks=abc&vc=%FF&key={KEY}"
        assert fields_named(door.get(path)) == {"OrderId", "AMT", "cr", "cks", "vc"}

    def test_signature(self, door: Door) -> None:
        query = "vendor=1&txn=S-1&amount=1.00&currency=USD"
        assert door.get("/-/pb?" + signed(query)).status == 202
        assert door.get("/-/pb?" + signed(query.replace("vendor=1", "vendor=1%40shop.example"))).status == 202
        assert door.get("/-/pb?" + signed(query, "another secret")).status == 401
        assert door.get("/-/pb?" + signed(query).replace("amount=1.00", "amount=9.00")).status == 401
        assert door.get("/-/pb?" + signed("txn=S-1&amount=1.00&currency=USD")).status == 401
        assert door.get("/-/pb?" + signed(query.replace("vendor=1", "vendor=2"))).status == 401

    def test_the_order_of_signed_parameters_does_not_matter(self, door: Door) -> None:
        parts = signed("vendor=1&txn=S-1&amount=1.00&currency=USD").split("&")
        assert door.get("/-/pb?" + "&".join(reversed(parts))).status == 202

    def test_while_one_secret_replaces_another_both_work(self, door: Door) -> None:
        publish_vendor(door.redis, secrets=["new", "old"])
        settle(door)
        query = "vendor=1&txn=S-1&amount=1.00&currency=USD"
        assert [door.get("/-/pb?" + signed(query, secret)).status for secret in ("new", "old", "older")] == [
            *(202, 202, 401)
        ]

    @pytest.mark.parametrize(
        "query", ["", "%", "=&=&", "key=%FF", "key=%00", "&" * 500, "a=1&" * 200, "key=" + "k" * 20_000]
    )
    def test_hostile_queries(self, door: Door, query: str) -> None:
        assert door.get(f"/-/pb?{query}").status in (401, 422)


class TestPixel:
    def is_picture(self, door: Door, path: str, **headers: str) -> bool:
        reply = door.get(path, **headers)
        kept = (reply.status, reply.get("content-type"), reply.get("cache-control"), reply.body)
        return kept == (200, "image/gif", "no-store", PIXEL) and len(PIXEL) == 43

    def test_signed(self, door: Door) -> None:
        query = signed("vendor=1&txn=P-1&amount=1.00&currency=USD")
        assert self.is_picture(door, f"/-/px.gif?{query}", Cookie=f"clk_id={COOKIE_ID}")
        (event,) = reports(door.redis)
        assert (event["confidence"], event["cookie_id"], event["ip"]) == ("high", COOKIE_ID, "127.0.0.1")
        assert event["user_agent"].startswith("Mozilla")

    def test_unsigned_only_where_the_vendor_allows_it(self, door: Door) -> None:
        path = "/-/px.gif?vendor=1&txn=P-1&amount=1.00&currency=USD"
        assert self.is_picture(door, path)
        assert not reports(door.redis)
        publish_vendor(door.redis, is_unsigned_pixel_allowed=True)
        settle(door)
        assert self.is_picture(door, path)
        assert [event["confidence"] for event in reports(door.redis)] == ["medium"]

    @pytest.mark.parametrize(
        "query", ["", "%", "key=nobody", "vendor=99", "sig=1", "vendor=1&sig=zz", "txn=%FF"]
    )
    def test_never_an_error_page(self, door: Door, query: str) -> None:
        assert self.is_picture(door, f"/-/px.gif?{query}")
        assert post(door, "/-/px.gif", b"x" * 100_000, key=None).status == 200
        assert not reports(door.redis)

    def test_what_a_known_vendor_reports_wrongly_is_kept_to_be_looked_at(self, door: Door) -> None:
        assert self.is_picture(door, f"/-/px.gif?key={KEY}&txn=P-1&amount=1,00&currency=USD&customer_id=c-9")
        (event,) = reports(door.redis)
        assert (event["kind"], event["vendor_id"], event["customer_id"]) == ("refused", 1, "c-9")
        assert [field for field, _ in event["faults"]] == ["amount"]
        assert "c-9" not in str(event["fields"])


class TestRefundsAndLeads:
    def test_refunds(self, door: Door) -> None:
        full = {"transaction_id": "ORD-1", "amount": None}
        part = {
            "transaction_id": "ORD-1",
            "event": "sale",
            "amount": "33.33",
            "refund_id": "R-1",
            "reason": "chargeback",
        }
        conversion_id = conversion_id_of(1, "sale", "ORD-1")
        answer = {"conversion_id": conversion_id, "refund_id": "refund", "status": "accepted"}
        assert json_of(post(door, "/-/refunds", full)) == answer
        assert json_of(post(door, "/-/refunds", [part]))[0]["refund_id"] == "R-1"
        found = {(event["amount"], event["reason"], event["currency"]) for event in reports(door.redis)}
        assert found == {(None, "refund", None), ("33.33", "chargeback", None)}

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({}, {"transaction_id"}),
            ({"transaction_id": "O", "amount": "1.00"}, {"refund_id"}),
            ({"transaction_id": "O", "amount": "-1.00", "refund_id": "R"}, {"amount"}),
            ({"transaction_id": "O", "amount": "1.0001", "refund_id": "R", "currency": "USD"}, {"amount"}),
            ({"transaction_id": "O", "reason": "because"}, {"reason"}),
            ({"transaction_id": "O", "commission": "1"}, {"commission"}),
        ],
    )
    def test_bad_refunds(self, door: Door, body: dict[str, Any], named: set[str]) -> None:
        assert fields_named(post(door, "/-/refunds", body)) == named

    def test_leads(self, door: Door) -> None:
        body = {
            "external_lead_id": "L-1",
            "click_id": CLICK_ID,
            "cookie_id": COOKIE_ID,
            "customer_id": "c",
            "email": "a@b",
        }
        assert json_of(post(door, "/-/leads", body)) == {"external_lead_id": "L-1", "status": "accepted"}
        assert reports(door.redis)[0]["email"] == "a@b"
        assert fields_named(post(door, "/-/leads", {"email": "nobody"})) == {"external_lead_id", "email"}


class TestIdempotency:
    def test_the_same_key_for_another_request(self, door: Door) -> None:
        assert post(door, "/-/conversions", sale(), Idempotency_Key="a").status == 202
        assert post(door, "/-/conversions", sale(), Idempotency_Key="a").status == 202
        assert fields_named(post(door, "/-/conversions", sale("O-2"), Idempotency_Key="a")) == {
            "Idempotency-Key"
        }
        assert fields_named(post(door, "/-/refunds", {"transaction_id": "O"}, Idempotency_Key="a")) == {
            "Idempotency-Key"
        }
        assert fields_named(post(door, "/-/conversions", sale(), Idempotency_Key="k" * 256)) == {
            "Idempotency-Key"
        }

    def test_a_refused_request_does_not_use_the_key_up(self, door: Door) -> None:
        assert post(door, "/-/conversions", sale(amount="x"), Idempotency_Key="b").status == 422
        assert post(door, "/-/conversions", sale(), Idempotency_Key="b").status == 202

    def test_a_retry_without_transaction_id_over_a_restart(self, redis_url: str, tmp_path: Path) -> None:
        body = {"amount": "5.00", "currency": "USD", "click_id": CLICK_ID}
        with running_door(redis_url, tmp_path, capture_budget_ms=PATIENT_MS) as door:
            publish_vendor(door.redis)
            first = json_of(post(door, "/-/conversions", body, Idempotency_Key="once"))
            assert door.stop() == 0
            door.process = door.start()
            door.wait_ready()
            assert json_of(post(door, "/-/conversions", body, Idempotency_Key="once")) == first
            assert json_of(post(door, "/-/conversions", body)) != first


class TestWaiting:
    def answer(self, door: Door, body: dict[str, Any], **outcome: Any) -> Any:
        """The reply to a request that waits, given what the publisher hands out meanwhile."""
        seen = len(reports(door.redis))
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(post, door, "/-/conversions", body, Prefer="respond-async, wait=5")
            while len(reports(door.redis)) == seen:
                time.sleep(0.01)
            event = reports(door.redis)[-1]
            assert event["is_awaited"] is True
            told = {"r": event["report_id"], "b": orjson.dumps(outcome)}
            door.redis.xadd(keys.OUTCOMES, {"r": str(uuid.uuid4()), "b": b"{}"})
            door.redis.xadd(keys.OUTCOMES, told)
            return request.result(timeout=10)

    def test_outcomes(self, door: Door) -> None:
        reply = self.answer(door, sale(), outcome="attributed", amount="100.00")
        assert (reply.status, json_of(reply)) == (200, {"outcome": "attributed", "amount": "100.00"})
        assert reply.get("preference-applied") == "wait=5"
        assert self.answer(door, sale("O-2"), outcome="duplicate").status == 200
        assert self.answer(door, sale("O-3"), outcome="conflict").status == 409

    def test_nothing_comes_in_time(self, door: Door) -> None:
        began = time.monotonic()
        reply = post(door, "/-/conversions", [sale()], Prefer="wait=1")
        assert (reply.status, json_of(reply)[0]["status"]) == (202, "accepted")
        assert 0.9 < time.monotonic() - began < 3

    @pytest.mark.parametrize(
        "prefer", ["wait=0", "wait", "wait=-1", "wait=soon", "return=minimal", "", "wait=1e9"]
    )
    def test_what_is_no_wish_to_wait(self, door: Door, prefer: str) -> None:
        assert post(door, "/-/conversions", sale(), Prefer=prefer).status == 202
        assert reports(door.redis)[-1]["is_awaited"] is False


def test_both_front_ends_answer_a_postback_with_the_same_bytes(door: Door, tmp_path: Path) -> None:
    request = f"GET /-/pb?key={KEY}&txn=F-1&amount=1.00&currency=USD HTTP/1.1\r\nHost: x\r\n".encode()
    with running_door(door.redis_url, tmp_path, front_end="asgi", capture_budget_ms=PATIENT_MS) as other:
        for end in (b"\r\n", b"Connection: close\r\n\r\n"):
            for one in (door, other):
                one.raw(request + b"Connection: close\r\n\r\n")  # so that the key is held
            answers = [re.sub(rb"date: [^\r]+", b"", one.raw(request + end)) for one in (door, other)]
            assert answers[0] == answers[1]
            assert answers[0].startswith(b"HTTP/1.1 202 ")
