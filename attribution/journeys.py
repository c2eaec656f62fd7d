"""Journeys: what a cookie did from its first click to a conversion, and which partners were part of it.

`posting` calls `write_journeys` with the conversions it changed. All journeys of a cookie are a fold over its
conversions in the order in which they happened, so their order of arrival does not matter: one that earns completes
a journey, the next click belongs to the next one, and what comes after the last completed journey is the open one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from attribution.models import share_of
from attribution.moments import micros_of, moment_of
from attribution.pricing import Result
from attribution.terms import SQL as READ
from attribution.terms import Connection
from schema.money import from_minor_units
from schema.queries import load_queries

SQL = load_queries("attribution", "journeys.sql")
EVENTS_MAX = 1_000
"""Of one journey in events_sequence, newest kept; total_events counts all."""


class Step(NamedTuple):
    """One touch as a journey shows it."""

    occurred_us: int
    click_id: int | None
    partner_id: int
    weight: Decimal
    value: Decimal


class Stage(NamedTuple):
    """One conversion as a journey needs it."""

    number: int
    conversion_id: UUID
    occurred_at: datetime
    type_id: int
    event: str
    sort_order: int
    is_commissionable: bool
    value: Decimal | None
    currency: str
    commission: Decimal
    partner_id: int
    version_id: int
    customer_id: str | None
    customer_email: str | None
    steps: Sequence[Step]


async def write_journeys(connection: Connection, results: Sequence[Result]) -> dict[int, int]:
    """Write the journeys of cookies whose every conversion is among these; ask for those of the others.

    Goes out: the number of the journey of each conversion that has one now.
    """
    cookies = {
        one.decision.conversion.number: cookie_id
        for one in results
        if (cookie_id := one.decision.conversion.cookie_id or one.decision.cookie_id) is not None
    }
    if not cookies:
        return {}
    wanted = sorted(set(cookies.values()))
    free = {row[0] for row in await connection.fetch(READ["try_keys"], list(map(_key, wanted)))}
    numbers = [one.decision.conversion.number for one in results]
    busy = {row[0] for row in await connection.fetch(SQL["busy_cookies"], wanted, numbers)}
    busy |= {cookie_id for cookie_id in wanted if _key(cookie_id) not in free}
    if busy:
        await connection.execute(SQL["ask_journeys"], sorted(busy))
    stages: dict[UUID, list[Stage]] = {}
    for one, sort_order in zip(results, await _sort_orders(connection, results), strict=True):
        cookie_id = cookies.get(one.decision.conversion.number)
        if cookie_id is not None and cookie_id not in busy and one.decision.touches:
            stages.setdefault(cookie_id, []).append(_stage_of(one, sort_order))
    return await _save(connection, {cookie_id: journeys_of(some) for cookie_id, some in stages.items()})


async def rebuild_journeys(connection: Connection, limit: int) -> int:
    """Work the journeys of cookies that were asked for out again; how many requests.

    In a transaction of its own: it writes to conversions that an attributor may be at. It may wait for that one, which
    itself never waits for a journey's lock.
    """
    async with connection.transaction():
        await connection.execute(READ["begin_batch"])
        asked = [row[0] for row in await connection.fetch(SQL["take_journey_requests"], limit)]
        wanted = sorted(set(asked))
        if not wanted:
            return 0
        await connection.execute(READ["lock_keys"], list(map(_key, wanted)))
        stages: dict[UUID, list[Stage]] = {cookie_id: [] for cookie_id in wanted}
        for cookie_id, stage in await _others(connection, wanted):
            stages[cookie_id].append(stage)
        joins = await _save(connection, {cookie_id: journeys_of(some) for cookie_id, some in stages.items()})
        await join_journeys(connection, joins)
    return len(asked)


async def join_journeys(connection: Connection, joins: Mapping[int, int]) -> None:
    """Note with each conversion which journey it belongs to."""
    if joins:
        await connection.execute(SQL["join_journeys"], list(joins), list(joins.values()))


def _key(cookie_id: UUID) -> str:
    """Of the lock that keeps two attributors from writing one cookie's journeys without seeing each other."""
    return f"clickledger journey {cookie_id}"


def journeys_of(stages: Iterable[Stage]) -> list[list[Stage]]:
    """The conversions of one cookie, journey by journey; only the last may be open."""
    journeys: list[list[Stage]] = []
    is_open = False
    for stage in sorted(stages, key=lambda one: (one.occurred_at, one.conversion_id)):
        if not is_open:
            journeys.append([])
        journeys[-1].append(stage)
        is_open = not stage.is_commissionable
    return journeys


async def _sort_orders(connection: Connection, results: Sequence[Result]) -> list[int]:
    rows = await connection.fetch(READ["sort_orders"])
    orders = {row["conversion_event_type_id"]: row["sort_order"] for row in rows}
    return [orders[one.decision.conversion.event_type_id] for one in results]


def _stage_of(result: Result, sort_order: int) -> Stage:
    conversion, primary = result.decision.conversion, result.decision.primary
    assert primary is not None
    paying = next(one for one in result.splits if one.model == result.decision.model)
    steps = [
        Step(
            touch.occurred_us,
            touch.click_id,
            touch.partner_id,
            share_of(share),
            from_minor_units(value, conversion.currency),
        )
        for touch, share, value in zip(result.decision.touches, paying.shares, paying.values, strict=True)
    ]
    return Stage(
        conversion.number,
        conversion.conversion_id,
        conversion.occurred_at,
        conversion.event_type_id,
        conversion.event,
        sort_order,
        conversion.is_commissionable,
        from_minor_units(conversion.value, conversion.currency),
        conversion.currency,
        from_minor_units(result.amount, conversion.currency),
        primary.partner_id,
        primary.campaign_version_id,
        conversion.customer_id,
        conversion.customer_email,
        steps,
    )


