"""The writes that results, adjustments and milestones share: touches by COPY, credits, requests to attribute again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import BytesIO

from attribution.pricing import Credit
from attribution.terms import SQL as READ
from attribution.terms import Connection
from attribution.totals import SQL
from attribution.touch_rows import COLUMNS, HEADER, TRAILER
from schema.money import from_minor_units

CreditRow = tuple[int, int, int, Decimal, str, int]


async def copy_touches(connection: Connection, pieces: Iterable[bytes]) -> None:
    """Encoded touches, in one COPY."""
    stream = b"".join(pieces)
    if stream:
        source = BytesIO(HEADER + stream + TRAILER)
        await connection.copy_to_table("touches", source=source, columns=list(COLUMNS), format="binary")


def credit_rows(number: int, currency: str, earned: Iterable[Credit]) -> list[CreditRow]:
    """Credits of one conversion as rows."""
    return [
        (
            number,
            one.partner_id,
            one.version_id,
            from_minor_units(one.amount, currency),
            currency,
            one.touches,
        )
        for one in earned
    ]


async def add_credits(connection: Connection, rows: Sequence[CreditRow]) -> None:
    """Credits of any number of conversions."""
    if rows:
        await connection.execute(SQL["add_credits"], *map(list, zip(*rows, strict=True)))


async def ask_dependents(connection: Connection, numbers: Sequence[int]) -> None:
    """Have what depends on these conversions attributed again."""
    if not numbers:
        return
    by_reason: dict[str, list[int]] = {}
    for row in await connection.fetch(SQL["dependents"], numbers):
        by_reason.setdefault(row["reason"], []).append(row["conversion_event_id"])
    for reason, asked in sorted(by_reason.items()):
        await connection.execute(READ["ask_again"], asked, reason)
