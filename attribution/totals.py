"""The totals of enrolments: what conversions add to them, moved in the transaction that changes the conversions.

Whoever writes conversions takes `totals_of` before and after and hands both to `move_totals`, so that totals always
equal a recount; `verify` does that recount with the same SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from attribution.terms import Connection
from schema.queries import load_queries

SQL = load_queries("attribution", "posting.sql")


class Total(NamedTuple):
    """What some conversions add to one enrolment."""

    conversions: int
    revenue: Decimal
    commission: Decimal
    newest: datetime | None


Totals = dict[tuple[int, int], Total]
"""By (version, partner)."""
NOTHING = Total(0, Decimal(0), Decimal(0), None)


async def totals_of(connection: Connection, numbers: Sequence[int]) -> Totals:
    """What these conversions add now."""
    if not numbers:
        return {}
    return {
        (row["campaign_version_id"], row["partner_id"]): Total(
            row["conversions"], Decimal(row["revenue"]), Decimal(row["commission"]), row["newest"]
        )
        for row in await connection.fetch(SQL["totals_of"], numbers)
    }


async def move_totals(connection: Connection, before: Totals, after: Totals) -> None:
    """Bring the enrolments from one to the other."""
    moved = []
    for pair in sorted(before.keys() | after.keys()):
        old, new = before.get(pair, NOTHING), after.get(pair, NOTHING)
        change = (
            new.conversions - old.conversions,
            new.revenue - old.revenue,
            new.commission - old.commission,
        )
        if any(change) or new.newest != old.newest:
            moved.append((*pair, *change, new.newest))
    if moved:
        await connection.execute(SQL["move_totals"], *map(list, zip(*moved, strict=True)))
