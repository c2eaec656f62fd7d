"""Which clicks a conversion is matched to, how surely, and who is held back: on a real database, through the attributor."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from attribution.explain import load_explanation
from attribution.terms import SQL
from tests.ledger_bed import NOW, Ledger, ago, on_ledger


async def _settled(ledger: Ledger, *numbers: int) -> list[Any]:
    await ledger.attribute()
    return [await ledger.row(number) for number in numbers]


def test_r34_the_example_of_the_seed(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        for days, partner in ((3, "A"), (2, "B"), (1, "A")):
            await ledger.click(partner, ago(days))
        number = await ledger.sale("T1")
        await ledger.attribute()
        values = {model: [str(value) for _, value in await ledger.touches(number, model)] for model in MODELS}
        assert values == {
            "first_click": ["10.00", "0.00", "0.00"],
            "last_click": ["0.00", "0.00", "10.00"],
            "linear": ["3.34", "3.33", "3.33"],
            "time_decay": ["3.01", "3.32", "3.67"],
            "position_based": ["4.00", "2.00", "4.00"],
        }
        assert await ledger.credits(number) == {"A": Decimal("6.67"), "B": Decimal("3.33")}
        types = await ledger.db.fetch(
            "SELECT touch_type FROM touches WHERE attribution_type = 'linear' ORDER BY occurred_at"
        )
        assert [row[0] for row in types] == ["first", "middle", "last"]

    on_ledger(database_url, work, attribution_model="linear")


MODELS = ("first_click", "last_click", "linear", "time_decay", "position_based")


def test_golden_equal_times_go_by_click_id(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(1), number=11)
        await ledger.click("B", ago(1), number=10)
        number = await ledger.sale("T1", "10.10")
        await ledger.attribute()
        assert await ledger.touches(number, "first_click") == [("B", Decimal("1.01")), ("A", Decimal(0))]
        assert await ledger.touches(number, "last_click") == [("B", Decimal(0)), ("A", Decimal("1.01"))]
        assert await ledger.touches(number, "linear") == [("B", Decimal("0.51")), ("A", Decimal("0.50"))]

    on_ledger(database_url, work)


def test_w1_the_window_is_closed_and_the_click_s_own(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        first = ledger.version_id
        await ledger.click("A", ago(30))
        await ledger.click("B", ago(30, milliseconds=1))
        await ledger.add_campaign(cookie_duration_days=40)
        await ledger.click("C", ago(35))
        number = await ledger.sale("T1")
        await ledger.attribute()
        assert [name for name, _ in await ledger.touches(number)] == ["C", "A"]
        assert first != ledger.version_id

    on_ledger(database_url, work)


def test_golden_a_click_after_the_sale_and_one_out_of_window_are_ignored(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        for days, partner in ((31, "C"), (10, "A"), (1, "B"), (-1, "C")):
            await ledger.click(partner, ago(days))
        number = await ledger.sale("T1")
        await ledger.attribute()
        assert await ledger.touches(number, "first_click") == [("A", Decimal(10)), ("B", Decimal(0))]
        told = await load_explanation(ledger.db, number)
        assert told is not None
        assert [(one["verdict"], one["is_in"]) for one in told["candidates"]] == [
            ("window_closed", False),
            ("eligible", True),
            ("eligible", True),
            ("after_conversion", False),
        ]

    on_ledger(database_url, work)


def test_a14_f2_organic_sales_are_stored_and_credited_to_nobody(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(1), 2)
        number = await ledger.sale("T1")
        (row,) = await _settled(ledger, number)
        assert (row["attribution_state"], row["state_reason"], row["partner_id"]) == (
            "unattributed",
            "no_click",
            None,
        )
        assert row["commission_amount"] == 0
        assert await ledger.touches(number) == []
        assert (await ledger.outcome(number))["outcome"] == "unattributed"

    on_ledger(database_url, work)


def test_f2_a_direct_visit_never_overrides_and_other_classes_never_earn(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(3))
        await ledger.click("B", ago(2), click_class="bot")
        await ledger.click("B", ago(1), click_class="double")
        number = await ledger.sale("T1")
        await ledger.attribute()
        assert await ledger.credits(number) == {"A": Decimal(10)}

    on_ledger(database_url, work)


@pytest.mark.parametrize(
    ("given", "matched_by", "confidence"),
    [("click", "click_id", "high"), ("cookie", "cookie_id", "high"), ("customer", "customer_id", "medium"),
     ("email", "email", "medium"), ("fingerprint", "fingerprint", "low")],
)  # fmt: skip
def test_k1_each_way_to_match(database_url: str, given: str, matched_by: str, confidence: str) -> None:
    async def work(ledger: Ledger) -> None:
        click_id = await ledger.click("A", ago(0.5), 7, visitor_hash=99)
        more: dict[str, Any] = {
            "click": {"click_id": click_id, "cookie_number": None},
            "cookie": {"cookie_number": 7},
            "customer": {"customer": "c-9", "cookie_number": None},
            "email": {"email": "Ann@Shop.example", "cookie_number": None},
            "fingerprint": {"visitor_hashes": [99], "cookie_number": None},
        }[given]
        if given == "customer":
            await ledger.link("c-9", 7, ago(1))
        if given == "email":
            _, name = await ledger.hashed(None, "ann@shop.example")
            await ledger.link(str(name), 7, ago(1), is_hashed=True)
        number = await ledger.sale("T1", **more)
        (row,) = await _settled(ledger, number)
        assert (row["matched_by"], row["attribution_confidence"]) == (matched_by, confidence)
        assert row["is_held"] == (confidence == "low")
        assert await ledger.credits(number) == {"A": Decimal(10)}

    on_ledger(database_url, work)


def test_k1_a_fingerprint_counts_within_a_day_and_for_one_visitor_only(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(1.1), 1, visitor_hash=1)
        await ledger.click("A", ago(0.2), 2, visitor_hash=2)
        await ledger.click("B", ago(0.1), 3, visitor_hash=2)
        old = await ledger.sale("T1", cookie_number=None, visitor_hashes=[1])
        shared = await ledger.sale("T2", cookie_number=None, visitor_hashes=[2])
        for row in await _settled(ledger, old, shared):
            assert row["attribution_state"] == "unattributed"

    on_ledger(database_url, work)


def test_k2_an_exclusive_coupon_beats_the_last_click(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await _coupon(ledger, "A", "save20")
        await ledger.click("A", ago(5))
        await ledger.click("B", ago(1))
        mixed = await ledger.sale("T1", coupon=" SAVE20 ")
        bare = await ledger.sale("T2", coupon="save20", cookie_number=None)
        foreign = await ledger.sale("T3", coupon="OTHER")
        rows = await _settled(ledger, mixed, bare, foreign)
        assert [row["matched_by"] for row in rows] == ["coupon", "coupon", "cookie_id"]
        assert await ledger.credits(mixed) == await ledger.credits(bare) == {"A": Decimal(10)}
        assert await ledger.credits(foreign) == {"B": Decimal(10)}
        told = await load_explanation(ledger.db, mixed)
        assert told is not None
        assert [one["verdict"] for one in told["candidates"]] == ["eligible", "coupon_of_another"]
        assert (await ledger.row(bare))["click_id"] is None

    on_ledger(database_url, work)


def test_k2_a_shared_coupon_says_nothing_and_the_setting_lets_clicks_win(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await _coupon(ledger, "A", "both")
        await _coupon(ledger, "B", "both")
        await ledger.add_campaign(is_coupon_wins=False)
        await _coupon(ledger, "A", "weak")
        await ledger.click("C", ago(1))
        shared = await ledger.sale("T1", coupon="both")
        weak = await ledger.sale("T2", coupon="weak")
        alone = await ledger.sale("T3", coupon="weak", cookie_number=None)
        await ledger.attribute()
        assert await ledger.credits(shared) == await ledger.credits(weak) == {"C": Decimal(10)}
        assert await ledger.credits(alone) == {"A": Decimal(10)}

    on_ledger(database_url, work)


async def _coupon(ledger: Ledger, partner: str, code: str) -> None:
    await ledger.db.execute(
        "INSERT INTO partner_coupons (vendor_id, code, partner_id, campaign_version_id, valid_from)"
        " VALUES ($1, $2, $3, $4, '2020-01-01Z')",
        ledger.vendor_id,
        code,
        ledger.partners[partner],
        ledger.version_id,
    )


def test_k3_a_conversion_is_as_sure_as_its_least_credited_touch(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.link("c-1", 2, ago(9))
        await ledger.click("A", ago(3), 2)
        await ledger.click("B", ago(1), 1)
        last = await ledger.sale("T1", customer="c-1")
        unnumbered = await ledger.sale(None, "50.00", attribution_confidence="medium")
        rows = await _settled(ledger, last, unnumbered)
        assert [row["attribution_confidence"] for row in rows] == ["high", "medium"]
        confidences = await ledger.db.fetch(
            "SELECT attribution_confidence FROM touches WHERE conversion_event_id = $1 AND attribution_type = 'linear'"
            " ORDER BY occurred_at",
            last,
        )
        assert [row[0] for row in confidences] == ["medium", "high"]

    on_ledger(database_url, work)


def test_x1_journeys_span_the_devices_of_a_customer_but_not_shared_ones(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.link("c-1", 2, ago(9))
        for customer in range(2, 9):
            await ledger.link(f"c-{customer}", 3, ago(9))
        await ledger.link("c-1", 3, ago(9))
        await ledger.link("c-1", 4, NOW + timedelta(days=1))
        for number, partner in enumerate("AB", 2):
            await ledger.click(partner, ago(5 - number), number)
        await ledger.click("C", ago(1), 4)
        number = await ledger.sale("T1", customer="c-1")
        await ledger.attribute()
        assert await ledger.credits(number) == {"A": Decimal(10)}

    on_ledger(database_url, work)


def test_x1_the_cookie_of_a_reported_click_becomes_the_customer_s(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        click_id = await ledger.click("A", ago(6), 5)
        await ledger.sale("T1", customer="c-1", click_id=click_id, cookie_number=None, at=ago(5))
        await ledger.click("B", ago(4), 5)
        second = await ledger.sale("T2", customer="c-1", cookie_number=None)
        await ledger.attribute()
        assert [name for name, _ in await ledger.touches(second)] == ["A", "B"]

    on_ledger(database_url, work)


def test_d4_one_click_many_conversions_unless_the_type_says_one(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.db.execute(
            "UPDATE conversion_event_types SET is_one_per_click = true, default_commission_type = 'flat',"
            " default_commission_value = 1 WHERE name = 'signup'"
        )
        await ledger.click("A", ago(2))
        sales = [await ledger.sale(f"T{number}") for number in range(2)]
        later = await ledger.sale("S2", "0", event="signup", at=ago(0.5))
        await ledger.attribute()
        first = await ledger.sale("S1", "0", event="signup", at=ago(1))
        rows = await _settled(ledger, *sales, first, later)
        assert [row["attribution_state"] for row in rows] == ["attributed"] * 3 + ["unattributed"]
        assert rows[-1]["state_reason"] == "one_per_click"

    on_ledger(database_url, work)


def test_s1_a_renewal_goes_to_the_partners_of_the_first_sale(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(100))
        await ledger.click("B", ago(99))
        renewal = await ledger.sale("R1", event="subscription", parent_transaction_id="F1", cookie_number=1)
        await ledger.attribute()
        assert (await ledger.row(renewal))["state_reason"] == "waits_for_parent"
        await ledger.click("C", ago(1))
        await ledger.sale("F1", event="subscription", at=ago(98))
        await ledger.attribute()
        row = await ledger.row(renewal)
        assert (row["matched_by"], row["attribution_state"]) == ("parent", "attributed")
        assert await ledger.credits(renewal) == {"A": Decimal("5.00"), "B": Decimal("5.00")}
        over = await ledger.sale(
            "R2", event="subscription", parent_transaction_id="F1", at=NOW + timedelta(days=300)
        )
        await ledger.attribute()
        assert (await ledger.row(over))["state_reason"] == "renewals_over"
        told = await load_explanation(ledger.db, renewal)
        assert told is not None
        assert [one["verdict"] for one in told["candidates"]][-1] == "first_sale_counts"

    on_ledger(database_url, work, attribution_model="linear", rebill_months_max=12)


def test_s2_an_upgrade_goes_to_the_customer_s_original_partner(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(20))
        await ledger.click("B", ago(1))
        await ledger.sale("F1", customer="c-1", at=ago(10))
        upgrade = await ledger.sale("U1", customer="c-1", event="upgrade")
        await ledger.attribute()
        assert await ledger.credits(upgrade) == {"A": Decimal(10)}

    on_ledger(database_url, work)


def test_f1_a_partner_that_buys_from_itself_is_held(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        email = await ledger.db.fetchval(
            "SELECT email FROM partners WHERE partner_id = $1", ledger.partners["A"]
        )
        await ledger.click("A", ago(1))
        number = await ledger.sale("T1", email=f" {email.upper()} ")
        (row,) = await _settled(ledger, number)
        assert row["is_held"] and row["hold_reason"] == f"self_referral: partner {ledger.partners['A']}"
        assert (await ledger.approve(number)).reason == "held"
        assert (await ledger.lift(number)).is_done
        assert (await ledger.approve(number)).is_done

    on_ledger(database_url, work)


def test_s2_a_campaign_may_attribute_upgrades_anew(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(20))
        await ledger.click("B", ago(1))
        await ledger.sale("F1", customer="c-1", at=ago(10))
        upgrade = await ledger.sale("U1", customer="c-1", event="upgrade")
        renewal = await ledger.sale("R1", event="subscription", parent_transaction_id="F1")
        await ledger.attribute()
        assert await ledger.credits(upgrade) == {"B": Decimal(10)}
        assert await ledger.credits(renewal) == {"A": Decimal(10)}
        told = await load_explanation(ledger.db, upgrade)
        assert told is not None
        assert [one["verdict"] for one in told["candidates"]] == ["eligible", "eligible"]

    on_ledger(database_url, work, is_upgrade_reattributed=True)


@pytest.mark.parametrize("name", ["account", "customer_id"])
def test_f1_an_account_or_customer_id_that_is_the_partner_s_is_held(database_url: str, name: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.db.execute(
            "INSERT INTO payment_providers (name, display_name) VALUES ('paypal', 'PayPal')"
        )
        await ledger.db.execute(
            "INSERT INTO partner_payment_methods (partner_id, payment_provider_id, provider_account_id)"
            " SELECT $1, payment_provider_id, 'ann@pay.example' FROM payment_providers",
            ledger.partners["A"],
        )
        await ledger.click("A", ago(1))
        buyer = {"email": "Ann@pay.example"} if name == "account" else {"customer": "ann@pay.example"}
        (row,) = await _settled(ledger, await ledger.sale("T1", **buyer))
        assert row["is_held"] and row["hold_reason"] == f"self_referral: partner {ledger.partners['A']}"

    on_ledger(database_url, work)


def test_f1_a_partner_s_own_device_and_address_are_held_whatever_the_name(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        own = await ledger.db.fetchval("SELECT email FROM partners WHERE name = 'A'")
        await ledger.click("A", ago(1), 1, visitor_hash=99)
        await ledger.sale("T0", email=own, at=ago(0.9))
        await ledger.click("A", ago(0.5), 1, visitor_hash=99)
        device = await ledger.sale("T1", email="other@x.example", at=ago(0.4))
        await ledger.click("A", ago(0.2), 2, visitor_hash=99)
        address = await ledger.sale("T2", email="third@x.example", cookie_number=2)
        await ledger.click("A", ago(0.2), 3, visitor_hash=97)
        reported = await ledger.sale("T3", cookie_number=3, visitor_hashes=[99])
        await ledger.click("A", ago(0.2), 4, visitor_hash=98)
        stranger = await ledger.sale("T4", cookie_number=4)
        await ledger.click("B", ago(0.2), 5, visitor_hash=99)
        rival = await ledger.sale("T5", cookie_number=5)
        rows = await _settled(ledger, device, address, reported, stranger, rival)
        number = ledger.partners["A"]
        assert [row["hold_reason"] for row in rows] == [
            f"self_referral: device of partner {number}",
            f"self_referral: address of partner {number}",
            f"self_referral: address of partner {number}",
            None,
            None,
        ]
        assert [row["is_held"] for row in rows] == [True, True, True, False, False]

    on_ledger(database_url, work)


def test_f1_an_address_of_another_day_and_a_shared_device_hold_nothing(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        own = await ledger.db.fetchval("SELECT email FROM partners WHERE name = 'A'")
        await ledger.click("A", ago(3), 1, visitor_hash=99)
        await ledger.sale("T0", email=own, at=ago(2.9))
        await ledger.click("A", ago(0.2), 2, visitor_hash=99)
        later = await ledger.sale("T1", cookie_number=2)
        (_, name) = await ledger.hashed(None, own)
        for customer in range(6):
            await ledger.link(f"c-{customer}", 3, ago(9))
        await ledger.link(str(name), 3, ago(9), is_hashed=True)
        await ledger.click("A", ago(0.2), 3)
        shared = await ledger.sale("T2", cookie_number=3)
        rows = await _settled(ledger, later, shared)
        assert [row["hold_reason"] for row in rows] == [None, None]

    on_ledger(database_url, work)


def test_customers_are_found_by_index(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.db.execute(SQL["begin_batch"].replace(", true)", ", false)"))
        name, _ = await ledger.hashed("c-1", None)
        rows = await ledger.db.fetch(
            "EXPLAIN " + SQL["linked_cookies"], [0], [ledger.vendor_id], [name], [NOW], 50, 5
        )
        conditions = [row[0] for row in rows if "Index Cond" in row[0]]
        assert any("customer_hash" in condition for condition in conditions), rows

    on_ledger(database_url, work)


def test_f3_a_campaign_may_pay_what_came_after_the_end(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        now = await ledger.db.fetchval("SELECT date_trunc('milliseconds', clock_timestamp())")
        await ledger.click("A", now - timedelta(hours=2))
        await ledger.db.execute("UPDATE partners SET status = 'suspended' WHERE name = 'A'")
        number = await ledger.sale("T1", at=now + timedelta(hours=2))
        (row,) = await _settled(ledger, number)
        assert not row["is_held"] and row["hold_reason"] is None
        assert await ledger.credits(number) == {"A": Decimal(10)}

    on_ledger(database_url, work, is_held_after_end=False)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ("UPDATE partners SET status = 'suspended' WHERE name = 'A'", "partner_suspended"),
        (
            "UPDATE campaign_partners SET status = 'removed', removed_at = now() WHERE partner_id ="
            " (SELECT partner_id FROM partners WHERE name = 'A')",
            "enrolment_ended",
        ),
        ("UPDATE campaigns SET status = 'paused'", "campaign_paused"),
    ],
)
def test_f3_after_the_end_no_touch_and_earlier_clicks_held(
    database_url: str, change: str, verdict: str
) -> None:
    async def work(ledger: Ledger) -> None:
        now = await ledger.db.fetchval("SELECT date_trunc('milliseconds', clock_timestamp())")
        await ledger.click("A", now - timedelta(hours=2), 1)
        before = await ledger.sale("T1", at=now - timedelta(hours=1))
        await ledger.db.execute(change)
        await ledger.click("A", now + timedelta(hours=1), 2)
        after = await ledger.sale("T2", at=now + timedelta(hours=2))
        unearned = await ledger.sale("T3", at=now + timedelta(hours=2), cookie_number=2)
        rows = await _settled(ledger, before, after, unearned)
        assert [row["is_held"] for row in rows] == [False, True, False]
        assert rows[1]["hold_reason"].startswith(verdict)
        assert rows[2]["attribution_state"] == "unattributed"
        told = await load_explanation(ledger.db, unearned)
        assert told is not None
        assert told["candidates"][0]["verdict"] == verdict

    on_ledger(database_url, work)


def test_l1_a_click_that_is_not_there_is_waited_for_and_given_up(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(2))
        missing = (round(ago(1).timestamp() * 1000) << 21) | 5
        waiting = await ledger.sale("T1", click_id=missing)
        given_up = await ledger.sale(
            "T2",
            click_id=missing,
            recorded_at=await ledger.db.fetchval("SELECT now() - interval '16 minutes'"),
        )
        rows = await _settled(ledger, waiting, given_up)
        assert [row["attribution_state"] for row in rows] == ["awaiting_click", "attributed"]
        assert rows[0]["state_reason"] == "waits_for_click"
        await ledger.click("B", ago(1), 9, number=5)
        await ledger.attribute()
        assert await ledger.credits(waiting) == {"B": Decimal(10)}

    on_ledger(database_url, work)


def test_a_conversion_waits_for_every_shard_s_watermark(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(1))
        await ledger.db.execute("UPDATE writer_watermarks SET stored_through = $1 WHERE shard = 1", ago(0.1))
        number = await ledger.sale("T1")
        (row,) = await _settled(ledger, number)
        assert row["attribution_state"] == "awaiting_click"
        await ledger.db.execute("UPDATE writer_watermarks SET stored_through = $1", NOW)
        (row,) = await _settled(ledger, number)
        assert row["attribution_state"] == "attributed"

    on_ledger(database_url, work)


def test_r73_leads_get_their_partner_and_tie_devices_together(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        click_id = await ledger.click("A", ago(9), 5)
        name, _ = await ledger.hashed("c-1", None)
        lead_id = await ledger.db.fetchval(
            "INSERT INTO leads (vendor_id, external_lead_id, click_id, customer_id, created_at)"
            " VALUES ($1, 'L1', $2, $3, $4) RETURNING lead_id",
            ledger.vendor_id,
            click_id,
            name,
            ago(8),
        )
        await ledger.attribute()
        number = await ledger.sale("T1", customer="c-1", cookie_number=None)
        await ledger.attribute()
        assert await ledger.credits(number) == {"A": Decimal(10)}
        again = await ledger.sale("T2", customer="c-1", cookie_number=None)
        await ledger.attribute()
        assert (await ledger.row(again))["lead_id"] == lead_id
        with pytest.raises(asyncpg.UniqueViolationError, match="leads_external_lead_id_key"):
            await ledger.db.execute(
                "INSERT INTO leads (vendor_id, external_lead_id) VALUES ($1, 'L1')", ledger.vendor_id
            )
        lead = await ledger.db.fetchrow("SELECT partner_id, status FROM leads WHERE lead_id = $1", lead_id)
        assert tuple(lead) == (ledger.partners["A"], "converted")
        assert (await ledger.row(number))["lead_id"] == lead_id

    on_ledger(database_url, work)
