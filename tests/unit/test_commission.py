"""Rates, rules and tiers: the requirements of the rules page, by number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from attribution.allocation import allocate
from attribution.commission import (
    Earner,
    Override,
    PartnerTierRate,
    Priced,
    Terms,
    Tier,
    pool_of_partners,
    price,
)
from attribution.rules import Rate, Rule, Sale

DECEMBER = datetime(2024, 12, 10, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
TEN = Rate("percentage", Decimal("10.00"))
SALE_TYPE, OTHER_TYPE = 6, 7


def sale(cents: int, **fields: Any) -> Sale:
    return Sale(cents, 2, "sale", SALE_TYPE, DECEMBER)._replace(**fields)


def rule(number: int, conditions: dict[str, Any], actions: dict[str, Any], **fields: Any) -> Rule:
    return Rule(number, f"rule {number}", conditions, actions, LONG_AGO, None)._replace(**fields)


def override(number: int, per_cent: str, event_type_id: int | None = None, **fields: Any) -> Override:
    rate = Rate("percentage", Decimal(per_cent))
    return Override(number, event_type_id, rate, LONG_AGO, None)._replace(**fields)


def terms(**fields: Any) -> Terms:
    return Terms(1, TEN)._replace(**fields)


def cents(sold: Sale, given: Terms, **earner: Any) -> int:
    return price(sold, Earner(7)._replace(**earner), given).amount


def outcome_of(priced: Priced) -> dict[str, str]:
    return {f"{entry.source} {entry.id}": entry.reason for entry in priced.considered}


HOLIDAY = rule(
    1,
    {"date_range": {"start": "2024-12-01", "end": "2024-12-31"}, "min_event_value": 100},
    {"commission_multiplier": 1.5, "bonus_flat": 10},
)
LOYAL = rule(
    2,
    {"customer_lifetime_value_min": 1000, "event_types": ["sale", "subscription"]},
    {"commission_type": "percentage", "commission_value": 15},
)
FIRST_BUYER = rule(3, {"is_first_purchase": True, "partner_tiers": ["gold", "platinum"]}, {"bonus_flat": 25})
SEED_RULES = (HOLIDAY, LOYAL, FIRST_BUYER)


@pytest.mark.parametrize(
    ("value", "per_cent", "expected"),
    [(9999, "10", 1000), (1005, "10", 101), (1015, "10", 102), (1, "50", 1), (10_000, "10.00", 1000)],
)
def test_r7_percentage_rounded_once_half_away(value: int, per_cent: str, expected: int) -> None:
    assert cents(sale(value), terms(default_rate=Rate("percentage", Decimal(per_cent)))) == expected


@pytest.mark.parametrize(("exponent", "expected"), [(0, 5), (2, 500), (3, 5000)])
def test_r8_flat_is_independent_of_the_value_in_any_currency(exponent: int, expected: int) -> None:
    flat = terms(default_rate=Rate("flat", Decimal("5.00")))
    assert cents(sale(0, exponent=exponent), flat) == cents(sale(10**9, exponent=exponent), flat) == expected


def test_r1_an_event_that_is_not_commissionable_earns_nothing() -> None:
    given = terms(is_commissionable=False, rules=[rule(1, {}, {"bonus_flat": 5})])
    assert cents(sale(10_000), given) == 0


TIERS = (
    Tier(1, "Bronze", Decimal(0), Rate("percentage", Decimal(5)), None),
    Tier(2, "Silver", Decimal(1000), Rate("percentage", Decimal(7)), 9),
    Tier(3, "Gold", Decimal(5000), Rate("flat", Decimal("12.50")), None),
)


@pytest.mark.parametrize(
    ("revenue", "expected", "reward"),
    [(0, 500, None), (99_950, 500, None), (100_000, 700, 9), (500_000, 1250, None), (10**9, 1250, None)],
)
def test_r9_r12_a6_tier_by_revenue_half_open(revenue: int, expected: int, reward: int | None) -> None:
    priced = price(sale(10_000), Earner(7, revenue=revenue), terms(default_rate=None, tiers=TIERS))
    assert (priced.amount, priced.reward_id) == (expected, reward)


def test_r13_campaign_beats_event_type_which_serves_where_the_campaign_has_none() -> None:
    event_rate = Rate("flat", Decimal(3))
    assert cents(sale(10_000), terms(event_rate=event_rate)) == 1000
    assert cents(sale(10_000), terms(default_rate=None, event_rate=event_rate)) == 300
    assert cents(sale(10_000), terms(default_rate=None)) == 0


def test_r14_override_beats_the_campaign() -> None:
    assert cents(sale(10_000), terms(), overrides=[override(1, "20")]) == 2000


def test_r15_r16_an_override_of_the_type_beats_one_of_all_types() -> None:
    both = [override(1, "20"), override(2, "30", SALE_TYPE)]
    assert cents(sale(10_000), terms(), overrides=both) == 3000
    assert cents(sale(10_000, event_type_id=OTHER_TYPE), terms(), overrides=both) == 2000


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        (DECEMBER, None, 2000),
        (DECEMBER + timedelta(microseconds=1), None, 1000),
        (LONG_AGO, DECEMBER, 1000),
        (LONG_AGO, DECEMBER + timedelta(microseconds=1), 2000),
    ],
)
def test_r17_validity_is_half_open(begins: datetime, ends: datetime | None, expected: int) -> None:
    given = [override(1, "20", valid_from=begins, valid_until=ends)]
    assert cents(sale(10_000), terms(), overrides=given) == expected
    ruled = rule(1, {}, {"commission_type": "percentage", "commission_value": 20})
    assert cents(sale(10_000), terms(rules=[ruled._replace(valid_from=begins, valid_until=ends)])) == expected


def test_r20_the_partner_tier_alters_the_rate_by_a_rule_and_an_override_still_wins() -> None:
    gold = rule(1, {"partner_tiers": ["gold"]}, {"commission_type": "percentage", "commission_value": 12})
    assert cents(sale(10_000), terms(rules=[gold]), tier="gold") == 1200
    assert cents(sale(10_000), terms(rules=[gold]), tier="silver") == 1000
    assert cents(sale(10_000), terms(rules=[gold]), tier="gold", overrides=[override(1, "20")]) == 2000


def test_r20_a_table_of_partner_tiers_stands_in_for_the_default_only() -> None:
    rates = [PartnerTierRate(1, "gold", Rate("percentage", Decimal(12)))]
    given = terms(partner_tier_rates=rates, event_rate=Rate("flat", Decimal(1)))
    assert cents(sale(10_000), given, tier="gold") == 1200
    assert cents(sale(10_000), given, tier="silver") == 1000
    assert cents(sale(10_000), given, tier="gold", overrides=[override(1, "20")]) == 2000
    rate = rule(1, {}, {"commission_type": "percentage", "commission_value": 15})
    assert cents(sale(10_000), given._replace(rules=[rate]), tier="gold") == 1500
    assert outcome_of(price(sale(10_000), Earner(7, "gold"), given)) == {
        "partner_tier 1": "won",
        "campaign 1": "beaten_by_partner_tier",
        "event_type 6": "beaten_by_partner_tier",
    }
    assert outcome_of(price(sale(10_000), Earner(7), given))["partner_tier 1"] == "other_partner_tier"


def test_a5_each_rate_beats_all_that_come_after_it() -> None:
    """Override of the type, override of all, rule, tier or the partner's own tier, campaign, event type."""
    rate = rule(1, {}, {"commission_type": "percentage", "commission_value": 15})
    given = terms(
        rules=[rate],
        partner_tier_rates=[PartnerTierRate(1, "gold", Rate("percentage", Decimal(12)))],
        event_rate=Rate("percentage", Decimal(1)),
    )
    overrides = [override(1, "20"), override(2, "30", SALE_TYPE)]
    earned = [cents(sale(10_000), given, tier="gold", overrides=overrides)]
    earned.append(cents(sale(10_000), given, tier="gold", overrides=overrides[:1]))
    earned.append(cents(sale(10_000), given, tier="gold"))
    earned.append(cents(sale(10_000), given._replace(rules=[]), tier="gold"))
    earned.append(cents(sale(10_000), given._replace(rules=[])))
    earned.append(cents(sale(10_000), given._replace(rules=[], default_rate=None)))
    assert earned == [3000, 2000, 1500, 1200, 1000, 100]


