"""Models and the split: the golden cases of the rules page, and properties for everything else."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.allocation import allocate, integer_weights, round_half_away
from attribution.decay import WEIGHT_BITS, decay_weights
from attribution.models import (
    DAY_MS,
    REPORTED,
    STORED,
    Journey,
    by_position,
    primary_place,
    share_of,
    shares,
    touch_types,
)

MODELS = STORED | REPORTED
ABA = [("A", 3), ("B", 2), ("A", 1)]


def journey(touches: list[tuple[str, float]], half_life: int = 7, lead_at: int | None = None) -> Journey:
    """Touches as (partner, days before the conversion), oldest first."""
    clicked = [round(-days * DAY_MS) for _, days in touches]
    return Journey(clicked, [ord(partner) for partner, _ in touches], half_life * DAY_MS, lead_at)


@pytest.mark.parametrize(
    ("touches", "model", "pool", "expected"),
    [
        (ABA, "first_click", 1000, [1000, 0, 0]),
        (ABA, "last_click", 1000, [0, 0, 1000]),
        (ABA, "linear", 1000, [334, 333, 333]),
        (ABA, "position_based", 1000, [400, 200, 400]),
        (ABA, "time_decay", 1000, [301, 332, 367]),
        (ABA, "distinct_partner", 1000, [500, 500, 0]),
        (ABA, "linear", 1, [1, 0, 0]),
        (ABA, "linear", 2, [1, 1, 0]),
        (ABA, "linear", -1000, [-334, -333, -333]),
        ([("A", 14), ("B", 7), ("C", 0)], "time_decay", 1000, [143, 286, 571]),
        ([("A", 5), ("B", 4)], "position_based", 1001, [501, 500]),
        ([("A", 4), ("B", 3), ("C", 2), ("D", 1)], "position_based", 999, [400, 100, 100, 399]),
        ([("A", 7 - at) for at in range(7)], "linear", 100, [15, 15, 14, 14, 14, 14, 14]),
        ([("A", 90), ("B", 0)], "time_decay", 100_000, [13, 99_987]),
        ([("A", 4), ("B", 3), ("C", 2), ("D", 1)], "w_shaped", 10_000, [4286, 714, 714, 4286]),
    ],
)
def test_golden_cases(touches: list[tuple[str, float]], model: str, pool: int, expected: list[int]) -> None:
    assert allocate(pool, MODELS[model](journey(touches))) == expected


def test_golden_one_day_half_life() -> None:
    assert allocate(700, STORED["time_decay"](journey([("A", 2), ("B", 1), ("C", 0)], 1))) == [100, 200, 400]


def test_golden_w_shaped_with_a_lead() -> None:
    five = journey([("A", 5), ("B", 4), ("C", 3), ("D", 2), ("E", 1)], lead_at=2)
    assert allocate(10_000, REPORTED["w_shaped"](five)) == [3000, 500, 3000, 500, 3000]


@pytest.mark.parametrize("model", MODELS)
def test_golden_single_touch(model: str) -> None:
    assert allocate(999, MODELS[model](journey([("A", 3)]))) == [999]


@pytest.mark.parametrize(("pool", "expected"), [(3, [1, 1, 1]), (4, [0, 2, 2])])
def test_the_alabama_paradox_is_accepted(pool: int, expected: list[int]) -> None:
    assert allocate(pool, [1, 3, 3]) == expected


def test_r34_the_seed_example_in_stored_cents() -> None:
    linear = STORED["linear"](journey(ABA))
    assert [share_of(unit) for unit in shares(linear)] == [
        Decimal("0.333333333334"),
        Decimal("0.333333333333"),
        Decimal("0.333333333333"),
    ]
    assert allocate(1000, linear) == [334, 333, 333]


def test_r33_touch_types() -> None:
    assert touch_types(1) == ("only",)
    assert touch_types(2) == ("first", "last")
    assert touch_types(4) == ("first", "middle", "middle", "last")


def test_a3_the_primary_partner_weighs_most_and_of_equals_came_last() -> None:
    assert primary_place([1, 2, 1], [1, 1, 1]) == 2
    assert primary_place([1, 2], [1, 1]) == 1
    assert primary_place([1, 2, 3], [5, 3, 1]) == 0


weights_lists = st.lists(st.integers(0, 10**40), min_size=1, max_size=30)


@given(st.integers(-(10**18), 10**18), weights_lists)
def test_r31_the_parts_sum_to_the_pool(pool: int, weights: list[int]) -> None:
    parts = allocate(pool, weights)
    assert sum(parts) == (pool if any(weights) else 0)
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert part == 0 if weight == 0 else abs(part * total - pool * weight) < total
    assert allocate(-pool, weights) == [-part for part in parts]


@given(
    st.lists(st.tuples(st.integers(0, 400 * DAY_MS), st.integers(1, 4)), min_size=1, max_size=30),
    st.integers(0, 10**12),
    st.integers(1, 40_000),
    st.sampled_from(sorted(STORED)),
)
def test_r31_r32_every_model_splits_exactly_and_repeatably(
    touches: list[tuple[int, int]], pool: int, half_life: int, model: str
) -> None:
    touches.sort()
    one = Journey([at for at, _ in touches], [partner for _, partner in touches], half_life * 864_000)
    weights = STORED[model](one)
    assert sum(allocate(pool, weights)) == pool
    assert sum(shares(weights)) == 10**12
    assert list(STORED[model](one)) == list(weights)
    moved = one._replace(clicked_ms=[at + 5 * DAY_MS for at in one.clicked_ms])
    assert list(STORED[model](moved)) == list(weights)


@given(st.integers(0, 400 * DAY_MS), st.integers(1, 999_999))
def test_decay_agrees_with_a_fifty_digit_decimal(age_ms: int, half_life_hundredths: int) -> None:
    half_life_ms = half_life_hundredths * 864_000
    (weight,) = decay_weights([age_ms], half_life_ms)
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(2) ** (-Decimal(age_ms) / half_life_ms)
        got = Decimal(weight) / (1 << WEIGHT_BITS)
        assert abs(got - exact) <= Decimal("1e-28")


def test_decay_is_the_same_everywhere() -> None:
    weights = decay_weights([1, 86_400_000, 604_800_000, 1_234_567_890], 604_800_000)
    assert [f"{weight:x}" for weight in weights] == DECAY_OF_THIS_ALGORITHM


DECAY_OF_THIS_ALGORITHM = [
    "fffffffb13e0175e2de10f4026df22b2",
    "e7dd818d3a0d24f7aed010f86e79de83",
    "80000000000000000000000000000000",
    "3e31d070700663bfe03e4d090cbe6642",
]


@given(st.integers(3, 30), st.integers(0, 50), st.integers(0, 50))
def test_position_weights_are_the_given_fractions(touches: int, first: int, last: int) -> None:
    weights = by_position(touches, Decimal(first) / 100, Decimal(last) / 100)
    total = sum(weights)
    assert Fraction(weights[0], total) == Fraction(first, 100)
    assert Fraction(weights[-1], total) == Fraction(last, 100)
    assert len(set(weights[1:-1])) == 1


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [
        (Fraction(21, 2), 11),
        (Fraction(-21, 2), -11),
        (Fraction(1, 3), 0),
        (Fraction(2, 3), 1),
        (Fraction(5), 5),
    ],
)
def test_halves_round_away_from_zero(amount: Fraction, rounded: int) -> None:
    assert round_half_away(amount) == rounded


@given(st.lists(st.fractions(0, 1), min_size=1, max_size=10))
def test_integer_weights_keep_the_proportion(fractions: list[Fraction]) -> None:
    weights = integer_weights(fractions)
    assert all(
        a * y == b * x
        for x, a in zip(weights, fractions, strict=True)
        for y, b in zip(weights, fractions, strict=True)
    )
