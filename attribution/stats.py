"""What a link, a campaign, a partner, or everything a caller may see did in a period: totals, a series, breakdowns.

The API hands over a connection that already is the caller's tenant, in one snapshot. Numbers come from the rollups;
only filters by properties of a click make it read clicks themselves, and then only of links or of a bounded number.
`clicks` are the valid ones, `gross` is every stored request, and gross = clicks + filtered always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import asyncpg

from attribution.faults import Fault, Refused
from attribution.keys import Caller
from attribution.periods import Period
from attribution.stats_days import Days, days_of, split_hours, weeks_and_days
from attribution.stats_figures import CLASSES, class_rows, row_of, stamp, totals_of
from attribution.stats_scope import OWNERS, SQL, Place, Subject, place_of
from attribution.stats_steps import Series, seconds_text
from schema.queries import load_queries

RAW = load_queries("attribution", "stats.sql")

PROPERTIES = (
    "country", "device", "browser", "os", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_content",
    "utm_term",
)  # fmt: skip
DIMENSIONS = (*PROPERTIES, *OWNERS, "class")
CLICKS_READ_MAX = 500_000
"""A second's reading; beyond it a filter by properties of clicks must say which links are meant, or a shorter period."""

Filters = Mapping[str, Sequence[str]]


class Question(NamedTuple):
    """What is asked about a subject. Commission is that of `model`, or of the model that pays."""

    period: Period
    filters: Filters
    breakdowns: Sequence[str] = ()
    top: int = 10
    model: str | None = None


class Answering(NamedTuple):
    """A question on its way: where its numbers are, and what the blocks share."""

    connection: asyncpg.Connection
    question: Question
    place: Place
    classes: Sequence[str]
    is_raw: bool
    split: Sequence[datetime]
    closed_weeks: Sequence[date]
    are_sales_waiting: bool

    @property
    def whose(self) -> tuple[Any, ...]:
        """The first four parameters of every block."""
        return (*self.place, self.question.period.start, self.question.period.end)

    @property
    def steps(self) -> tuple[Any, ...]:
        """The first five parameters of those that count by step."""
        return (*self.whose, seconds_text(self.question.period.buckets))


async def read_stats(
    connection: asyncpg.Connection, caller: Caller, subject: Subject, question: Question
) -> dict[str, Any]:
    """The body of a stats answer. Raises Refused where it would have to read too much."""
    asked, body = await _begin(connection, caller, subject, question)
    series = await _series(asked)
    body["totals"] = _totals(series)
    body["series"] = series.steps()
    body["breakdowns"] = {
        name: class_rows(body["totals"]) if name == "class" else await _breakdown(asked, name)
        for name in question.breakdowns
    }
    return body


async def read_totals(
    connection: asyncpg.Connection, caller: Caller, subject: Subject, question: Question
) -> dict[str, Any]:
    """The totals alone."""
    asked, _fresh = await _begin(connection, caller, subject, question)
    return _totals(await _series(asked))


def _totals(series: Series) -> dict[str, Any]:
    money = (series.sums("revenue"), series.sums("commission"))
    return totals_of(series.by_class, series.uniques, series.conversions, *money)


async def freshness(connection: asyncpg.Connection) -> dict[str, Any]:
    """How far the writer is: every click up to `as_of` is counted. None before the first flush."""
    return _freshness(await connection.fetchrow(SQL["stored_through"]))


def _freshness(row: Any) -> dict[str, Any]:
    if row["as_of"] is None:
        return {"as_of": None, "lag_seconds": None}
    return {"as_of": stamp(row["as_of"]), "lag_seconds": round(max(0.0, row["lag_s"]), 3)}


async def _begin(
    connection: asyncpg.Connection, caller: Caller, subject: Subject, question: Question
) -> tuple[Answering, dict[str, Any]]:
    """Find the place, decide whether the rollups know the answer, and say how fresh it is."""
    filters, period = question.filters, question.period
    place = await place_of(connection, caller, subject, filters)
    wanted = filters.get("class")
    classes = CLASSES if not wanted else tuple(name for name in CLASSES if name in wanted)
    is_by_property = any(filters.get(name) for name in PROPERTIES)
    # Values of a dimension are not counted by class; the class alone is.
    is_split = bool(filters.get("class")) and any(name != "class" for name in question.breakdowns)
    is_raw = is_by_property or is_split
    split = split_hours(period)
    plans_once = not is_raw and not split
    row = await connection.fetchrow(SQL["begin_reading"], plans_once, period.start.date(), period.end.date())
    assert row is not None
    known = (split, row["closed_weeks"], row["are_sales_waiting"])
    asked = Answering(connection, question, place, classes, is_raw, *known)
    if is_raw:
        await _check_bounds(asked)
    return asked, _freshness(row)


async def _check_bounds(asked: Answering) -> None:
    row = await asked.connection.fetchrow(SQL["clicks_to_read"], *asked.whose)
    assert row is not None
    if row["dropped"]:
        raise Refused(
            [Fault("start", f"clicks before {stamp(row['since'])} are kept as sums only: filter later ones, or not at all")]
        )  # fmt: skip
    if asked.place.scope != "link" and row["clicks"] > CLICKS_READ_MAX:
        field = next((name for name in (*PROPERTIES, "class") if asked.question.filters.get(name)), "start")
        raise Refused(
            [Fault(field, f"with this filter {row['clicks']:,} clicks would have to be read, {CLICKS_READ_MAX:,} is the "
                          "most: ask about one link, or a shorter period")]
        )  # fmt: skip


