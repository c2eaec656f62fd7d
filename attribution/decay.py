"""Powers of one half for `time_decay`, in integers only, so that every machine and version computes the same bits. Pure.

2^-x is the product of a shift (the whole half-lives) and of eight table entries (96 bits of the rest): 28 digits are
right, and whole half-lives are exact powers of two, which lets equal weights tie exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import isqrt

WEIGHT_BITS = 128
_STEP_BITS = 12
_STEPS = 8
_PART_BITS = _STEP_BITS * _STEPS
_TABLE_BITS = 320
_STEP_MASK = (1 << _STEP_BITS) - 1


def decay_weights(ages_ms: Sequence[int], half_life_ms: int) -> list[int]:
    """2^-(age / half-life) of each age, as integers of 2^-128. Ages count from the newest touch, which weighs 1."""
    tables = _tables()
    weights = []
    for age_ms in ages_ms:
        whole, rest = divmod(age_ms, half_life_ms)
        weight = 1 << WEIGHT_BITS
        if rest:
            part = (rest << _PART_BITS) // half_life_ms
            for table in tables:
                weight = weight * table[part & _STEP_MASK] >> WEIGHT_BITS
                part >>= _STEP_BITS
        weights.append(weight >> whole)
    return weights


@cache
def _tables() -> tuple[tuple[int, ...], ...]:
    """For each group of 12 bits, lowest first, the powers of one half that it can mean."""
    root = 1 << (_TABLE_BITS - 1)
    roots = []
    for bit in range(1, _PART_BITS + 1):
        root = isqrt(root << _TABLE_BITS)
        if bit % _STEP_BITS == 0:
            roots.append(_powers(root))
    return tuple(reversed(roots))


def _powers(root: int) -> tuple[int, ...]:
    power = 1 << _TABLE_BITS
    powers = []
    for _ in range(1 << _STEP_BITS):
        powers.append(power >> (_TABLE_BITS - WEIGHT_BITS))
        power = power * root >> _TABLE_BITS
    return tuple(powers)
