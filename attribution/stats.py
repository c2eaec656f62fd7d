"""What a link, or everything a caller may see, did in a period: totals, a series, breakdowns.

The API hands over a connection that already is the caller's tenant. `clicks` are the valid ones, `gross` is every
stored request, and gross = clicks + filtered always; money is a decimal string by currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

import asyncpg

from attribution.periods import Period
from schema.queries import load_queries

SQL = load_queries("attribution", "stats.sql")

DIMENSIONS = (
    "country", "device", "browser", "os", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_content",
    "utm_term", "link", "partner", "campaign", "class",
)  # fmt: skip
RATE = Decimal("0.0001")

Rows = Sequence[Any]
"""Records of one of the blocks."""


class Scope(NamedTuple):
    """What is counted: one link or all, narrowed by values of dimensions; commission under the model that pays or one."""

    link_id: int | None
    filters: Mapping[str, Sequence[str]]
    model: str | None = None

    def values(self, period: Period) -> list[Any]:
        """The parameters every block shares."""
        wanted = [list(self.filters[name]) if self.filters.get(name) else None for name in DIMENSIONS]
        return [period.start, period.end, period.buckets, self.link_id, *wanted]


async def read_stats(
    connection: asyncpg.Connection,
    period: Period,
    scope: Scope,
    breakdowns: Sequence[str] = (),
    top: int = 10,
) -> dict[str, Any]:
    """The body of a stats answer."""
    clicks, conversions = await _counts(connection, period, scope)
    body = await freshness(connection)
    body["totals"] = _with_ratios(_sum(clicks, conversions))
    clicks_by, conversions_by = _by_bucket(clicks), _by_bucket(conversions)
    body["series"] = [
        {"start": stamp(start)} | _series_entry(clicks_by.get(number, ()), conversions_by.get(number, ()))
        for number, start in enumerate(period.buckets, start=1)
    ]
    body["breakdowns"] = {
        name: await _breakdown(connection, period, scope, name, top) for name in dict.fromkeys(breakdowns)
    }
    return body


async def read_totals(connection: asyncpg.Connection, period: Period, scope: Scope) -> dict[str, Any]:
    """The totals alone."""
    return _with_ratios(_sum(*await _counts(connection, period, scope)))


async def _counts(connection: asyncpg.Connection, period: Period, scope: Scope) -> tuple[Rows, Rows]:
    clicks = await connection.fetch(SQL["click_counts"], *scope.values(period))
    return clicks, await connection.fetch(SQL["conversion_counts"], *scope.values(period), scope.model)


async def freshness(connection: asyncpg.Connection) -> dict[str, Any]:
    """How far the writer is: every click up to `as_of` is counted. None before the first flush."""
    row = await connection.fetchrow(SQL["stored_through"])
    if row is None or row["as_of"] is None:
        return {"as_of": None, "lag_seconds": None}
    return {"as_of": stamp(row["as_of"]), "lag_seconds": round(max(0.0, row["lag_s"]), 3)}


async def _breakdown(
    connection: asyncpg.Connection, period: Period, scope: Scope, name: str, top: int
) -> list[dict[str, Any]]:
    rows = await connection.fetch(SQL["click_breakdown"], *scope.values(period), name, top)
    return [
        {"value": row["value"], "clicks": row["clicks"], "gross": row["gross"], "unique": row["uniques"]}
        for row in rows
    ]


def _sum(clicks: Rows, conversions: Rows) -> dict[str, Any]:
    """Counts of rows by class and of conversions by currency, added up."""
    by_class: dict[str, int] = {}
    for row in clicks:
        by_class[row["click_class"]] = by_class.get(row["click_class"], 0) + row["gross"]
    valid = by_class.pop("valid", 0)
    return {
        "clicks": valid,
        "gross": valid + sum(by_class.values()),
        "filtered": dict(sorted(by_class.items())),
        "unique": sum(row["uniques"] for row in clicks),
        "conversions": sum(row["conversions"] for row in conversions),
        "revenue": _money(conversions, "revenue"),
        "commission": _money(conversions, "commission"),
    }


def _series_entry(clicks: Rows, conversions: Rows) -> dict[str, Any]:
    entry = _sum(clicks, conversions)
    del entry["filtered"]
    return entry


def _by_bucket(rows: Rows) -> dict[int, list[Any]]:
    buckets: dict[int, list[Any]] = {}
    for row in rows:
        buckets.setdefault(row["bucket"], []).append(row)
    return buckets


def _with_ratios(totals: dict[str, Any]) -> dict[str, Any]:
    """The totals with conversion rate and earnings per click, both None-free: 0 clicks give a rate of 0."""
    clicks = totals["clicks"]
    rate = Decimal(totals["conversions"]) / clicks if clicks else Decimal(0)
    epc = {
        currency: str((Decimal(amount) / clicks).quantize(RATE, ROUND_HALF_UP))
        for currency, amount in totals["commission"].items()
        if clicks
    }
    return totals | {"conversion_rate": str(rate.quantize(RATE, ROUND_HALF_UP)), "epc": epc}


def _money(rows: Rows, name: str) -> dict[str, str]:
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + row[name]
    return {currency: decimal_text(amount) for currency, amount in sorted(sums.items())}


def decimal_text(amount: Decimal) -> str:
    """An amount with the decimals it has, at least two: 12.00, 0.125."""
    text = f"{amount:f}".rstrip("0") if "." in f"{amount:f}" else f"{amount:f}."
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
