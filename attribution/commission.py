"""What a conversion earns: which of all rates prices it, what rules add, one rounding. Pure.

Comes in: the sale, the partner, the terms of the version. Goes out: the exact commission in minor units with the
whole list of rates considered and why each won or lost, which is frozen with the conversion and shown by `explain`.
Order of precedence (A5): override of the event type, override of all types, rule, tier, the campaign's rate for the
partner's own tier, campaign, event type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from attribution.allocation import integer_weights, round_half_away
from attribution.rules import NO_EFFECT, Effect, Rate, Rule, Sale, effect_of, is_valid_at, mismatch


class Override(NamedTuple):
    """A rate agreed with one partner; `event_type_id` None means all types."""

    override_id: int
    event_type_id: int | None
    rate: Rate
    valid_from: datetime
    valid_until: datetime | None


class Tier(NamedTuple):
    """A rate from `min_amount` of a partner's revenue in the period upwards, until the next tier begins."""

    tier_id: int
    label: str
    min_amount: Decimal
    rate: Rate
    reward_id: int | None


class PartnerTierRate(NamedTuple):
    """What a campaign pays partners of one tier instead of its default (requirement 20)."""

    rate_id: int
    partner_tier: str
    rate: Rate


class Terms(NamedTuple):
    """What a campaign version promises."""

    version_id: int
    default_rate: Rate | None
    """None: tiered."""
    tiers: Sequence[Tier] = ()
    rules: Sequence[Rule] = ()
    rule_mode: str = "first"
    is_rules_on_overrides: bool = True
    event_rate: Rate | None = None
    """The event type's default, for where the campaign has none."""
    is_commissionable: bool = True
    partner_tier_rates: Sequence[PartnerTierRate] = ()


class Earner(NamedTuple):
    """The partner whose rate is asked for."""

    partner_id: int
    tier: str = "standard"
    revenue: int = 0
    """Minor units sold in this period before this sale; decides the tier of a tiered campaign."""
    overrides: Sequence[Override] = ()


class Considered(NamedTuple):
    """One rate that might have priced the conversion."""

    source: str
    id: int | None
    rate: Rate | None
    reason: str
    """`won`, or why not."""
    label: str | None = None


class Priced(NamedTuple):
    """A commission before rounding, and how it came about."""

    exact: Fraction
    rate: Rate
    effect: Effect
    reward_id: int | None
    considered: tuple[Considered, ...]

    @property
    def amount(self) -> int:
        """Minor units, rounded once, half away from zero."""
        return round_half_away(self.exact)


NOTHING = Rate("percentage", Decimal(0))


def price(sale: Sale, earner: Earner, terms: Terms) -> Priced:
    """What this partner's rate makes of the sale."""
    if not terms.is_commissionable:
        reason = Considered("event_type", sale.event_type_id, None, "not_commissionable", sale.event)
        return Priced(Fraction(0), NOTHING, NO_EFFECT, None, (reason,))
    effect = effect_of(terms.rules, sale, earner.tier, terms.rule_mode)
    listed = [
        *_overrides(sale, earner),
        *_rules(sale, earner, terms, effect),
        *_tiers(sale, earner, terms),
        *_partner_tier_rates(earner, terms),
        _plain("campaign", terms.version_id, terms.default_rate, "tiered"),
        _plain("event_type", sale.event_type_id, terms.event_rate, "none"),
    ]
    considered = _with_winner(listed)
    winner = next((entry for entry in considered if entry.reason == "won"), None)
    rate = winner.rate if winner is not None and winner.rate is not None else NOTHING
    if winner is not None and winner.source == "override" and not terms.is_rules_on_overrides:
        effect = NO_EFFECT
    exact = rate.of(sale.value, sale.exponent) * Fraction(effect.multiplier)
    exact += Fraction(effect.bonus) * 10**sale.exponent
    return Priced(exact, rate, effect, _reward(winner, terms), tuple(considered))


def _with_winner(listed: Sequence[Considered]) -> list[Considered]:
    """The first applicable one won; those after it lost to it."""
    considered = []
    winner = None
    for entry in listed:
        if entry.reason:
            considered.append(entry)
        elif winner is None:
            winner = entry
            considered.append(entry._replace(reason="won"))
        else:
            considered.append(entry._replace(reason=f"beaten_by_{winner.source}"))
    return considered