async def _others(connection: Connection, cookies: Sequence[UUID]) -> list[tuple[UUID, Stage]]:
    """The attributed conversions of these cookies."""
    rows = await connection.fetch(SQL["attributed_conversions"], cookies)
    if not rows:
        return []
    steps: dict[int, list[Step]] = {row["conversion_event_id"]: [] for row in rows}
    columns = [
        [row[name] for row in rows] for name in ("conversion_event_id", "occurred_at", "attribution_type")
    ]
    for touch in await connection.fetch(SQL["paying_touches"], *columns):
        occurred_us = micros_of(touch["occurred_at"])
        step = Step(
            occurred_us, touch["click_id"], touch["partner_id"], touch["touch_weight"], touch["touch_value"]
        )
        steps[touch["conversion_event_id"]].append(step)
    return [(row["cookie_id"], _stage_from(row, steps[row["conversion_event_id"]])) for row in rows]


def _stage_from(row: Any, steps: Sequence[Step]) -> Stage:
    return Stage(
        row["conversion_event_id"],
        row["conversion_id"],
        row["occurred_at"],
        row["conversion_event_type_id"],
        row["event"],
        row["sort_order"],
        row["is_commissionable"],
        row["event_value"],
        row["currency"],
        row["commission_amount"],
        row["partner_id"],
        row["campaign_version_id"],
        row["customer_id"],
        row["customer_email"],
        steps,
    )


async def _save(connection: Connection, journeys: dict[UUID, list[list[Stage]]]) -> dict[int, int]:
    """Write each cookie's journeys over those it had, rows left over stay soft-deleted; each conversion's journey."""
    stored: dict[UUID, list[int]] = {}
    for row in await connection.fetch(SQL["journeys_of"], list(journeys)):
        stored.setdefault(row["cookie_id"], []).append(row["funnel_journey_id"])
    if stored:
        await connection.execute(
            SQL["hide_journeys"], [number for some in stored.values() for number in some]
        )
    missing = sum(max(0, len(some) - len(stored.get(cookie, ()))) for cookie, some in journeys.items())
    fresh = iter(
        [row[0] for row in await connection.fetch(SQL["new_journey_ids"], missing)] if missing else []
    )
    rows: list[tuple[Any, ...]] = []
    joins: dict[int, int] = {}
    for cookie_id, some in journeys.items():
        known = iter(stored.get(cookie_id, ()))
        after_us = 0
        for stages in some:
            number = next(known, None) or next(fresh)
            rows.append(_row(number, cookie_id, stages, after_us))
            joins |= {stage.number: number for stage in stages}
            after_us = micros_of(stages[-1].occurred_at)
    if rows:
        await connection.execute(SQL["save_journeys"], *map(list, zip(*rows, strict=True)))
    return joins


def _row(number: int, cookie_id: UUID, stages: Sequence[Stage], after_us: int) -> tuple[Any, ...]:
    """The parameters of `save_journeys`; only clicks after the journey before belong to this one."""
    last = stages[-1]
    clicks = {
        step.click_id: step
        for stage in stages
        for step in stage.steps
        if step.click_id is not None and step.occurred_us > after_us
    }
    events = [(step.occurred_us, 0, _click_event(step)) for step in clicks.values()]
    events += [(micros_of(stage.occurred_at), 1, _stage_event(stage)) for stage in stages]
    events.sort(key=lambda event: event[:2])
    return (
        number,
        cookie_id,
        last.partner_id,
        last.version_id,
        last.customer_id,
        last.customer_email,
        moment_of(events[0][0]),
        moment_of(events[-1][0]),
        last.occurred_at if last.is_commissionable else None,
        max(stages, key=lambda stage: stage.sort_order).type_id,
        len(events),
        sum((stage.commission for stage in stages), Decimal(0)),
        orjson.dumps([event for _, _, event in events[-EVENTS_MAX:]]).decode(),
        orjson.dumps(_map(last.steps)).decode(),
    )


def _click_event(step: Step) -> dict[str, Any]:
    return {
        "type": "click",
        "click_id": str(step.click_id),
        "partner_id": step.partner_id,
        "at": moment_of(step.occurred_us).isoformat(),
    }


def _stage_event(stage: Stage) -> dict[str, Any]:
    return {
        "type": stage.event,
        "conversion_id": str(stage.conversion_id),
        "value": None if stage.value is None else f"{stage.value:f}",
        "currency": stage.currency,
        "at": stage.occurred_at.isoformat(),
    }


def _map(steps: Iterable[Step]) -> dict[str, dict[str, str]]:
    """Weight and commission of each partner under the model that pays."""
    sums: dict[int, tuple[Decimal, Decimal]] = {}
    for step in steps:
        weight, value = sums.get(step.partner_id, (Decimal(0), Decimal(0)))
        sums[step.partner_id] = weight + step.weight, value + step.value
    return {
        f"partner_{partner_id}": {"weight": f"{weight:f}", "commission": f"{value:f}"}
        for partner_id, (weight, value) in sums.items()
    }
