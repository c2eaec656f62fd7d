"""Splits an amount exactly: the method of largest remainders on integers. Pure.

Comes in: a pool in minor units and one integer weight a touch, in journey order. Goes out: one amount a touch, whose
sum is the pool. Models, refunds and stored weights all split through here; nothing else divides money.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm


def allocate(pool: int, weights: Sequence[int]) -> list[int]:
    """The pool split in proportion to the weights; a tie of remainders goes to the earlier place.

    Zeros where the pool or every weight is zero. A negative pool is split as its opposite, with the sign turned.
    """
    if pool < 0:
        return [-part for part in allocate(-pool, weights)]
    total = sum(weights)
    if not pool or not total:
        return [0] * len(weights)
    parts = []
    remainders = []
    for weight in weights:
        part, remainder = divmod(pool * weight, total)
        parts.append(part)
        remainders.append(remainder)
    left = pool - sum(parts)
    if left:
        # A stable sort keeps equal remainders in journey order. More places have a remainder than units are left,
        # so a weight of zero never receives one.
        for place in sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)[:left]:
            parts[place] += 1
    return parts


def integer_weights(shares: Sequence[Fraction]) -> list[int]:
    """Integers in exactly the proportion of these fractions."""
    scale = lcm(*(share.denominator for share in shares))
    return [share.numerator * (scale // share.denominator) for share in shares]


def round_half_away(amount: Fraction) -> int:
    """The nearest integer, halves away from zero: 10.5 is 11 and -10.5 is -11."""
    numerator, denominator = amount.numerator, amount.denominator
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude
