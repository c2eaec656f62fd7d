"""Puts money to a decided journey: the commission, its split under all five models, each partner's credit. Pure.

Comes in: a `Decision`, the catalogue of terms, what the customer and the partners sold before. Goes out: a `Result`,
ready to be written, with the terms that made it frozen as JSON. Refunds later split by the same frozen terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from attribution.allocation import allocate, integer_weights
from attribution.commission import Considered, Earner, Priced, pool_of_partners, price
from attribution.conversion_rows import Conversion, least
from attribution.decision import Decision, journey_of
from attribution.models import STORED, Journey, shares
from attribution.rules import Rate, Sale
from attribution.terms import Catalogue
from attribution.touch_rows import Split, Touch

LOW_CONFIDENCE = "low_confidence"
"""Why a conversion is held whose match is little more than a guess."""
_BY_LENGTH = frozenset(STORED) - {"time_decay"}
"""Models whose weights depend on nothing but the number of touches."""


class Past(NamedTuple):
    """What had happened before a sale, where its price depends on that. Money in minor units."""

    lifetime_value: int = 0
    is_first_purchase: bool = False
    revenues: Mapping[tuple[int, int], int] = {}
    """By (campaign, partner)."""


class Credit(NamedTuple):
    """What one partner earns."""

    partner_id: int
    version_id: int
    amount: int
    touches: int


class Result(NamedTuple):
    """Everything to write about one conversion. No touches: nobody earns."""

    decision: Decision
    amount: int = 0
    rate: Rate | None = None
    rule_id: int | None = None
    reward_id: int | None = None
    confidence: str = "high"
    splits: Sequence[Split] = ()
    credits: Sequence[Credit] = ()
    terms: Mapping[str, Any] = {}
    lead_id: int | None = None
    is_counted_pending: bool = False
    """Whether milestones count it before it is approved."""


def earners(decision: Decision, catalogue: Catalogue) -> dict[int, int]:
    """The partners whose rates are asked for, with the version that has them."""
    primary = decision.primary
    assert primary is not None
    if catalogue.versions[primary.campaign_version_id].pricing == "pool":
        return {primary.partner_id: primary.campaign_version_id}
    return {touch.partner_id: touch.campaign_version_id for touch in decision.touches}


def price_decision(decision: Decision, catalogue: Catalogue, past: Past) -> Result:
    """The result of one decided conversion."""
    conversion, touches = decision.conversion, decision.touches
    primary = decision.primary
    if primary is None:
        return Result(decision, confidence=conversion.confidence)
    version = catalogue.versions[primary.campaign_version_id]
    priced = {
        partner_id: _priced(conversion, catalogue, past, partner_id, version_id)
        for partner_id, version_id in earners(decision, catalogue).items()
    }
    journey = journey_of(touches, decision.half_life_ms)
    weights = {name: STORED[name](journey) for name in STORED}
    amount, split_by = priced[primary.partner_id].amount, weights
    if version.pricing == "per_partner":
        amount, split_by = pool_of_partners(decision.model, weights, journey.partner_ids, priced)
    splits = split(amount, weights, split_by)
    won = priced[primary.partner_id]
    credited = [
        touch.confidence for touch, weight in zip(touches, weights[decision.model], strict=True) if weight
    ]
    confidence = least([conversion.confidence, *credited])
    if confidence == "low":
        decision = decision._replace(holds=(*decision.holds, LOW_CONFIDENCE))
    return Result(
        decision,
        amount,
        won.rate if conversion.is_commissionable else None,
        next(iter(won.effect.rule_ids), None),
        won.reward_id,
        confidence,
        splits,
        credits_of(
            touches,
            weights[decision.model],
            next(one.values for one in splits if one.model == decision.model),
        ),
        _frozen(decision, catalogue, past, priced),
        is_counted_pending=version.is_pending_counted,
    )


def split(
    amount: int, weights: Mapping[str, Sequence[int]], split_by: Mapping[str, Sequence[int]]
) -> list[Split]:
    """The amount under each model."""
    return [
        Split(
            name,
            _shares_of(name, len(own)) if name in _BY_LENGTH else shares(own),
            allocate(amount, split_by[name]),
        )
        for name, own in weights.items()
    ]


def frozen_weights(
    touches: Sequence[Touch], terms: Mapping[str, Any]
) -> tuple[dict[str, Sequence[int]], dict[str, Sequence[int]]]:
    """The weights a recorded conversion was split by: those of the models, and those with the partners' rates."""
    journey = journey_of(touches, int(terms["half_life_ms"]))
    weights = {name: STORED[name](journey) for name in STORED}
    if terms["pricing"] != "per_partner":
        return weights, weights
    partners = {int(number): Fraction(one["exact"]) for number, one in terms["partners"].items()}
    rates = integer_weights([partners[partner_id] for partner_id in journey.partner_ids])
    rated = {
        name: [weight * rate for weight, rate in zip(own, rates, strict=True)]
        for name, own in weights.items()
    }
    return weights, {name: rated[name] if any(rated[name]) else weights[name] for name in weights}


