"""Reports over a period: the credit under every model side by side, the Markov removal effect, the Shapley value.

The API hands over a connection in the caller's tenancy and gets a body back. Stored models are added up by
PostgreSQL; models that are not stored run through the same functions as the others, one journey at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any, Literal, NamedTuple

import asyncpg

from attribution.allocation import allocate
from attribution.faults import Fault, Refused
from attribution.models import REPORTED, STORED, Journey
from attribution.moments import micros_of
from attribution.reports import PARTNERS_MAX, Transition, removal_effects, shapley_values
from attribution.stats import freshness
from schema.money import amount_text, from_minor_units, minor_units
from schema.queries import load_queries

SQL = load_queries("attribution", "period_reports.sql")

By = Literal["partner", "campaign", "link"]
TOUCHES_MAX = 1_000_000
"""Of journeys to run through models that are not stored; a second or two for each 200,000."""
BATCH_ROWS = 5_000
_COLUMN = {"partner": "partner_id", "campaign": "campaign_id", "link": "partner_link_id"}
_DIGITS = Decimal("0.000001")


class Asked(NamedTuple):
    """A half-open period, one currency or all, and models to add that are not stored."""

    start: datetime
    end: datetime
    currency: str | None = None
    reported: Sequence[str] = ()


Key = tuple[int | None, str]
"""Id of a partner, campaign or link, and the currency."""


async def credit_report(connection: asyncpg.Connection, asked: Asked, by: By) -> dict[str, Any]:
    """The credit of each partner, campaign or link under all models; only one of them is payable."""
    body = await freshness(connection)
    period = asked.start, asked.end, asked.currency
    totals = await connection.fetch(SQL["credit_totals"], *period)
    rows: dict[Key, dict[str, Any]] = {}
    for one in await connection.fetch(SQL["credit_by_model"], *period, by):
        row = rows.setdefault(
            (one["id"], one["currency"]),
            {"name": one["name"], "touches": 0, "credit": {}, "payable": Decimal(0)},
        )
        row["touches"] = max(row["touches"], one["touches"])
        row["credit"][one["attribution_type"]] = one["credit"]
        row["payable"] += one["payable"]
    for key, credit in (await _reported(connection, asked, by)).items():
        if key in rows:
            rows[key]["credit"] |= credit
    body["currencies"] = [row["currency"] for row in totals]
    body["totals"] = _totals(totals, rows, asked)
    shown = sorted(rows.items(), key=lambda item: (item[0][1], -item[1]["payable"], item[0][0] or 0))
    body["rows"] = [_row(key, row, asked) for key, row in shown]
    return body


def _models(asked: Asked) -> list[str]:
    return [*STORED, *asked.reported]


def _row(key: Key, row: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    number, currency = key
    credit = {model: amount_text(row["credit"].get(model, Decimal(0)), currency) for model in _models(asked)}
    return {
        "id": number,
        "name": row["name"],
        "currency": currency,
        "touches": row["touches"],
        "credit": credit,
        "payable": amount_text(row["payable"], currency),
    }


def _totals(totals: Sequence[Any], rows: Mapping[Key, Mapping[str, Any]], asked: Asked) -> dict[str, Any]:
    """Conversions of all currencies; money only where there is one, for currencies do not add up."""
    conversions = sum(row["conversions"] for row in totals)
    if len(totals) != 1:
        return {"conversions": conversions, "currency": None, "revenue": None, "credit": None}
    currency = totals[0]["currency"]
    credit = {
        model: amount_text(
            sum((row["credit"].get(model, Decimal(0)) for row in rows.values()), Decimal(0)), currency
        )
        for model in _models(asked)
    }
    revenue = amount_text(totals[0]["revenue"], currency)
    return {"conversions": conversions, "currency": currency, "revenue": revenue, "credit": credit}


async def _reported(connection: asyncpg.Connection, asked: Asked, by: By) -> dict[Key, dict[str, Decimal]]:
    """Credit under models that are not stored. Raises Refused where the period has too many touches."""
    sums: dict[Key, dict[str, int]] = {}
    if not asked.reported:
        return {}
    async for touches in _journeys(connection, asked):
        first = touches[0]
        amount = minor_units(first["commission_amount"] or Decimal(0), first["currency"])
        journey = _journey(touches)
        for model in asked.reported:
            for touch, value in zip(touches, allocate(amount, REPORTED[model](journey)), strict=True):
                credit = sums.setdefault((touch[_COLUMN[by]], touch["currency"]), {})
                credit[model] = credit.get(model, 0) + value
    return {
        key: {model: from_minor_units(units, key[1]) for model, units in credit.items()}
        for key, credit in sums.items()
    }


async def _journeys(connection: asyncpg.Connection, asked: Asked) -> AsyncIterator[list[Any]]:
    """The touches of each conversion, a batch of rows in memory at a time."""
    cursor = await connection.cursor(SQL["journeys_sold"], asked.start, asked.end, asked.currency)
    rest: list[Any] = []
    count = 0
    while rows := await cursor.fetch(BATCH_ROWS):
        count += len(rows)
        if count > TOUCHES_MAX:
            raise Refused(
                [Fault("reported", f"the period has more than {TOUCHES_MAX:,} touches: ask for less of it")]
            )
        groups = [
            list(some) for _, some in groupby([*rest, *rows], key=lambda row: row["conversion_event_id"])
        ]
        rest = groups.pop()
        for group in groups:
            yield group
    if rest:
        yield rest


def _journey(touches: Sequence[Any]) -> Journey:
    """The journey, with the touch that brought the lead: the one the lead names, else the newest before it."""
    clicked_ms = [micros_of(touch["occurred_at"]) // 1000 for touch in touches]
    lead_at = None
    if touches[0]["lead_at"] is not None:
        named = [place for place, touch in enumerate(touches) if touch["click_id"] == touch["lead_click_id"]]
        before = [place for place, touch in enumerate(touches) if touch["occurred_at"] <= touch["lead_at"]]
        lead_at = next(iter(named or reversed(before)), None)
    return Journey(clicked_ms, [touch["partner_id"] for touch in touches], lead_at=lead_at)


async def markov_report(
    connection: asyncpg.Connection, asked: Asked, campaign_id: int | None
) -> dict[str, Any]:
    """The removal effect of each partner. Raises Refused where there are too many partners to solve for."""
    body = await freshness(connection)
    found = await connection.fetch(SQL["transitions"], asked.start, asked.end, campaign_id)
    transitions = [Transition(*row) for row in found]
    if len({one.before for one in transitions}) > PARTNERS_MAX + 1:
        raise Refused([Fault("campaign", f"more than {PARTNERS_MAX} partners: ask for one campaign")])
    removal = await asyncio.to_thread(removal_effects, transitions)
    share = removal.shares()
    body["totals"] = {
        "conversions": removal.conversions,
        "journeys": removal.journeys,
        "probability": _decimal(removal.probability),
        "exact": str(removal.probability),
    }
    body["rows"] = await _named(
        connection,
        removal.effects,
        lambda partner_id, effect: {
            "removal_effect": _decimal(effect),
            "share": _decimal(share[partner_id]),
            "conversions": _decimal(share[partner_id] * removal.conversions),
        },
    )
    return body


async def shapley_report(
    connection: asyncpg.Connection, asked: Asked, campaign_id: int | None
) -> dict[str, Any]:
    """How many conversions each partner is worth."""
    body = await freshness(connection)
    rows = await connection.fetch(SQL["partners_together"], asked.start, asked.end, campaign_id)
    values = shapley_values((row["partner_id"], row["together"], row["conversions"]) for row in rows)
    total = sum(values.values(), Fraction(0))
    body["totals"] = {"conversions": int(total)}
    body["rows"] = await _named(
        connection,
        values,
        lambda _partner_id, value: {
            "conversions": _decimal(value),
            "exact": str(value),
            "share": _decimal(value / total),
        },
    )
    return body


async def _named(
    connection: asyncpg.Connection,
    values: Mapping[int, Fraction],
    shown: Callable[[int, Fraction], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Rows by partner, the largest first."""
    names = {
        row["partner_id"]: row["name"] for row in await connection.fetch(SQL["partner_names"], list(values))
    }
    ordered: Iterable[int] = sorted(values, key=lambda partner_id: (-values[partner_id], partner_id))
    return [
        {"id": partner_id, "name": names.get(partner_id)} | shown(partner_id, values[partner_id])
        for partner_id in ordered
    ]


def _decimal(value: Fraction) -> str:
    """A fraction to six decimals, for reading."""
    return str((Decimal(value.numerator) / Decimal(value.denominator)).quantize(_DIGITS))
