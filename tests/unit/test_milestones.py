"""Milestones: which ones a count has reached."""

from __future__ import annotations

from decimal import Decimal

from attribution.milestones import Milestone, bonus, reached

FIRST = Milestone(1, "sale", 1, "flat", Decimal(50))
CENTURY = Milestone(2, "sale", 100, "flat", Decimal(1000))
SIGN_UPS = Milestone(3, "signup", 1, "percentage", Decimal(5))
ALL = [SIGN_UPS, CENTURY, FIRST]


def test_r39_a_milestone_is_reached_once() -> None:
    assert reached(ALL, "sale", 1, ()) == [FIRST]
    assert reached(ALL, "sale", 99, {1}) == []
    assert reached(ALL, "sale", 100, {1}) == [CENTURY]


def test_r41_jumping_over_two_pays_both() -> None:
    assert reached(ALL, "sale", 250, ()) == [FIRST, CENTURY]


def test_r42_the_bonus_in_minor_units() -> None:
    assert [bonus(FIRST, 0, exponent) for exponent in (0, 2, 3)] == [50, 5000, 50_000]
    assert bonus(SIGN_UPS, 1010, 2) == 51
