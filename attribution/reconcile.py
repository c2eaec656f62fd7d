"""Sets three accounts side by side: facts, rollups, and the totals kept with enrolments, with their differences.

`GET /v1/reconcile` shows what the caller may see of them; everything is 0 apart in a sound ledger.
"""

from __future__ import annotations

from typing import Any

import asyncpg

from attribution.faults import Fault, Refused
from attribution.keys import Caller
from attribution.periods import Period
from attribution.stats import Question, freshness, read_totals
from attribution.stats_figures import money_text
from attribution.stats_scope import SQL as ROLLUPS
from attribution.stats_scope import Subject, place_of
from schema.queries import load_queries

SQL = load_queries("attribution", "reconcile.sql")

CLICKS_READ_MAX = 5_000_000
ROWS_MAX = 1_000


async def reconcile(connection: asyncpg.Connection, caller: Caller, period: Period) -> dict[str, Any]:
    """The accounts of a period, and the enrolments whose totals (of all time) differ. Raises Refused."""
    place = await place_of(connection, caller, Subject(), {})
    bounds = await connection.fetchrow(ROLLUPS["clicks_to_read"], *place, period.start, period.end)
    assert bounds is not None
    if bounds["clicks"] > CLICKS_READ_MAX:
        raise Refused(
            [Fault("start", f"{bounds['clicks']:,} clicks would have to be read: ask for a shorter period")]
        )
    if bounds["dropped"]:
        raise Refused([Fault("start", "clicks of that time have been dropped and cannot be counted again")])
    told = await read_totals(connection, caller, Subject(), Question(period, {}))
    clicks = await connection.fetchrow(SQL["clicks_counted"], period.start, period.end)
    assert clicks is not None
    sales = await connection.fetch(SQL["sales_counted"], period.start, period.end)
    apart = await connection.fetch(SQL["totals_apart"], ROWS_MAX)
    accounts = {
        name: _account(clicks[column], told[name])
        for name, column in (("gross", "gross"), ("clicks", "clicks"), ("unique", "uniques"))
    }
    accounts["conversions"] = _account(sum(row["conversions"] for row in sales), told["conversions"])
    money = {name: _money(sales, told, name) for name in ("revenue", "commission")}
    is_ok = not apart and all(entry["difference"] == 0 for entry in accounts.values())
    is_ok = is_ok and all(entry["raw"] == entry["rollups"] for entry in money.values())
    rows = [{name: value for name, value in row.items() if name != "apart"} for row in apart]
    enrolments = {"apart": apart[0]["apart"] if apart else 0, "rows": rows}
    return await freshness(connection) | {"ok": is_ok} | accounts | money | {"enrolments": enrolments}


def _account(raw: int, rollups: int) -> dict[str, int]:
    return {"raw": raw, "rollups": rollups, "difference": rollups - raw}


def _money(sales: list[Any], told: dict[str, Any], name: str) -> dict[str, dict[str, str]]:
    raw = {row["currency"]: money_text(row[name], row["currency"]) for row in sales if row[name]}
    return {"raw": dict(sorted(raw.items())), "rollups": told[name]}
