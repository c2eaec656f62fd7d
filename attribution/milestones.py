"""Which milestones a partner has reached. Pure.

The caller counts conversions under a lock on the enrolment and records each milestone named here once; a unique key
on partner and milestone makes a second recording impossible.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from attribution.allocation import round_half_away


class Milestone(NamedTuple):
    """A bonus promised for a number of conversions of one event type."""

    milestone_id: int
    event: str
    target_count: int
    reward_type: str
    reward_value: Decimal


def reached(milestones: Iterable[Milestone], event: str, count: int, had: Collection[int]) -> list[Milestone]:
    """Those for this event whose target the count has reached or jumped over and that were not paid before."""
    return sorted(
        (
            one
            for one in milestones
            if one.event == event and one.target_count <= count and one.milestone_id not in had
        ),
        key=lambda one: (one.target_count, one.milestone_id),
    )


def bonus(milestone: Milestone, value: int, exponent: int) -> int:
    """Its reward in minor units; a percentage is one of the sale that reached it."""
    if milestone.reward_type == "percentage":
        return round_half_away(Fraction(milestone.reward_value) * value / 100)
    return round_half_away(Fraction(milestone.reward_value) * 10**exponent)