def credits_of(touches: Sequence[Touch], weights: Sequence[int], values: Sequence[int]) -> list[Credit]:
    """The paying model's values by partner, in the order of their first touches; who weighs nothing has no credit."""
    weighty = {touch.partner_id for touch, weight in zip(touches, weights, strict=True) if weight}
    earned: dict[int, Credit] = {}
    for touch, value in zip(touches, values, strict=True):
        if touch.partner_id not in weighty:
            continue
        known = earned.get(touch.partner_id)
        amount, count = (known.amount, known.touches) if known else (0, 0)
        earned[touch.partner_id] = Credit(
            touch.partner_id, touch.campaign_version_id, amount + value, count + 1
        )
    return list(earned.values())


def _priced(
    conversion: Conversion, catalogue: Catalogue, past: Past, partner_id: int, version_id: int
) -> Priced:
    version = catalogue.versions[version_id]
    sale = Sale(
        conversion.value,
        conversion.exponent,
        conversion.event,
        conversion.event_type_id,
        conversion.occurred_at,
        past.lifetime_value,
        past.is_first_purchase,
    )
    earner = Earner(
        partner_id,
        partner_tier(conversion, catalogue, partner_id),
        past.revenues.get((version.campaign_id, partner_id), 0),
        catalogue.overrides(version_id, partner_id, conversion.priced_at),
    )
    return price(sale, earner, catalogue.terms(version_id, conversion))


def partner_tier(conversion: Conversion, catalogue: Catalogue, partner_id: int) -> str:
    """The partner's tier when the conversion was first priced: a later change touches later conversions only."""
    frozen = conversion.terms.get("partners", {}).get(str(partner_id))
    return frozen["tier"] if frozen else catalogue.partner_tiers.get(partner_id, "standard")


@lru_cache(4096)
def _shares_of(name: str, touches: int) -> Sequence[int]:
    return tuple(shares(STORED[name](Journey(range(touches), range(touches)))))


def _frozen(
    decision: Decision, catalogue: Catalogue, past: Past, priced: Mapping[int, Priced]
) -> dict[str, Any]:
    """The terms as they are kept with the conversion."""
    versions = earners(decision, catalogue)
    conversion, primary = decision.conversion, decision.primary
    assert primary is not None
    version = catalogue.versions[primary.campaign_version_id]
    return {
        "model": decision.model,
        "half_life_ms": decision.half_life_ms,
        "pricing": version.pricing,
        "rule_mode": version.rule_mode,
        "flat_refund": version.flat_refund,
        "hold_days": version.hold_days,
        "lifetime_value": past.lifetime_value,
        "is_first_purchase": past.is_first_purchase,
        "partners": {
            str(partner_id): {
                "version_id": versions[partner_id],
                "tier": partner_tier(conversion, catalogue, partner_id),
                "revenue": past.revenues.get(
                    (catalogue.versions[versions[partner_id]].campaign_id, partner_id), 0
                ),
            }
            | _frozen_price(one)
            for partner_id, one in priced.items()
        },
    }


def _frozen_price(priced: Priced) -> dict[str, Any]:
    return {
        "exact": str(priced.exact),
        "type": priced.rate.type,
        "value": str(priced.rate.value),
        "multiplier": str(priced.effect.multiplier),
        "bonus": str(priced.effect.bonus),
        "rules": priced.effect.rule_ids,
        "reward_id": priced.reward_id,
        "considered": [_frozen_rate(one) for one in priced.considered],
    }


def _frozen_rate(one: Considered) -> dict[str, Any]:
    return {
        "source": one.source,
        "id": one.id,
        "label": one.label,
        "type": one.rate.type if one.rate else None,
        "value": str(one.rate.value) if one.rate else None,
        "reason": one.reason,
    }