def test_r21_rules_are_tried_in_order_of_their_numbers() -> None:
    late, early = rule(9, {}, {"bonus_flat": 1}), rule(4, {}, {"bonus_flat": 2})
    assert cents(sale(10_000), terms(rules=[late, early])) == 1200


def test_r22_all_conditions_must_hold_and_an_unknown_one_never_does() -> None:
    bonus = {"bonus_flat": 1}
    assert cents(sale(10_000), terms(rules=[rule(1, {}, bonus)])) == 1100
    half = rule(1, {"min_event_value": 50, "event_types": ["signup"]}, bonus)
    assert cents(sale(10_000), terms(rules=[half])) == 1000
    assert cents(sale(10_000), terms(rules=[rule(1, {"phase_of_moon": "full"}, bonus)])) == 1000


@pytest.mark.parametrize(
    ("condition", "fields", "holds"),
    [
        ({"date_range": {"start": "2024-12-10"}}, {}, True),
        ({"date_range": {"end": "2024-12-09"}}, {}, False),
        ({"date_range": {"end": "2024-12-10"}}, {"occurred_at": DECEMBER + timedelta(hours=23)}, True),
        ({"date_range": {"end": "2024-12-10"}}, {"occurred_at": DECEMBER + timedelta(hours=24)}, False),
        ({"min_event_value": "100.00"}, {}, True),
        ({"min_event_value": "100.01"}, {}, False),
        ({"customer_lifetime_value_min": 1000}, {"lifetime_value": 100_000}, True),
        ({"customer_lifetime_value_min": 1000}, {"lifetime_value": 99_999}, False),
        ({"event_types": ["sale"]}, {}, True),
        ({"is_first_purchase": True}, {"is_first_purchase": True}, True),
        ({"is_first_purchase": False}, {"is_first_purchase": True}, False),
        ({"partner_tiers": ["standard"]}, {}, True),
    ],
)
def test_r23_conditions(condition: dict[str, Any], fields: dict[str, Any], holds: bool) -> None:
    given = terms(rules=[rule(1, condition, {"bonus_flat": 1})])
    assert cents(sale(10_000, **fields), given) == (1100 if holds else 1000)


