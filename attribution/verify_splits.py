"""Works every stored split out again from its journey and frozen terms, with the attributor's own functions.

`verify` calls `count_wrong_splits` in its snapshot. What is compared: the commission with the one the partners' rates
give, and weight and value of each touch under each model. A batch of rows is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import asyncpg

from attribution.allocation import allocate, round_half_away
from attribution.conversion_rows import exact_json
from attribution.models import SHARE_DIGITS, shares
from attribution.moments import micros_of
from attribution.pricing import frozen_weights
from attribution.touch_rows import Touch
from schema.money import minor_units
from schema.queries import load_queries

SQL = load_queries("attribution", "verify_splits.sql")
BATCH_ROWS = 2_000
EXAMPLES_MAX = 5


async def count_wrong_splits(connection: asyncpg.Connection) -> tuple[int, int, list[str]]:
    """How many splits there are, how many are wrong, and some of those."""
    examined = violations = 0
    examples: list[str] = []
    cursor = await connection.cursor(SQL["splits"])
    while rows := await cursor.fetch(BATCH_ROWS):
        for row in rows:
            examined += 1
            fault = _fault(row)
            if fault is not None:
                violations += 1
                examples += [f"conversion {row['conversion_event_id']} {row['attribution_type']}: {fault}"]
        del examples[EXAMPLES_MAX:]
    return examined, violations, examples


def _fault(row: Any) -> str | None:
    """What is wrong with one conversion's split under one model."""
    try:
        terms = exact_json(row["terms"])
        amount = minor_units(row["commission_amount"] or Decimal(0), row["currency"])
        weights, split_by = frozen_weights(list(_touches(row)), terms)
        model = row["attribution_type"]
        wanted = allocate(amount, split_by[model])
        stored = [minor_units(value, row["currency"]) for value in row["amounts"]]
        if wanted != stored:
            return f"values {stored}, worked out {wanted}"
        if shares(weights[model]) != [int(weight.scaleb(SHARE_DIGITS)) for weight in row["weights"]]:
            return "weights differ"
        return _commission_fault(amount, row, weights[row["paying"]], terms)
    except (ArithmeticError, ValueError, KeyError, TypeError) as error:
        return f"cannot be worked out: {error!r}"[:200]


def _commission_fault(amount: int, row: Any, paying: Any, terms: Mapping[str, Any]) -> str | None:
    """The commission is what the frozen rates give, rounded once."""
    exact = {int(number): Fraction(one["exact"]) for number, one in terms["partners"].items()}
    if terms["pricing"] == "per_partner":
        parts = zip(paying, row["partner_ids"], strict=True)
        worked_out = round_half_away(
            sum((weight * exact[partner] for weight, partner in parts), Fraction()) / sum(paying)
        )
    else:
        (only,) = exact.values()
        worked_out = round_half_away(only)
    return None if worked_out == amount else f"commission {amount}, worked out {worked_out}"


def _touches(row: Any) -> Iterator[Touch]:
    columns: tuple[list[datetime], list[int | None], list[int]] = (
        row["moments"],
        row["click_ids"],
        row["partner_ids"],
    )
    for moment, click_id, partner_id in zip(*columns, strict=True):
        yield Touch(micros_of(moment), click_id, partner_id, 0, None, None, "high")
