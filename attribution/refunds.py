"""What refunds take back, by the cumulative method. Pure.

After each refund the commission that remains is calculated from the whole sale, split like the commission was, and
compared with what each touch still holds; the differences are posted. So repeated partial refunds never drift: a sale
refunded in full leaves exactly zero on every touch, in whatever order its refunds arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from attribution.allocation import allocate, round_half_away


class Refund(NamedTuple):
    """One report of money given back, or (reason chargeback_reversed) taken again. `amount` None: all of it."""

    occurred_at: datetime
    refund_id: str
    reason: str
    amount: int | None


def refunded_of(value: int, refunds: Iterable[Refund]) -> int:
    """How much of a sale of `value` is refunded once all these are counted: between nothing and all of it.

    They are taken in the order in which they happened, so that the order of arrival does not matter.
    """
    refunded = 0
    for refund in sorted(refunds, key=lambda one: (one.occurred_at, one.refund_id)):
        amount = value if refund.amount is None else refund.amount
        if refund.reason == "chargeback_reversed":
            refunded = max(0, refunded - amount)
        else:
            refunded = min(value, refunded + amount)
    return refunded


def is_full(value: int, refunded: int, refunds: Sequence[Refund]) -> bool:
    """Whether nothing of the sale is left. A sale of nothing is refunded by the newest report alone."""
    if value:
        return refunded == value
    newest = max(refunds, key=lambda one: (one.occurred_at, one.refund_id), default=None)
    return newest is not None and newest.reason != "chargeback_reversed"


def remaining(commission: int, value: int, refunded: int, *, is_full: bool, is_kept: bool) -> int:
    """The commission left; `is_kept` is a flat commission that a partial refund leaves alone."""
    if is_full:
        return 0
    if is_kept or not value:
        return commission
    return round_half_away(Fraction(commission * (value - refunded), value))


def deltas(held: Sequence[int], remaining: int, weights: Sequence[int]) -> list[int]:
    """What to post to each touch so that together they hold what remains."""
    return [target - now for target, now in zip(allocate(remaining, weights), held, strict=True)]