def test_r24_r25_base_then_multiplier_then_bonus() -> None:
    assert cents(sale(10_000), terms(rules=[HOLIDAY])) == 2500


def test_r26_the_minimum_is_not_met() -> None:
    assert cents(sale(9_999), terms(rules=[HOLIDAY])) == 1000


def test_r27_a_rule_may_replace_the_rate() -> None:
    november = DECEMBER - timedelta(days=30)
    sold = sale(10_000, occurred_at=november, lifetime_value=100_000)
    assert cents(sold, terms(rules=SEED_RULES)) == 1500


@pytest.mark.parametrize(("mode", "expected"), [("first", 4000), ("sum", 6500)])
def test_r28_a4_first_match_or_sum(mode: str, expected: int) -> None:
    sold = sale(20_000, is_first_purchase=True)
    assert cents(sold, terms(rules=SEED_RULES, rule_mode=mode), tier="gold") == expected


def test_a4_in_a_sum_the_first_rate_counts_and_multipliers_multiply() -> None:
    rules = [
        rule(1, {}, {"commission_multiplier": "1.5"}),
        rule(2, {}, {"commission_type": "flat", "commission_value": "8", "commission_multiplier": 2}),
        rule(3, {}, {"commission_type": "flat", "commission_value": "99"}),
    ]
    priced = price(sale(10_000), Earner(7), terms(rules=rules, rule_mode="sum"))
    assert (priced.amount, priced.effect.rule_ids) == (2400, (1, 2, 3))


def test_a5_an_override_beats_the_rate_of_a_rule_and_takes_its_bonus_unless_told_not_to() -> None:
    both = rule(1, {}, {"commission_type": "percentage", "commission_value": 15, "bonus_flat": 5})
    given = terms(rules=[both])
    assert cents(sale(10_000), given, overrides=[override(1, "20")]) == 2500
    alone = given._replace(is_rules_on_overrides=False)
    assert cents(sale(10_000), alone, overrides=[override(1, "20")]) == 2000
    assert cents(sale(10_000), alone) == 2000


def test_a5_a_rule_beats_a_tier() -> None:
    fixed = rule(1, {}, {"commission_type": "flat", "commission_value": 1})
    assert cents(sale(10_000), terms(default_rate=None, tiers=TIERS, rules=[fixed])) == 100


def test_r29_every_rate_considered_says_why_it_won_or_lost() -> None:
    rules = [LOYAL, rule(5, {}, {"bonus_flat": 1}), rule(6, {}, {"bonus_flat": 1})]
    given = terms(rules=rules, event_rate=Rate("flat", Decimal(1)))
    overrides = [override(1, "20"), override(2, "30", OTHER_TYPE), override(3, "9", valid_until=DECEMBER)]
    priced = price(sale(10_000), Earner(7, overrides=overrides), given)
    assert priced.rate == Rate("percentage", Decimal(20))
    assert outcome_of(priced) == {
        "override 2": "other_event_type",
        "override 1": "won",
        "override 3": "not_valid_then",
        "rule 2": "condition_customer_lifetime_value_min",
        "rule 5": "adds_to_the_rate",
        "rule 6": "an_earlier_rule_matched",
        "campaign 1": "beaten_by_override",
        "event_type 6": "beaten_by_override",
    }


def test_a3_pool_and_per_partner_on_the_same_journey() -> None:
    partners, linear = [1, 2, 1], {"linear": (1, 1, 1), "first_click": (1, 0, 0)}
    priced = {
        1: price(sale(10_000), Earner(1, overrides=[override(1, "20")]), terms()),
        2: price(sale(10_000), Earner(2), terms()),
    }
    assert allocate(priced[1].amount, linear["linear"]) == [667, 667, 666]
    pool = pool_of_partners("linear", linear, partners, priced)
    assert pool.amount == 1667
    assert allocate(pool.amount, pool.weights["linear"]) == [667, 333, 667]
    assert allocate(pool.amount, pool.weights["first_click"]) == [1667, 0, 0]


def test_per_partner_still_splits_where_the_rates_of_a_model_are_zero() -> None:
    free, paid = price(sale(100), Earner(1), terms(default_rate=None)), price(sale(100), Earner(2), terms())
    weights = {"last_click": (0, 1), "first_click": (1, 0)}
    pool = pool_of_partners("last_click", weights, [1, 2], {1: free, 2: paid})
    assert (pool.amount, allocate(pool.amount, pool.weights["first_click"])) == (10, [10, 0])
