"""Settles conversions: loads what decides them, decides, prices and posts, a batch in one transaction.

The attributor claims numbers and calls `settle` with them inside its transaction; `recompute` does the same for a
period. Nothing here depends on the order in which conversions or clicks arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from attribution.adjustments import touch_of
from attribution.candidates import Candidates, find_candidates
from attribution.conversion_rows import REFUNDED, Conversion, conversion_of, exact_json
from attribution.decision import FOLLOWING, Coupon, Decision, Parent, decide
from attribution.history import load_pasts
from attribution.posting import Posted, post
from attribution.pricing import Result, price_decision
from attribution.self_referral import held_for_buyers
from attribution.terms import SQL, Catalogue, Connection
from attribution.totals import SQL as POST
from attribution.touch_rows import Touch

CLICK_WAIT = timedelta(minutes=15)
"""How long a conversion waits for the click or first sale it names: a click may lie in a door's spool while Redis is
away, but a click id that never existed must not keep a sale from its outcome for ever."""

log = structlog.get_logger()


class Unsettled(Exception):
    """One conversion that cannot be worked out; its number and why."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number
        self.reason = reason


async def settle(connection: Connection, numbers: Sequence[int]) -> Posted:
    """Settle these locked conversions, once more where they were settled before. Raises Unsettled for a bad one."""
    now: datetime = await connection.fetchval(SQL["transaction_time"])
    conversions = await load_conversions(connection, numbers)
    results = await work_out(connection, conversions, now, is_linking=True)
    return await post(connection, results)


async def load_conversions(connection: Connection, numbers: Sequence[int]) -> list[Conversion]:
    """Those that may be (re)attributed, in the order in which they happened."""
    conversions = []
    for row in await connection.fetch(SQL["conversions"], numbers):
        try:
            conversion = conversion_of(row)
        except (ValueError, KeyError) as error:
            raise Unsettled(row["conversion_event_id"], f"unreadable: {error!r}"[:300]) from error
        is_rejected = conversion.status == "rejected" and conversion.rejection_reason != REFUNDED
        if not (conversion.is_final or is_rejected or row["has_final_adjustment"]):
            conversions.append(conversion)
    return conversions


async def work_out(
    connection: Connection, conversions: Sequence[Conversion], now: datetime, *, is_linking: bool = False
) -> list[Result]:
    """What each conversion comes to; those that still wait for something are left out and marked."""
    candidates = await find_candidates(connection, conversions, is_linking=is_linking)
    parents = await load_parents(connection, conversions)
    waiting = _waiting(conversions, candidates, parents, now)
    if waiting:
        await _mark_waiting(connection, conversions, waiting)
    catalogue = Catalogue(now)
    coupons = await load_terms(connection, conversions, candidates, parents, catalogue)
    decisions = [
        _decide(place, conversion, candidates, coupons.get(place), parents.get(place), catalogue)
        for place, conversion in enumerate(conversions)
        if place not in waiting
    ]
    decisions = await _one_per_click(connection, decisions)
    decisions = await held_for_buyers(connection, decisions)
    pasts = await load_pasts(connection, decisions, catalogue)
    leads = await _leads(connection, decisions)
    return [
        _price(decision, catalogue, past)._replace(lead_id=leads.get(place))
        for place, (decision, past) in enumerate(zip(decisions, pasts, strict=True))
    ]


def _decide(
    place: int,
    conversion: Conversion,
    candidates: Candidates,
    coupon: Coupon | None,
    parent: Parent | None,
    catalogue: Catalogue,
) -> Decision:
    if conversion.parent_transaction_id is not None and parent is None:
        return Decision(conversion, reason="parent_unknown")
    return decide(conversion, candidates.found[place].values(), catalogue, coupon, parent)


def _price(decision: Decision, catalogue: Catalogue, past: Any) -> Result:
    try:
        return price_decision(decision, catalogue, past)
    except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError) as error:
        # Terms that came past the API, such as a rule whose number is no number, must not stop the others.
        raise Unsettled(decision.conversion.number, f"unpriceable: {error!r}"[:300]) from error


def _waiting(
    conversions: Sequence[Conversion], candidates: Candidates, parents: dict[int, Parent], now: datetime
) -> dict[int, str]:
    """What conversions that name something not there yet still wait for."""
    waiting = {}
    for place, conversion in enumerate(conversions):
        if conversion.state != "awaiting_click" or now >= conversion.recorded_at + CLICK_WAIT:
            continue
        parent = parents.get(place)
        if place in candidates.missing:
            waiting[place] = "waits_for_click"
        elif conversion.parent_transaction_id is not None and (parent is None or not parent.is_settled):
            waiting[place] = "waits_for_parent"
    return waiting


async def _mark_waiting(
    connection: Connection, conversions: Sequence[Conversion], waiting: dict[int, str]
) -> None:
    rows = [
        (conversions[place].number, conversions[place].recorded_at + CLICK_WAIT, reason)
        for place, reason in waiting.items()
    ]
    await connection.execute(POST["wait_on"], *map(list, zip(*rows, strict=True)))


