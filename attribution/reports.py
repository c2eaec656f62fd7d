"""The models that speak of a whole period instead of one conversion: Markov removal effect and Shapley value. Pure.

`period_reports` reads the counts and calls these; everything is exact, in integers and fractions, and is rounded only
where it is shown. Definitions: the rules page, section 1.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

PARTNERS_MAX = 100
"""Solving for this many takes a second or two; it grows with the cube."""


class Transition(NamedTuple):
    """How many journeys went from one partner to another. No `before`: from the start. No `after`: to the end, bought
    or not."""

    before: int | None
    after: int | None
    is_converted: bool | None
    times: int


class Removal(NamedTuple):
    """The chain's probability of a conversion, and how much of it goes with each partner."""

    probability: Fraction
    conversions: int
    journeys: int
    effects: Mapping[int, Fraction]

    def shares(self) -> dict[int, Fraction]:
        """Each partner's part of all effects; sums to 1 where there is any effect."""
        total = sum(self.effects.values(), Fraction(0))
        return {partner: effect / total if total else Fraction(0) for partner, effect in self.effects.items()}


def removal_effects(transitions: Iterable[Transition]) -> Removal:
    """The removal effect of each partner in the absorbing chain of first order.

    P(without i) is P(conversion without ever meeting i), for removal sends whoever enters i to the end without a
    purchase. With A = totals - counts, an integer matrix, one inverse answers for all partners at once: a journey from
    the start ever meets i with probability F_i = (s A^-1)_i / A^-1_ii, and so RE_i = F_i P_i / P.
    """
    counts: dict[tuple[int | None, int], int] = {}
    bought: dict[int, int] = {}
    totals: dict[int, int] = {}
    for before, after, is_converted, times in transitions:
        if before is not None:
            totals[before] = totals.get(before, 0) + times
        if after is not None:
            counts[before, after] = counts.get((before, after), 0) + times
        elif before is not None and is_converted:
            bought[before] = bought.get(before, 0) + times
    partners = sorted(totals)
    starts = [counts.get((None, partner), 0) for partner in partners]
    journeys, conversions = sum(starts), sum(bought.values())
    if not conversions:
        return Removal(Fraction(0), 0, journeys, dict.fromkeys(partners, Fraction(0)))
    matrix = [
        [(totals[row] if row == column else 0) - counts.get((row, column), 0) for column in partners]
        for row in partners
    ]
    adjugate, determinant = invert(matrix)
    ends = [bought.get(partner, 0) for partner in partners]
    from_each = [_dot(row, ends) for row in adjugate]
    probability = Fraction(_dot(starts, from_each), journeys * determinant)
    effects = {}
    for place, partner in enumerate(partners):
        met = Fraction(_dot(starts, [row[place] for row in adjugate]), journeys * adjugate[place][place])
        effects[partner] = met * Fraction(from_each[place], determinant) / probability
    return Removal(probability, conversions, journeys, effects)


def invert(matrix: Sequence[Sequence[int]]) -> tuple[list[list[int]], int]:
    """The inverse of an integer matrix as (adjugate, determinant), by elimination without fractions (Bareiss).

    Made for matrices with a dominant diagonal, whose leading minors are positive: no pivot is zero.
    """
    size = len(matrix)
    rows = [[*row, *(int(at == place) for at in range(size))] for place, row in enumerate(matrix)]
    previous = 1
    for place, pivot_row in enumerate(rows):
        pivot = pivot_row[place]
        for at, row in enumerate(rows):
            if at != place:
                factor = row[place]
                rows[at] = [
                    (pivot * one - factor * other) // previous
                    for one, other in zip(row, pivot_row, strict=True)
                ]
        previous = pivot
    return [row[size:] for row in rows], previous


def _dot(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(a * b for a, b in zip(one, other, strict=True))


def shapley_values(counts: Iterable[tuple[int, int, int]]) -> dict[int, Fraction]:
    """The Shapley value of each partner where a sale needs every partner of its journey.

    Comes in as (partner, partners of the journey, conversions): each of the k partners of a sale is worth 1/k of it.
    """
    values: dict[int, Fraction] = {}
    for partner, together, conversions in counts:
        values[partner] = values.get(partner, Fraction(0)) + Fraction(conversions, together)
    return values