def _overrides(sale: Sale, earner: Earner) -> list[Considered]:
    """Those of the event type first, then those of all types."""
    listed = []
    for override in sorted(earner.overrides, key=lambda one: (one.event_type_id is None, one.override_id)):
        reason = ""
        if override.event_type_id not in (None, sale.event_type_id):
            reason = "other_event_type"
        elif not is_valid_at(sale.occurred_at, override.valid_from, override.valid_until):
            reason = "not_valid_then"
        listed.append(Considered("override", override.override_id, override.rate, reason))
    return listed


def _rules(sale: Sale, earner: Earner, terms: Terms, effect: Effect) -> list[Considered]:
    """Every rule; only the one whose rate counts can win as a rate, the others say what they added."""
    listed = []
    for rule in sorted(terms.rules, key=lambda rule: rule.commission_rule_id):
        rule_id = rule.commission_rule_id
        failed = mismatch(rule, sale, earner.tier)
        if failed is not None:
            reason = f"condition_{failed}"
        elif rule_id == effect.rate_rule_id:
            reason = ""
        elif rule_id in effect.rule_ids:
            reason = "adds_to_the_rate"
        else:
            reason = "an_earlier_rule_matched"
        rate = effect.rate if rule_id == effect.rate_rule_id else None
        listed.append(Considered("rule", rule_id, rate, reason, rule.name))
    return listed


def _tiers(sale: Sale, earner: Earner, terms: Terms) -> list[Considered]:
    """The highest tier whose minimum is not above the partner's revenue applies."""
    revenue = Decimal(earner.revenue).scaleb(-sale.exponent)
    reached = [tier for tier in terms.tiers if tier.min_amount <= revenue]
    best = max(reached, key=lambda tier: tier.min_amount, default=None)
    return [
        Considered(
            "tier", tier.tier_id, tier.rate, "" if tier is best else _tier_reason(tier, best), tier.label
        )
        for tier in terms.tiers
    ]


def _tier_reason(tier: Tier, best: Tier | None) -> str:
    return "revenue_below" if best is None or tier.min_amount > best.min_amount else "revenue_above"


def _partner_tier_rates(earner: Earner, terms: Terms) -> list[Considered]:
    """Those of other tiers are listed too, to be explained."""
    return [
        Considered(
            "partner_tier",
            one.rate_id,
            one.rate,
            "" if one.partner_tier == earner.tier else "other_partner_tier",
            one.partner_tier,
        )
        for one in terms.partner_tier_rates
    ]


def _plain(source: str, number: int, rate: Rate | None, without: str) -> Considered:
    return Considered(source, number, rate, "" if rate is not None else without)


def _reward(winner: Considered | None, terms: Terms) -> int | None:
    if winner is None or winner.source != "tier":
        return None
    return next(tier.reward_id for tier in terms.tiers if tier.tier_id == winner.id)


class Pool(NamedTuple):
    """A conversion's whole commission in minor units, and one weight a touch for each model to split it by."""

    amount: int
    weights: dict[str, Sequence[int]]


def pool_of_partners(
    model: str,
    weights: Mapping[str, Sequence[int]],
    partner_ids: Sequence[int],
    priced: Mapping[int, Priced],
) -> Pool:
    """`per_partner` pricing: each touch at its partner's rate, the total by the paying model rounded once.

    All models split that same total, each by its own weights times the partners' rates; a model whose weight lies
    only with partners that earn nothing splits by its weights alone.
    """
    rates = integer_weights([priced[partner].exact for partner in partner_ids])
    rated = {
        name: [share * rate for share, rate in zip(shares, rates, strict=True)]
        for name, shares in weights.items()
    }
    paying = weights[model]
    exact = sum(
        (share * priced[partner].exact for share, partner in zip(paying, partner_ids, strict=True)),
        Fraction(),
    ) / sum(paying)
    return Pool(
        round_half_away(exact), {name: rated[name] if any(rated[name]) else weights[name] for name in weights}
    )
