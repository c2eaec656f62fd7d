"""Commission rules: whether one's conditions hold for a sale, and what its actions add up to. Pure.

Comes in: rules as stored, a sale and its partner. Goes out: the effect of those that match, in order of their
numbers, and why each other one does not. `commission` combines the effect with the base rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple


class Rate(NamedTuple):
    """A percentage (10 is 10 % of the sale) or a flat amount in the currency's own units."""

    type: str
    value: Decimal

    def of(self, value: int, exponent: int) -> Fraction:
        """What it makes of a sale of `value` minor units, in minor units, not rounded."""
        if self.type == "percentage":
            return Fraction(self.value) * value / 100
        return Fraction(self.value) * Fraction(10**exponent)


class Sale(NamedTuple):
    """What prices a conversion, besides its partner. Money in minor units of a currency with `exponent` decimals."""

    value: int
    exponent: int
    event: str
    event_type_id: int
    occurred_at: datetime
    lifetime_value: int = 0
    """What the customer had bought before this sale."""
    is_first_purchase: bool = False


class Rule(NamedTuple):
    """A row of commission_rules that is active, not deleted and of this version (or of all)."""

    commission_rule_id: int
    name: str
    conditions: Mapping[str, Any]
    actions: Mapping[str, Any]
    valid_from: datetime
    valid_until: datetime | None


class Effect(NamedTuple):
    """What the matching rules do together."""

    rate: Rate | None = None
    multiplier: Decimal = Decimal(1)
    bonus: Decimal = Decimal(0)
    rule_ids: tuple[int, ...] = ()
    rate_rule_id: int | None = None


NO_EFFECT = Effect()


def mismatch(rule: Rule, sale: Sale, partner_tier: str) -> str | None:
    """The first condition of the rule that does not hold, None when all do."""
    if not is_valid_at(sale.occurred_at, rule.valid_from, rule.valid_until):
        return "validity"
    for name, wanted in rule.conditions.items():
        holds = _CONDITIONS.get(name)
        # A condition this version does not know can only have come past the API: it is never silently true.
        if holds is None or not holds(wanted, sale, partner_tier):
            return name
    return None


def effect_of(rules: Sequence[Rule], sale: Sale, partner_tier: str, mode: str) -> Effect:
    """What the matching rules do: the first alone, or (mode `sum`) all, of which the first with a rate sets it."""
    effect = NO_EFFECT
    for rule in sorted(rules, key=lambda rule: rule.commission_rule_id):
        if mismatch(rule, sale, partner_tier) is None:
            effect = _add(effect, rule)
            if mode == "first":
                break
    return effect


def is_valid_at(moment: datetime, valid_from: datetime, valid_until: datetime | None) -> bool:
    """Half-open: the last moment belongs to the successor."""
    return valid_from <= moment and (valid_until is None or moment < valid_until)


def _add(effect: Effect, rule: Rule) -> Effect:
    actions = rule.actions
    rate, rate_rule_id = effect.rate, effect.rate_rule_id
    if rate is None and actions.get("commission_type") is not None:
        rate = Rate(actions["commission_type"], Decimal(str(actions["commission_value"])))
        rate_rule_id = rule.commission_rule_id
    return Effect(
        rate,
        effect.multiplier * Decimal(str(actions.get("commission_multiplier", 1))),
        effect.bonus + Decimal(str(actions.get("bonus_flat", 0))),
        (*effect.rule_ids, rule.commission_rule_id),
        rate_rule_id,
    )


def _in_dates(wanted: Mapping[str, str | None], sale: Sale, _tier: str) -> bool:
    """Whole days in UTC, the last one included."""
    start, end = wanted.get("start"), wanted.get("end")
    if start and sale.occurred_at < _midnight(date.fromisoformat(start)):
        return False
    return not end or sale.occurred_at < _midnight(date.fromisoformat(end) + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _at_least(value: int, exponent: int, wanted: Any) -> bool:
    return Decimal(value).scaleb(-exponent) >= Decimal(str(wanted))


Condition = Callable[[Any, Sale, str], bool]
_CONDITIONS: dict[str, Condition] = {
    "date_range": _in_dates,
    "min_event_value": lambda wanted, sale, _: _at_least(sale.value, sale.exponent, wanted),
    "customer_lifetime_value_min": lambda wanted, sale, _: _at_least(
        sale.lifetime_value, sale.exponent, wanted
    ),
    "event_types": lambda wanted, sale, _: sale.event in wanted,
    "is_first_purchase": lambda wanted, sale, _: sale.is_first_purchase is wanted,
    "partner_tiers": lambda wanted, _, tier: tier in wanted,
}
NEEDS_HISTORY = frozenset({"customer_lifetime_value_min", "is_first_purchase"})
"""Conditions that depend on what the customer bought before."""
