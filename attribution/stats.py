"""What a link, a campaign, a partner, or everything a caller may see did in a period: totals, a series, breakdowns.

The API hands over a connection that already is the caller's tenant, in one snapshot. Numbers come from the rollups;
only filters by properties of a click make it read clicks themselves, and then only of links or of a bounded number.
`clicks` are the valid ones, `gross` is every stored request, and gross = clicks + filtered always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple

import asyncpg

from attribution.faults import Fault, Refused
from attribution.keys import Caller
from attribution.periods import Period
from attribution.stats_figures import CLASSES, class_rows, row_of, stamp, step_of, totals_of
from attribution.stats_scope import OWNERS, SQL, Place, Subject, place_of
from schema.queries import load_queries

RAW = load_queries("attribution", "stats.sql")

PROPERTIES = (
    "country", "device", "browser", "os", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_content",
    "utm_term",
)  # fmt: skip
DIMENSIONS = (*PROPERTIES, *OWNERS, "class")
CLICKS_READ_MAX = 500_000
"""A second's reading; beyond it a filter by properties of clicks must say which links are meant, or a shorter period."""
_DAY = timedelta(days=1)

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

    @property
    def whose(self) -> tuple[Any, ...]:
        """The first four parameters of every block."""
        return (*self.place, self.question.period.start, self.question.period.end)


async def read_stats(
    connection: asyncpg.Connection, caller: Caller, subject: Subject, question: Question
) -> dict[str, Any]:
    """The body of a stats answer. Raises Refused where it would have to read too much."""
    body = await freshness(connection)
    asked = await _begin(connection, caller, subject, question)
    clicks, sales = await _steps(asked)
    body["totals"] = totals_of(clicks, sales, asked.classes)
    clicks_by, sales_by = _by_bucket(clicks), _by_bucket(sales)
    body["series"] = [
        step_of(start, clicks_by.get(number, ()), sales_by.get(number, ()), asked.classes)
        for number, start in enumerate(question.period.buckets, start=1)
    ]
    body["breakdowns"] = {
        name: class_rows(body["totals"]) if name == "class" else await _breakdown(asked, name)
        for name in question.breakdowns
    }
    return body


async def read_totals(
    connection: asyncpg.Connection, caller: Caller, subject: Subject, question: Question
) -> dict[str, Any]:
    """The totals alone."""
    asked = await _begin(connection, caller, subject, question)
    return totals_of(*await _steps(asked), asked.classes)


async def freshness(connection: asyncpg.Connection) -> dict[str, Any]:
    """How far the writer is: every click up to `as_of` is counted. None before the first flush."""
    row = await connection.fetchrow(SQL["stored_through"])
    if row is None or row["as_of"] is None:
        return {"as_of": None, "lag_seconds": None}
    return {"as_of": stamp(row["as_of"]), "lag_seconds": round(max(0.0, row["lag_s"]), 3)}


async def _begin(
    connection: asyncpg.Connection, caller: Caller, subject: Subject, question: Question
) -> Answering:
    """Find the place and decide whether the rollups know the answer."""
    filters = question.filters
    place = await place_of(connection, caller, subject, filters)
    wanted = filters.get("class")
    classes = CLASSES if not wanted else tuple(name for name in CLASSES if name in wanted)
    is_by_property = any(filters.get(name) for name in PROPERTIES)
    # Values of a dimension are not counted by class; the class alone is.
    is_split = bool(filters.get("class")) and any(name != "class" for name in question.breakdowns)
    asked = Answering(connection, question, place, classes, is_by_property or is_split)
    if asked.is_raw:
        await _check_bounds(asked)
    elif not _split_hours(question.period) and not days_of(question.period).edges_from:
        await connection.execute(SQL["plan_once"])
    return asked


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


async def _steps(asked: Answering) -> tuple[list[Any], list[Any]]:
    """Clicks and conversions by step."""
    fetch, period, model = asked.connection.fetch, asked.question.period, asked.question.model
    if asked.is_raw:
        values = _raw_values(asked)
        clicks = await fetch(RAW["click_counts"], *values)
        return clicks, await fetch(RAW["sale_counts"], *values, None, model)
    split = _split_hours(period)
    clicks = await fetch(SQL["click_steps"], *asked.whose, period.buckets, split)
    if split:
        clicks += await fetch(SQL["click_steps_within"], *asked.whose, period.buckets, split)
    if "valid" not in asked.classes:
        return clicks, []
    return clicks, await fetch(SQL["sale_steps"], *asked.whose, period.buckets, split, model)


def _raw_values(asked: Answering) -> tuple[Any, ...]:
    filters = asked.question.filters
    wanted = [list(filters[name]) if filters.get(name) else None for name in (*PROPERTIES, "class")]
    return (*asked.whose, asked.question.period.buckets, *wanted)


def _split_hours(period: Period) -> list[datetime]:
    """Hours (UTC) in which the period or a step begins or ends other than on the hour: half-hour time zones."""
    edges = (period.start, period.end, *period.buckets)
    inside = [edge for edge in edges if edge.minute or edge.second or edge.microsecond]
    return sorted(
        {
            edge.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            for edge in inside
            if period.start <= edge <= period.end
        }
    )


class Days(NamedTuple):
    """The whole days (UTC) of a period, and the parts of days before and after them."""

    start: datetime
    end: datetime
    edges_from: list[datetime]
    edges_to: list[datetime]


def days_of(period: Period) -> Days:
    """Days are whole or read from clicks; a period within one day has no whole one."""
    first = datetime.combine(
        (period.start - timedelta(microseconds=1) + _DAY).astimezone(UTC).date(), time.min, UTC
    )
    last = datetime.combine(period.end.astimezone(UTC).date(), time.min, UTC)
    if first > last:
        return Days(last, last, [period.start], [period.end])
    edges = [(period.start, first), (last, period.end)]
    edges = [(begin, end) for begin, end in edges if begin < end]
    return Days(first, last, [begin for begin, _end in edges], [end for _begin, end in edges])


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
    fetch, question, days = asked.connection.fetch, asked.question, days_of(asked.question.period)
    if asked.is_raw:
        values = _raw_values(asked)
        rows = await fetch(RAW["click_breakdown"], *values, name, question.top)
        return rows, await fetch(RAW["sale_counts"], *values, name, question.model)
    if asked.place.scope == "link" and name in OWNERS:
        rows = await fetch(SQL["link_values"], *asked.whose, name, question.top)
        return rows, await fetch(RAW["sale_counts"], *_raw_values(asked), name, question.model)
    span = (*asked.place, days.start, days.end, name)
    edges = (days.edges_from, days.edges_to)
    rows = await fetch(SQL["click_values"], *span, *edges, question.top + 1)
    wanted = [row["value"] for row in rows if not row["is_rest"]]
    return rows, await fetch(SQL["sale_values"], *span, wanted, *edges, question.model)


async def _names(asked: Answering, name: str, values: Sequence[str]) -> dict[str, str]:
    """Links are shown by their codes."""
    if name != "link":
        return {}
    rows = await asked.connection.fetch(SQL["codes_of"], [int(value) for value in values if value])
    return {row["value"]: row["short_code"] for row in rows}


def _by_bucket(rows: Sequence[Any]) -> dict[int, list[Any]]:
    buckets: dict[int, list[Any]] = {}
    for row in rows:
        buckets.setdefault(row["bucket"], []).append(row)
    return buckets