async def load_parents(connection: Connection, conversions: Sequence[Conversion]) -> dict[int, Parent]:
    """The first sales that renewals and upgrades follow, by place."""
    asked = [
        (
            place,
            one.vendor_id,
            one.parent_transaction_id,
            one.customer_id if one.parent_transaction_id is None else None,
            one.occurred_at,
            one.conversion_id,
        )
        for place, one in enumerate(conversions)
        if one.parent_transaction_id is not None or (one.event in FOLLOWING and one.customer_id is not None)
    ]
    if not asked:
        return {}
    rows = await connection.fetch(SQL["parents"], *map(list, zip(*asked, strict=True)))
    journeys: dict[int, list[Touch]] = {row["conversion_event_id"]: [] for row in rows}
    moments = {row["conversion_event_id"]: row["occurred_at"] for row in rows}
    touches = await connection.fetch(SQL["live_touches"], list(moments), list(moments.values()), "linear")
    for touch in touches:
        journeys[touch["conversion_event_id"]].append(touch_of(touch))
    return {row["place"]: _parent(row, journeys[row["conversion_event_id"]]) for row in rows}


def _parent(row: Any, touches: Sequence[Touch]) -> Parent:
    terms = exact_json(row["terms"]) or {}
    return Parent(
        row["conversion_event_id"],
        row["occurred_at"],
        row["attribution_state"] != "awaiting_click",
        row["attribution_type"],
        int(terms.get("half_life_ms", 1)),
        row["campaign_version_id"],
        touches,
    )


async def load_terms(
    connection: Connection,
    conversions: Sequence[Conversion],
    candidates: Candidates,
    parents: dict[int, Parent],
    catalogue: Catalogue,
) -> dict[int, Coupon]:
    """Fill the catalogue with all that these conversions may need; the coupons that count, by place."""
    coupons = await _coupons(connection, conversions, catalogue.now)
    pairs = {
        (one.version_id, one.partner_id)
        for found in candidates.found
        for one in found.values()
        if one.version_id is not None and one.partner_id is not None
    }
    pairs |= {(one.version_id, one.partner_id) for one in coupons.values()}
    pairs |= {
        (touch.campaign_version_id, touch.partner_id)
        for parent in parents.values()
        for touch in parent.touches
    }
    await catalogue.load_versions(connection, {version_id for version_id, _ in pairs})
    await catalogue.load_partners(connection, pairs)
    return {
        place: one
        for place, one in coupons.items()
        if catalogue.versions[one.version_id].vendor_id == conversions[place].vendor_id
    }


async def _coupons(
    connection: Connection, conversions: Sequence[Conversion], now: datetime
) -> dict[int, Coupon]:
    """Coupons that exactly one partner owned."""
    asked = [
        (place, one.vendor_id, one.coupon, one.occurred_at, one.priced_at or now)
        for place, one in enumerate(conversions)
        if one.coupon
    ]
    if not asked:
        return {}
    owners: dict[int, list[Coupon]] = {}
    for row in await connection.fetch(SQL["coupons"], *map(list, zip(*asked, strict=True))):
        owners.setdefault(row["place"], []).append(Coupon(row["partner_id"], row["campaign_version_id"]))
    return {place: some[0] for place, some in owners.items() if len(some) == 1}


async def _one_per_click(connection: Connection, decisions: Sequence[Decision]) -> list[Decision]:
    """Of conversions of a type that a click may lead to once, the first stays."""
    asked = [
        (place, conversion.event_type_id, decision.touches[-1].click_id, *conversion.order)
        for place, decision in enumerate(decisions)
        for conversion in (decision.conversion,)
        if conversion.is_one_per_click and decision.touches and decision.touches[-1].click_id is not None
    ]
    if not asked:
        return list(decisions)
    await connection.execute(
        SQL["lock_keys"], [f"clickledger click {click_id}" for _, _, click_id, *_ in asked]
    )
    numbers = [decision.conversion.number for decision in decisions]
    columns = [list(column) for column in zip(*asked, strict=True)]
    used = {row["place"] for row in await connection.fetch(SQL["used_clicks"], *columns, numbers)}
    seen: set[tuple[int, int]] = set()
    for place, event_type_id, click_id, *_ in asked:
        if (event_type_id, click_id) in seen:
            used.add(place)
        seen.add((event_type_id, click_id))
    return [
        Decision(decision.conversion, judged=decision.judged, reason="one_per_click")
        if place in used
        else decision
        for place, decision in enumerate(decisions)
    ]


async def _leads(connection: Connection, decisions: Sequence[Decision]) -> dict[int, int]:
    """The leads of customers that are known, by place."""
    asked = [
        (place, one.vendor_id, one.customer_id, one.customer_email)
        for place, decision in enumerate(decisions)
        for one in (decision.conversion,)
        if one.customer_id is not None or one.customer_email is not None
    ]
    if not asked:
        return {}
    rows = await connection.fetch(SQL["leads_of_customers"], *map(list, zip(*asked, strict=True)))
    return {row["place"]: row["lead_id"] for row in rows}