async def _series(asked: Answering) -> Series:
    """Clicks and conversions by step."""
    fetch, model = asked.connection.fetch, asked.question.model
    series = Series(asked.question.period.buckets, asked.classes)
    weights = [int(name in asked.classes) for name in CLASSES]
    if asked.is_raw:
        values = _raw_values(asked)
        clicks = await fetch(RAW["click_counts"], *values, weights)
        sales: Sequence[Any] = _columns(await fetch(RAW["sale_counts"], *values, None, model))
    else:
        clicks = await fetch(SQL["click_steps"], *asked.steps, asked.split, weights)
        if asked.split:
            clicks += await fetch(SQL["click_steps_within"], *asked.steps, asked.split, weights)
        sales = await _sale_steps(asked) if "valid" in asked.classes else ()
    for columns in clicks:
        series.add_clicks(columns)
    for columns in sales:
        series.add_sales(columns)
    return series


async def _sale_steps(asked: Answering) -> list[Any]:
    fetch, model = asked.connection.fetch, asked.question.model
    sales = await fetch(SQL["sale_steps"], *asked.steps, asked.split, model)
    if asked.are_sales_waiting:
        sales += await fetch(SQL["waiting_sale_steps"], *asked.steps, model)
    return sales


def _columns(sales: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows by step and currency as columns of one step each."""
    return [
        {
            "currency": row["currency"],
            "bucket": [row["bucket"]],
            "conversions": [row["conversions"]],
            "revenue": [f"{row['revenue']:.4f}"],
            "commission": [f"{row['commission']:.4f}"],
            "all_revenue": row["revenue"],
            "all_commission": row["commission"],
        }
        for row in sales
    ]


def _raw_values(asked: Answering) -> tuple[Any, ...]:
    filters = asked.question.filters
    wanted = [list(filters[name]) if filters.get(name) else None for name in (*PROPERTIES, "class")]
    return (*asked.steps, *wanted)


async def _breakdown(asked: Answering, name: str) -> list[dict[str, Any]]:
    """The largest values with their conversions; the row of all others last."""
    rows, sales = await _values(asked, name)
    rows.sort(key=lambda row: row["is_rest"])
    sales_by: dict[str, list[Any]] = {}
    for sale in sales:
        sales_by.setdefault(sale["value"], []).append(sale)
    names = await _names(asked, name, [row["value"] for row in rows])
    shown = []
    for row in rows[: asked.question.top]:
        if row["is_rest"]:
            shown.append(row_of("other", row, ()) | {"is_rest": True})
        else:
            shown.append(
                row_of(names.get(row["value"], row["value"]) or None, row, sales_by.get(row["value"], ()))
            )
    return shown


async def _values(asked: Answering, name: str) -> tuple[list[Any], list[Any]]:
    fetch, question = asked.connection.fetch, asked.question
    is_of_links = asked.place.scope == "link" and name in OWNERS
    if asked.is_raw or (is_of_links and asked.split):
        values = _raw_values(asked)
        rows = await fetch(RAW["click_breakdown"], *values, name, question.top)
        return rows, await fetch(RAW["sale_counts"], *values, name, question.model)
    if is_of_links:
        rows = await fetch(SQL["link_values"], *asked.whose, name, question.top)
        sales = await fetch(SQL["link_sales"], *asked.whose, name, question.model)
    else:
        rows, sales = await _day_values(asked, name)
    if asked.are_sales_waiting:
        wanted = [row["value"] for row in rows if not row["is_rest"]]
        sales += await fetch(SQL["waiting_sale_values"], *asked.whose, name, wanted, question.model)
    return rows, sales


async def _day_values(asked: Answering, name: str) -> tuple[list[Any], list[Any]]:
    """From days and weeks, and clicks where the period begins or ends within a day."""
    fetch, question = asked.connection.fetch, asked.question
    days = await _days(asked, name)
    weeks, alone = weeks_and_days(days, asked.closed_weeks if asked.place.scope != "link" else ())
    span = (*asked.place, days.start, days.end, name)
    at_edges = await _at_edges(asked, days, name)
    rows = await fetch(SQL["click_values"], *span, weeks, alone, *at_edges, question.top + 1)
    wanted = [row["value"] for row in rows if not row["is_rest"]]
    sales = await fetch(SQL["sale_values"], *span, wanted, *days.edge_columns, question.model)
    return rows, sales


async def _at_edges(asked: Answering, days: Days, name: str) -> tuple[list[Any], ...]:
    """Values and counts that clicks at the edges add or take."""
    rows = [
        (row["value"], *(edge.sign * row[count] for count in ("gross", "clicks", "uniques")))
        for edge in days.edges
        for row in await asked.connection.fetch(SQL["edge_values"], *asked.place, edge.start, edge.end, name)
    ]
    return tuple(map(list, zip(*rows, strict=True))) if rows else ([], [], [], [])


async def _days(asked: Answering, name: str) -> Days:
    """The days to read. A value may be taken from a day only where each has a row of its own."""
    days = days_of(asked.question.period)
    taking = [edge.start.date() for edge in days.edges if edge.sign < 0]
    if taking and await asked.connection.fetchval(SQL["is_crowded"], *asked.place, name, taking):
        return days_of(asked.question.period, is_adding_only=True)
    return days


async def _names(asked: Answering, name: str, values: Sequence[str]) -> dict[str, str]:
    """Links are shown by their codes."""
    if name != "link":
        return {}
    rows = await asked.connection.fetch(SQL["codes_of"], [int(value) for value in values if value])
    return {row["value"]: row["short_code"] for row in rows}
