"""Writes the results of a batch: touches by COPY, everything else set by set, in the batch's transaction.

`settlement` calls `post`. A conversion attributed before is written again only where something differs: its old
touches are soft-deleted, the change is audited. What depends on a changed conversion is asked to be attributed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from attribution import lifecycle
from attribution.adjustments import adjustments_of, readjust
from attribution.conversion_rows import Conversion
from attribution.journeys import join_journeys, write_journeys
from attribution.milestone_bonus import promise_milestones
from attribution.models import SHARE_DIGITS, touch_types
from attribution.outcome_body import load_outcomes
from attribution.pricing import Result
from attribution.terms import SQL as READ
from attribution.terms import Connection
from attribution.totals import SQL, move_totals, totals_of
from attribution.touch_rows import encode_touches
from attribution.writing import CreditRow, add_credits, ask_dependents, copy_touches, credit_rows
from schema.ids import clicked_at
from schema.money import from_minor_units, minor_units


class Posted(NamedTuple):
    """What a batch came to."""

    attributed: int
    unattributed: int
    unchanged: int
    touches: int


async def post(connection: Connection, results: Sequence[Result]) -> Posted:
    """Write everything about these conversions."""
    fresh = [one for one in results if one.decision.conversion.state == "awaiting_click"]
    again = [one for one in results if one.decision.conversion.state != "awaiting_click"]
    stale = await _stale(connection, again)
    known = [*_numbers(again), *await adjustments_of(connection, _numbers(stale))]
    before = await totals_of(connection, known)
    # Asked before and after: a sale that changes its partner moves the revenue of both.
    await ask_dependents(connection, _numbers(stale))
    await _retire(connection, stale)
    await copy_touches(connection, (_encode(one) for one in (*fresh, *stale)))
    await add_credits(connection, [row for one in (*fresh, *stale) for row in _credit_rows(one)])
    updated = await _attribute(connection, results, await write_journeys(connection, fresh))
    updated |= set(_numbers(stale))
    changed = [one for one in results if one.decision.conversion.number in updated]
    await readjust(connection, stale)
    redone = [one for one in again if one.decision.conversion.number in updated]
    await join_journeys(connection, await write_journeys(connection, redone))
    await _audit(connection, redone)
    await _convert_leads(connection, fresh)
    await tell_outcomes(connection, [one.decision.conversion for one in fresh])
    await ask_dependents(connection, _numbers(changed))
    bonuses = await _promise_bonuses(connection, changed)
    await move_totals(connection, before, await totals_of(connection, [*_numbers(fresh), *known, *bonuses]))
    attributed = sum(bool(one.decision.touches) for one in changed)
    touches = sum(len(one.decision.touches) * len(one.splits) for one in (*fresh, *stale))
    return Posted(attributed, len(changed) - attributed, len(results) - len(changed), touches)


def _numbers(results: Iterable[Result]) -> list[int]:
    return [one.decision.conversion.number for one in results]


def _encode(result: Result) -> bytes:
    """The touch rows of one result."""
    conversion = result.decision.conversion
    return encode_touches(
        conversion.number,
        conversion.occurred_us,
        result.lead_id,
        conversion.exponent,
        result.decision.touches,
        result.splits,
    )


def _credit_rows(result: Result) -> list[CreditRow]:
    conversion = result.decision.conversion
    return credit_rows(conversion.number, conversion.currency, result.credits)


async def _stale(connection: Connection, again: Sequence[Result]) -> list[Result]:
    """Those whose stored touches are not what they should be."""
    if not again:
        return []
    conversions = [one.decision.conversion for one in again]
    stored: dict[int, list[Any]] = {conversion.number: [] for conversion in conversions}
    moments = [conversion.occurred_at for conversion in conversions]
    for row in await connection.fetch(READ["live_touches"], list(stored), moments, None):
        stored[row["conversion_event_id"]].append(row)
    return [
        one
        for one in again
        if _stored_touches(stored[one.decision.conversion.number], one.decision.conversion)
        != _wanted_touches(one)
    ]


def _stored_touches(rows: Iterable[Any], conversion: Conversion) -> list[tuple[Any, ...]]:
    return sorted(
        (
            row["attribution_type"],
            row["click_id"] or 0,
            row["partner_id"],
            row["campaign_version_id"],
            row["attribution_confidence"],
            row["touch_type"],
            int(row["touch_weight"].scaleb(SHARE_DIGITS)),
            minor_units(row["touch_value"], conversion.currency),
        )
        for row in rows
    )


def _wanted_touches(result: Result) -> list[tuple[Any, ...]]:
    touches = result.decision.touches
    types = touch_types(len(touches)) if touches else ()
    return sorted(
        (
            model,
            touch.click_id or 0,
            touch.partner_id,
            touch.campaign_version_id,
            touch.confidence,
            kind,
            share,
            value,
        )
        for model, shares, values in result.splits
        for touch, kind, share, value in zip(touches, types, shares, values, strict=True)
    )


async def _retire(connection: Connection, stale: Sequence[Result]) -> None:
    if stale:
        moments = [one.decision.conversion.occurred_at for one in stale]
        await connection.execute(SQL["retire_touches"], _numbers(stale), moments)
        await connection.execute(SQL["retire_credits"], _numbers(stale))


async def _attribute(
    connection: Connection, results: Sequence[Result], journeys: Mapping[int, int]
) -> set[int]:
    """Write the decisions, with the journeys of those decided first; the numbers of the conversions they change."""
    if not results:
        return set()
    columns = map(
        list,
        zip(*((*_row(one), journeys.get(one.decision.conversion.number)) for one in results), strict=True),
    )
    return {row[0] for row in await connection.fetch(SQL["attribute"], *columns)}


def _row(result: Result) -> tuple[Any, ...]:
    """The parameters of `attribute`, in order."""
    decision, rate = result.decision, result.rate
    conversion, primary = decision.conversion, decision.primary
    newest = decision.touches[-1] if decision.touches else None
    click_id = newest.click_id if newest is not None else conversion.click_id
    return (
        conversion.number,
        "attributed" if newest is not None else "unattributed",
        decision.reason,
        from_minor_units(result.amount, conversion.currency),
        rate.type if rate else None,
        rate.value if rate else None,
        primary.partner_id if primary else None,
        primary.campaign_version_id if primary else None,
        click_id,
        clicked_at(click_id) if newest is not None and click_id is not None else None,
        conversion.cookie_id or decision.cookie_id,
        decision.model,
        result.confidence,
        decision.matched_by,
        result.reward_id,
        result.rule_id,
        result.lead_id,
        decision.parent,
        "; ".join(decision.holds) or None,
        orjson.dumps(dict(result.terms)).decode(),
    )


async def _audit(connection: Connection, changed: Sequence[Result]) -> None:
    """What attributing again changed."""
    if not changed:
        return
    bodies = [
        orjson.dumps(
            {
                "after": {
                    "commission_amount": str(from_minor_units(one.amount, one.decision.conversion.currency)),
                    "credits": {str(credit.partner_id): credit.amount for credit in one.credits},
                    "touches": [touch.click_id for touch in one.decision.touches],
                }
            }
        ).decode()
        for one in changed
    ]
    await connection.execute(SQL["audit_again"], _numbers(changed), bodies, "reattribute", None)


async def _promise_bonuses(connection: Connection, changed: Sequence[Result]) -> list[int]:
    """Milestones reached by pending conversions, where their campaign counts those; the numbers of the bonuses."""
    counted = _numbers(one for one in changed if one.is_counted_pending)
    bonuses = await promise_milestones(connection, counted) if counted else []
    await lifecycle.note(
        connection, "create", bonuses, changes={"after": {"status": "pending"}}, reason="milestone"
    )
    return bonuses


async def _convert_leads(connection: Connection, fresh: Sequence[Result]) -> None:
    """A lead whose customer bought is one no longer."""
    bought = {
        one.lead_id for one in fresh if one.lead_id is not None and one.decision.conversion.is_commissionable
    }
    if bought:
        await connection.execute(SQL["convert_leads"], sorted(bought))


async def tell_outcomes(connection: Connection, conversions: Sequence[Conversion]) -> None:
    """Hand the outcome to reporters that wait for it, through the outbox."""
    awaited = [conversion.number for conversion in conversions if conversion.is_awaited]
    if awaited:
        bodies = await load_outcomes(connection, awaited)
        texts = [orjson.dumps(bodies[number]).decode() for number in awaited]
        await connection.execute(SQL["add_outcomes"], awaited, texts)
