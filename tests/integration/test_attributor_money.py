"""What conversions earn, through the attributor: rates frozen, tiers, history, currencies, totals, journeys."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from attribution.explain import load_explanation
from tests.ledger_bed import NOW, Ledger, ago, cookie, disagreements, on_ledger


async def commission(ledger: Ledger, number: int) -> str:
    return str((await ledger.row(number))["commission_amount"].quantize(Decimal("0.001")))


def test_r1_events_that_are_not_commissionable_are_recorded_with_touches_of_nothing(
    database_url: str,
) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(1))
        number = await ledger.sale("V1", event="page_view")
        await ledger.attribute()
        row = await ledger.row(number)
        assert (row["attribution_state"], row["commission_amount"], row["commission_type"]) == (
            "attributed",
            0,
            None,
        )
        assert await ledger.touches(number) == [("A", Decimal(0))]
        assert await _totals(ledger, "A") == (0, Decimal(0), Decimal(0))

    on_ledger(database_url, work)


def test_r2_r6_the_commission_is_calculated_and_metadata_is_kept(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(1))
        given = {"commission": "999", "product_ids": [1, 2], "order_number": "O-1", "is_first_purchase": True}
        number = await ledger.sale("T1", metadata=json.dumps(given), commission_amount=Decimal(999))
        await ledger.attribute()
        row = await ledger.row(number)
        assert row["commission_amount"] == 10
        assert json.loads(row["metadata"]) == given

    on_ledger(database_url, work)


def test_r5_prices_go_by_occurred_at_however_late_it_is_recorded(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        december = datetime(2025, 12, 10, tzinfo=UTC)
        await ledger.rule({"date_range": {"start": "2025-12-01", "end": "2025-12-31"}}, {"bonus_flat": "5"})
        await ledger.click("A", december - timedelta(days=1))
        number = await ledger.sale("T1", at=december)
        await ledger.attribute()
        row = await ledger.row(number)
        assert await commission(ledger, number) == "15.000"
        assert row["occurred_at"] == december < row["recorded_at"]

    on_ledger(database_url, work)


@pytest.mark.parametrize(
    ("currency", "amount", "expected"),
    [
        ("JPY", "1005", "101.000"),
        ("USD", "10.05", "1.010"),
        ("KWD", "10.005", "1.001"),
        ("CLF", "0.0005", "0.000"),
    ],
)
def test_h2_currencies_of_every_number_of_decimals(
    database_url: str, currency: str, amount: str, expected: str
) -> None:
    async def work(ledger: Ledger) -> None:
        for partner, days in (("A", 3), ("B", 2), ("C", 1)):
            await ledger.click(partner, ago(days))
        number = await ledger.sale("T1", amount, currency=currency)
        await ledger.attribute()
        assert await commission(ledger, number) == expected
        assert await _sums(ledger) == [(await ledger.row(number))["commission_amount"]] * 5

    on_ledger(database_url, work, attribution_model="linear")


async def _sums(ledger: Ledger) -> list[Decimal]:
    rows = await ledger.db.fetch(
        "SELECT sum(touch_value) FROM touches WHERE NOT is_deleted GROUP BY conversion_event_id, attribution_type"
    )
    return [row[0] for row in rows]


def test_r9_r12_a8_tiers_by_the_revenue_of_the_month_in_any_order_of_arrival(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", datetime(2026, 5, 20, tzinfo=UTC))
        await ledger.sale("M", "5000.00", at=datetime(2026, 5, 31, 23, tzinfo=UTC))
        last = await ledger.sale("T3", at=NOW)
        await ledger.attribute()
        assert await commission(ledger, last) == "5.000"
        second = await ledger.sale("T2", "0.01", at=ago(1))
        first = await ledger.sale("T1", "999.99", at=ago(2))
        await ledger.attribute()
        assert [await commission(ledger, number) for number in (first, second, last)] == [
            "50.000",
            "0.000",
            "10.000",
        ]
        await ledger.reject(first)
        await ledger.attribute()
        assert await commission(ledger, last) == "5.000"

    on_ledger(database_url, work, tiers=((0, 5), (1000, 10)))


def test_r23_a24_history_is_our_own_and_excludes_this_sale(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.rule({"customer_lifetime_value_min": "150"}, {"bonus_flat": "2"})
        await ledger.rule({"is_first_purchase": True}, {"bonus_flat": "1"})
        await ledger.click("A", ago(9))
        third = await ledger.sale("T3", customer="c-1", metadata='{"is_first_purchase": true}')
        await ledger.attribute()
        assert await commission(ledger, third) == "11.000"
        first = await ledger.sale("T1", "100.00", customer="c-1", at=ago(2))
        second = await ledger.sale("T2", "50.00", customer="c-1", at=ago(1))
        unknown = await ledger.sale("T4", metadata='{"is_first_purchase": true}')
        await ledger.attribute()
        numbers = (first, second, third, unknown)
        assert [await commission(ledger, number) for number in numbers] == [
            "11.000",
            "5.000",
            "12.000",
            "11.000",
        ]

    on_ledger(database_url, work)


def test_r12_r18_r75_a_tier_names_its_reward_and_a_deleted_one_is_ignored(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        reward = await ledger.db.fetchval(
            "INSERT INTO rewards (name, reward_type, reward_value) VALUES ('Silver', 'percentage', 12) RETURNING reward_id"
        )
        await ledger.tier(100, 12, reward)
        await ledger.click("A", ago(5))
        first = await ledger.sale("T1", at=ago(3))
        second = await ledger.sale("T2", at=ago(2))
        await ledger.attribute()
        await ledger.db.execute(
            "UPDATE campaign_tiers SET is_deleted = true, deleted_at = now() WHERE min_amount = 100"
        )
        await ledger.db.execute("UPDATE rewards SET reward_value = 99")
        await ledger.db.execute(
            "INSERT INTO reattributions (conversion_event_id, reason) VALUES ($1, 'recompute')", second
        )
        third = await ledger.sale("T3", at=ago(1))
        await ledger.attribute()
        numbers = (first, second, third)
        assert [await commission(ledger, one) for one in numbers] == ["5.000", "12.000", "5.000"]
        assert [(await ledger.row(one))["reward_id"] for one in numbers] == [None, reward, None]

    on_ledger(database_url, work, tiers=((0, 5),))


def test_r20_r67_the_tier_a_partner_has_when_it_is_priced_counts_and_a_later_one_for_later_sales(
    database_url: str,
) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.override("B", "20")
        await ledger.db.execute("UPDATE partners SET tier = 'gold' WHERE name = 'B'")
        await ledger.click("A", ago(5), 1)
        await ledger.click("B", ago(5), 2)
        before = await ledger.sale("T1")
        await ledger.attribute()
        await ledger.db.execute("UPDATE partners SET tier = 'gold' WHERE name = 'A'")
        await ledger.click("A", ago(1), 1, is_late=True)
        after, agreed = await ledger.sale("T2"), await ledger.sale("T3", cookie_number=2)
        await ledger.attribute()
        numbers = (before, after, agreed)
        assert [await commission(ledger, one) for one in numbers] == ["10.000", "12.000", "20.000"]
        told = await load_explanation(ledger.db, after)
        assert told is not None
        won = [one for one in told["rates"][0]["considered"] if one["is_winner"]]
        assert [(one["source"], one["label"]) for one in won] == [("partner_tier", "gold")]

    on_ledger(database_url, work, partner_tiers={"gold": 12, "platinum": 15})


def test_r79_what_is_deleted_neither_earns_nor_counts(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.rule({"customer_lifetime_value_min": "100"}, {"bonus_flat": "7"})
        click_id = await ledger.click("A", ago(5))
        await ledger.click("B", ago(4))
        gone = await ledger.sale("T1", customer="c-1", at=ago(3))
        await ledger.db.execute("UPDATE clicks SET is_deleted = true WHERE click_id <> $1", click_id)
        await ledger.db.execute("UPDATE conversion_events SET is_deleted = true, deleted_at = now()")
        number = await ledger.sale("T2", customer="c-1")
        await ledger.attribute()
        assert (await ledger.row(gone))["attribution_state"] == "awaiting_click"
        assert await ledger.credits(number) == {"A": Decimal(10)}
        assert await _totals(ledger, "A") == (1, Decimal(100), Decimal(10))

    on_ledger(database_url, work)


def test_r18_r30_existing_conversions_keep_the_terms_they_were_priced_by(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        bonus = await ledger.rule({}, {"bonus_flat": "7"}, "welcome")
        await ledger.override("A", "20")
        await ledger.click("A", ago(2))
        number = await ledger.sale("T1")
        await ledger.attribute()
        assert await commission(ledger, number) == "27.000"
        await ledger.db.execute(
            "UPDATE commission_rules SET active = false WHERE commission_rule_id = $1", bonus
        )
        await ledger.db.execute("UPDATE partner_campaign_overrides SET is_deleted = true, deleted_at = now()")
        await ledger.db.execute("UPDATE partners SET tier = 'gold' WHERE name = 'A'")
        await ledger.rule({"partner_tiers": ["gold"]}, {"bonus_flat": "1"}, "gold")
        await ledger.click("A", ago(1), is_late=True)
        later = await ledger.sale("T2", at=NOW + timedelta(hours=1))
        await ledger.attribute()
        assert len(await ledger.touches(number)) == 2
        assert [await commission(ledger, one) for one in (number, later)] == ["27.000", "11.000"]
        told = await load_explanation(ledger.db, number)
        assert told is not None
        won = [one for one in told["rates"][0]["considered"] if one["is_winner"]]
        assert (won[0]["source"], won[0]["value"], told["rates"][0]["bonus"]) == ("override", "20.0000", "7")

    on_ledger(database_url, work)


def test_a_version_that_came_after_the_first_pricing_counts_with_the_terms_it_began_with(
    database_url: str,
) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(2))
        number = await ledger.sale("T1")
        await ledger.attribute()
        await ledger.add_campaign(tiers=((0, 5),))
        await ledger.click("C", ago(1), is_late=True)
        await ledger.attribute()
        assert await ledger.credits(number) == {"C": Decimal(5)}

    on_ledger(database_url, work)


def test_a3_per_partner_pricing_and_the_pool(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.override("A", "20")
        for days, partner in ((3, "A"), (2, "B"), (1, "A")):
            await ledger.click(partner, ago(days))
        number = await ledger.sale("T1")
        await ledger.attribute()
        assert await ledger.credits(number) == {"A": Decimal("13.34"), "B": Decimal("3.33")}
        assert await _sums(ledger) == [Decimal("16.67")] * 5
        await ledger.refund("T1", "50.00", "R1")
        await ledger.attribute()
        assert await ledger.credits(number) == {"A": Decimal("6.67"), "B": Decimal("1.67")}
        await ledger.refund("T1", "50.00", "R2")
        await ledger.attribute()
        assert await ledger.credits(number) == {}

    on_ledger(database_url, work, attribution_model="linear", pricing="per_partner")


def test_r29_what_was_applied_stands_on_the_conversion(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        first = await ledger.rule({}, {"commission_multiplier": "1.5"})
        second = await ledger.rule({}, {"bonus_flat": "10"})
        await ledger.click("A", ago(1))
        number = await ledger.sale("T1")
        await ledger.attribute()
        row = await ledger.row(number)
        assert (row["commission_type"], row["commission_value"], row["commission_amount"]) == (
            "percentage",
            10,
            25,
        )
        assert row["applied_commission_rule_id"] == first
        rules = json.loads(row["terms"])["partners"][str(ledger.partners["A"])]["rules"]
        assert rules == [first, second]

    on_ledger(database_url, work, rule_mode="sum")


def test_r31_r56_touches_credits_and_totals_agree(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        for number in range(1, 30):
            for days, partner in ((number % 4 + 2, "ABC"[number % 3]), (1, "ABC"[number % 2])):
                await ledger.click(partner, ago(days), number)
            await ledger.sale(f"T{number}", f"{number}.37", cookie_number=number)
        await ledger.refund("T7", "1.00", "R1")
        await ledger.refund("T8", None, "R1")
        await ledger.attribute()
        await disagreements(ledger)

    on_ledger(database_url, work, attribution_model="time_decay")


async def _totals(ledger: Ledger, partner: str) -> tuple[Any, ...]:
    row = await ledger.db.fetchrow(
        "SELECT total_conversions, total_revenue, total_commission_earned FROM campaign_partners WHERE partner_id = $1",
        ledger.partners[partner],
    )
    assert row is not None
    return tuple(row)


def test_r32_attributing_again_changes_nothing_and_writes_nothing(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(2))
        await ledger.click("B", ago(1))
        number = await ledger.sale("T1", customer="c-1")
        await ledger.attribute()
        before = await _everything(ledger)
        for _ in range(2):
            await ledger.db.execute(
                "INSERT INTO reattributions (conversion_event_id, reason) VALUES ($1, 'recompute')", number
            )
            await ledger.attribute()
        assert await _everything(ledger) == before

    on_ledger(database_url, work)


async def _everything(ledger: Ledger) -> list[Any]:
    tables = ("touches", "conversion_events", "conversion_credits", "funnel_journeys", "audit_logs", "outbox")
    return [
        [tuple(row) for row in await ledger.db.fetch(f"SELECT * FROM {name} ORDER BY 1")] for name in tables
    ]


def test_r61_a13_journeys_are_ordered_complete_with_a_sale_and_begin_anew(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(5))
        await ledger.click("B", ago(4))
        second = await ledger.sale("T2", "50.00")
        await ledger.attribute()
        await ledger.sale("V1", "0", event="page_view", at=ago(4, hours=-1))
        first = await ledger.sale("T1", at=ago(3))
        await ledger.click("B", ago(1), is_late=True)
        await ledger.attribute()
        rows = await ledger.db.fetch(
            "SELECT * FROM funnel_journeys WHERE NOT is_deleted ORDER BY journey_started_at"
        )
        assert [row["is_converted"] for row in rows] == [True, True]
        sequences = [[event["type"] for event in json.loads(row["events_sequence"])] for row in rows]
        assert sequences == [["click", "click", "page_view", "sale"], ["click", "sale"]]
        assert [row["total_events"] for row in rows] == [4, 2]
        for row, number in zip(rows, (first, second), strict=True):
            shares = json.loads(row["attribution_map"]).values()
            assert sum(Decimal(share["weight"]) for share in shares) == 1
            assert sum(Decimal(share["commission"]) for share in shares) == row["total_commission"]
            assert (await ledger.row(number))["funnel_journey_id"] == row["funnel_journey_id"]
            assert row["journey_completed_at"] == (await ledger.row(number))["occurred_at"]

    on_ledger(database_url, work, attribution_model="linear")


def test_r80_the_furthest_stage_never_moves_back(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(5))
        await ledger.db.execute(
            "UPDATE conversion_event_types SET is_commissionable = false WHERE name = 'trial_start'"
        )
        await ledger.sale("S1", "0", event="trial_start", at=ago(2))
        await ledger.attribute()
        await ledger.sale("V1", "0", event="page_view", at=ago(1))
        await ledger.attribute()
        row = await ledger.db.fetchrow(
            "SELECT t.name, j.is_converted, j.total_events FROM funnel_journeys j JOIN conversion_event_types t"
            " ON t.conversion_event_type_id = j.furthest_stage_id WHERE j.cookie_id = $1 AND NOT j.is_deleted",
            cookie(1),
        )
        assert tuple(row) == ("trial_start", False, 3)

    on_ledger(database_url, work)


def test_golden_a_sale_of_nothing_has_touches_of_nothing_and_flat_still_pays(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(1))
        number = await ledger.sale("T1", "0.00")
        await ledger.add_campaign(default_commission_type="flat", default_commission_value=Decimal(3))
        await ledger.click("B", ago(1), 2)
        flat = await ledger.sale("T2", "0.00", cookie_number=2)
        await ledger.attribute()
        assert await ledger.touches(number) == [("A", Decimal(0))]
        assert await ledger.credits(flat) == {"B": Decimal(3)}

    on_ledger(database_url, work)


def test_a_conversion_that_cannot_be_worked_out_is_set_aside_alone(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(1))
        good = [await ledger.sale(f"T{number}") for number in range(5)]
        unreadable = await ledger.sale("BAD", "1.005")
        await ledger.rule({"event_types": ["signup"]}, {"bonus_flat": "much"})
        unpriceable = await ledger.sale("ODD", "1.00", event="signup")
        huge = await ledger.sale("HUGE", "99999999999999.00")
        await ledger.rule({"min_event_value": "99999999999999"}, {"commission_multiplier": "1000"})
        await ledger.attribute()
        rows = [await ledger.row(number) for number in (unreadable, unpriceable, huge)]
        assert [row["attribution_state"] for row in rows] == ["set_aside"] * 3
        assert all(row["state_reason"] for row in rows)
        assert [(await ledger.row(number))["attribution_state"] for number in good] == ["attributed"] * 5

    on_ledger(database_url, work)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE touches SET touch_value = 1",
        "UPDATE touches SET touch_weight = 0.5",
        "DELETE FROM touches",
        "UPDATE commission_rules SET actions = '{}'",
        "UPDATE commission_rules SET conditions = '{}'",
        "UPDATE partner_campaign_overrides SET commission_value = 1",
    ],
)
def test_r30_r31_touches_and_rates_refuse_changes(database_url: str, change: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.rule({"min_event_value": "1"}, {"bonus_flat": "1"})
        await ledger.override("A", "20")
        await ledger.click("A", ago(1))
        await ledger.sale("T1")
        await ledger.attribute()
        with pytest.raises(asyncpg.RestrictViolationError):
            await ledger.db.execute(change)

    on_ledger(database_url, work)
