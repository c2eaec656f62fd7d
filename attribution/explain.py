"""Why a conversion came out as it did: every candidate click, in or out, and every rate, won or lost.

The API calls `load_explanation` on a connection of the engine, after it has looked whether the caller may see the
conversion. Candidates are found and judged by the same code that attributed them; rates are those frozen with the
conversion, so rules and overrides deleted since still explain it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from attribution.candidates import find_candidates
from attribution.conversion_rows import Conversion, conversion_of
from attribution.decision import Decision, Found, Judged, decide, follows
from attribution.eligibility import MEANING, Verdict
from attribution.moments import click_micros, moment_of
from attribution.outcome_body import SQL, load_outcomes, moment_text
from attribution.settlement import load_parents, load_terms
from attribution.terms import SQL as READ
from attribution.terms import Catalogue, Connection
from schema.money import amount_text

LATE = "late_click_ignored"
LATE_MEANING = "came after the conversion had been approved"
REASONS = {
    "won": "priced the conversion",
    "not_commissionable": "the event type earns nothing",
    "other_event_type": "is for another event type",
    "not_valid_then": "was not in force when the conversion happened",
    "adds_to_the_rate": "matched, and adds to the rate instead of replacing it",
    "an_earlier_rule_matched": "matched, but an earlier rule had matched already",
    "revenue_below": "needs more revenue in the month than the partner had",
    "revenue_above": "a higher tier was reached",
    "other_partner_tier": "is for partners of another tier",
    "tiered": "the campaign pays by tiers",
    "none": "the event type has no rate of its own",
}
"""Each reason of a rate as the end of a sentence; `condition_…` and `beaten_by_…` explain themselves."""


async def load_explanation(connection: Connection, number: int) -> dict[str, Any] | None:
    """The explanation of one conversion, None where there is none."""
    row = next(iter(await connection.fetch(READ["conversions"], [number])), None)
    outcome = (await load_outcomes(connection, [number])).get(number)
    if row is None or outcome is None:
        return None
    conversion = conversion_of(row)
    now: datetime = await connection.fetchval(READ["transaction_time"])
    decision = await _decide_again(connection, conversion, now)
    touched = {touch["click_id"] for rows in outcome["touches"].values() for touch in rows}
    links = await _codes(connection, [one.found for one in decision.judged])
    return {
        **outcome,
        "matched_by": (await connection.fetch(SQL["outcomes"], [number]))[0]["matched_by"],
        "occurred_at": moment_text(conversion.occurred_at),
        "recorded_at": moment_text(conversion.recorded_at),
        "waits_until": moment_text(row["waits_until"]),
        "hold_reason": row["hold_reason"],
        "candidates": [_candidate(one, conversion, touched, links) for one in decision.judged],
        "rates": rates_of(conversion.terms),
        "terms": {name: conversion.terms.get(name) for name in _TERMS if name in conversion.terms},
        "adjustments": await _adjustments(connection, number),
    }


_TERMS = (
    *("model", "half_life_ms", "pricing", "rule_mode", "flat_refund", "hold_days", "lifetime_value"),
    "is_first_purchase",
)


async def _decide_again(connection: Connection, conversion: Conversion, now: datetime) -> Decision:
    """The decision with every candidate, those that cannot earn included."""
    candidates = await find_candidates(connection, [conversion], is_every=True)
    parents = await load_parents(connection, [conversion])
    catalogue = Catalogue(now)
    coupons = await load_terms(connection, [conversion], candidates, parents, catalogue)
    found = candidates.found[0].values()
    decision = decide(conversion, found, catalogue, coupons.get(0), None)
    is_aside = 0 in parents and follows(conversion, parents[0], catalogue)
    return decision._replace(judged=_aside(decision.judged)) if is_aside else decision


def _aside(judged: Sequence[Judged]) -> list[Judged]:
    """A renewal follows its first sale: its own clicks never earn."""
    return [
        one._replace(verdict=Verdict.FIRST_SALE_COUNTS) if one.verdict is Verdict.ELIGIBLE else one
        for one in judged
    ]


async def _codes(connection: Connection, found: Iterable[Found]) -> dict[int, str]:
    wanted = sorted({one.partner_link_id for one in found})
    return {row[0]: row[1] for row in await connection.fetch(SQL["names_of_links"], wanted)}


def _candidate(
    judged: Judged, conversion: Conversion, touched: set[str | None], links: Mapping[int, str]
) -> dict[str, Any]:
    found, verdict = judged
    is_late = verdict is Verdict.ELIGIBLE and conversion.is_final and str(found.click_id) not in touched
    return {
        "click_id": str(found.click_id),
        "clicked_at": moment_text(moment_of(click_micros(found.click_id))),
        "partner_id": found.partner_id,
        "campaign_version_id": found.version_id,
        "code": links.get(found.partner_link_id),
        "click_class": found.click_class,
        "matched_by": found.matched_by,
        "confidence": found.confidence,
        "is_in": verdict is Verdict.ELIGIBLE and not is_late,
        "verdict": LATE if is_late else str(verdict),
        "why": f"The click {LATE_MEANING if is_late else MEANING[verdict]}.",
    }


def rates_of(terms: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every rate considered, partner by partner, and what came of it."""
    return [
        {
            "partner_id": int(partner_id),
            "version_id": partner["version_id"],
            "partner_tier": partner["tier"],
            "revenue_before": partner["revenue"],
            "type": partner["type"],
            "value": partner["value"],
            "multiplier": partner["multiplier"],
            "bonus": partner["bonus"],
            "rule_ids": partner["rules"],
            "considered": [
                {name: one[name] for name in ("source", "id", "label", "type", "value", "reason")}
                | {"is_winner": one["reason"] == "won", "why": _why(one["reason"])}
                for one in partner["considered"]
            ],
        }
        for partner_id, partner in sorted(terms.get("partners", {}).items())
    ]


def _why(reason: str) -> str:
    if reason.startswith("condition_"):
        return f"its condition {reason.removeprefix('condition_')} does not hold"
    if reason.startswith("beaten_by_"):
        return f"gives way to the rate of the {reason.removeprefix('beaten_by_').replace('_', ' ')}"
    return REASONS[reason]


async def _adjustments(connection: Connection, number: int) -> list[dict[str, Any]]:
    return [
        {
            "conversion_id": row["conversion_id"],
            "adjustment_key": row["adjustment_key"],
            "amount": amount_text(row["event_value"], row["currency"]),
            "commission": amount_text(row["commission_amount"], row["currency"]),
            "status": row["status"],
            "occurred_at": moment_text(row["occurred_at"]),
            "refund": orjson.loads(row["metadata"] or "{}").get("refund"),
        }
        for row in await connection.fetch(SQL["outcome_adjustments"], [number])
    ]
