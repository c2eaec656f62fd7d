"""The attribution models: each turns a journey into one integer weight a touch. Pure.

Every model has one signature, `Journey -> weights`; only the proportion of the weights means anything. The attributor
stores touches of the five in `STORED` for each conversion; those in `REPORTED` exist for reports. Sources of the
definitions: the rules page, section 1.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from attribution.allocation import allocate, integer_weights
from attribution.decay import decay_weights

POSITION_FIRST = Decimal("0.4")
POSITION_LAST = Decimal("0.4")
SHARE_DIGITS = 12
"""Decimals of a stored weight; they are split by largest remainder too, so that they sum to 1 exactly."""
DAY_MS = 86_400_000
_REMEMBERED = 4096


class Journey(NamedTuple):
    """The eligible touches of one conversion, sorted by (clicked_at, click_id), as columns."""

    clicked_ms: Sequence[int]
    partner_ids: Sequence[int]
    half_life_ms: int = 7 * DAY_MS
    lead_at: int | None = None
    """Which touch, counted from 0, brought the lead."""


Model = Callable[[Journey], Sequence[int]]


def first_click(journey: Journey) -> Sequence[int]:
    """All to the first touch."""
    return _only(0, len(journey.clicked_ms))


def last_click(journey: Journey) -> Sequence[int]:
    """All to the last touch."""
    return _only(len(journey.clicked_ms) - 1, len(journey.clicked_ms))


def linear(journey: Journey) -> Sequence[int]:
    """The same to every touch; a partner met twice counts twice."""
    return (1,) * len(journey.clicked_ms)


def time_decay(journey: Journey) -> Sequence[int]:
    """Half as much for each half-life before the newest touch."""
    newest = journey.clicked_ms[-1]
    return decay_weights([newest - at for at in journey.clicked_ms], journey.half_life_ms)


def position_based(journey: Journey) -> Sequence[int]:
    """Two fifths each to the first and the last touch, the rest evenly between."""
    return by_position(len(journey.clicked_ms), POSITION_FIRST, POSITION_LAST)


def w_shaped(journey: Journey) -> Sequence[int]:
    """Three tenths each to the first touch, the lead's touch and the last; one tenth to the others together."""
    keys = [0, len(journey.clicked_ms) - 1]
    if journey.lead_at is not None:
        keys.append(journey.lead_at)
    others = len(journey.clicked_ms) - len(set(keys))
    return [
        3 * max(others, 1) * keys.count(place) if place in keys else 1
        for place in range(len(journey.clicked_ms))
    ]


def distinct_partner(journey: Journey) -> Sequence[int]:
    """The same to every partner, at its first touch: the Shapley value where a sale needs all of them."""
    partners = list(journey.partner_ids)
    return [int(partners.index(partner) == place) for place, partner in enumerate(partners)]


STORED: dict[str, Model] = {
    "first_click": first_click,
    "last_click": last_click,
    "linear": linear,
    "time_decay": time_decay,
    "position_based": position_based,
}
REPORTED: dict[str, Model] = {"w_shaped": w_shaped, "distinct_partner": distinct_partner}


@lru_cache(_REMEMBERED)
def by_position(touches: int, first: Decimal, last: Decimal) -> tuple[int, ...]:
    """`first` and `last` to the ends, the rest evenly between; one or two touches share by the ends alone."""
    if touches == 1:
        return (1,)
    begin, end = Fraction(first), Fraction(last)
    if touches == 2:
        return tuple(integer_weights((begin, end))) if begin + end else (1, 1)
    middle = (1 - begin - end) / (touches - 2)
    return tuple(integer_weights([begin, *[middle] * (touches - 2), end]))


@lru_cache(_REMEMBERED)
def _only(place: int, touches: int) -> tuple[int, ...]:
    return tuple(int(at == place) for at in range(touches))


def touch_types(touches: int) -> tuple[str, ...]:
    """What each touch of a journey is: first, middle, last, or only."""
    return ("only",) if touches == 1 else ("first", *["middle"] * (touches - 2), "last")


def shares(weights: Sequence[int]) -> list[int]:
    """The weights in units of 10^-12, summing to exactly 10^12."""
    return allocate(10**SHARE_DIGITS, weights)


def share_of(units: int) -> Decimal:
    """Such a unit count as the decimal that is stored."""
    return Decimal(units).scaleb(-SHARE_DIGITS)


def primary_place(partner_ids: Sequence[int], weights: Sequence[int]) -> int:
    """The last touch of the partner with the largest weight; of equal partners, the one touched latest."""
    sums: dict[int, int] = {}
    last: dict[int, int] = {}
    for place, (partner, weight) in enumerate(zip(partner_ids, weights, strict=True)):
        sums[partner] = sums.get(partner, 0) + weight
        last[partner] = place
    return last[max(sums, key=lambda partner: (sums[partner], last[partner]))]
