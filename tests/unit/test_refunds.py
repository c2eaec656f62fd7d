"""Refunds: the golden cases, and the promise that any sequence ends where it should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.allocation import allocate
from attribution.refunds import Refund, deltas, is_full, refunded_of, remaining

START = datetime(2026, 1, 1, tzinfo=UTC)


def refund(number: int, amount: int | None, reason: str = "refund") -> Refund:
    return Refund(START + timedelta(days=number), f"R{number}", reason, amount)


def post(commission: int, value: int, weights: list[int], amounts: list[int]) -> list[list[int]]:
    """The deltas of each of these refunds, one after the other."""
    held = allocate(commission, weights)
    posted = []
    for count in range(1, len(amounts) + 1):
        refunds = [refund(at, amount) for at, amount in enumerate(amounts[:count])]
        refunded = refunded_of(value, refunds)
        left = remaining(
            commission, value, refunded, is_full=is_full(value, refunded, refunds), is_kept=False
        )
        posted.append(deltas(held, left, weights))
        held = [now + delta for now, delta in zip(held, posted[-1], strict=True)]
    return posted


@pytest.mark.parametrize(
    ("commission", "value", "amounts", "expected"),
    [
        (1000, 10_000, [3333, 3333, 3334], [[-111, -111, -111], [-112, -111, -111], [-111, -111, -111]]),
        (1000, 10_000, [1], [[0, 0, 0]]),
        (5, 100, [50, 50], [[-1, -1, 0], [-1, -1, -1]]),
    ],
)
def test_golden_refunds(commission: int, value: int, amounts: list[int], expected: list[list[int]]) -> None:
    assert post(commission, value, [1, 1, 1], amounts) == expected


@pytest.mark.parametrize(
    ("refunded", "is_kept", "left"), [(4999, True, 1000), (10_000, True, 0), (5000, False, 500)]
)
def test_flat_commissions_are_kept_until_the_refund_is_full(refunded: int, is_kept: bool, left: int) -> None:
    full = refunded == 10_000
    assert remaining(1000, 10_000, refunded, is_full=full, is_kept=is_kept) == left


def test_a_sale_of_nothing_is_refunded_by_its_newest_report() -> None:
    assert is_full(0, 0, [refund(1, None)])
    assert not is_full(0, 0, [refund(1, None), refund(2, None, "chargeback_reversed")])
    assert not is_full(0, 0, [])


def test_s3_a_reversed_chargeback_gives_back_what_it_took() -> None:
    reports = [refund(1, 3000), refund(2, None, "chargeback"), refund(3, 4000, "chargeback_reversed")]
    assert [refunded_of(10_000, reports[:count]) for count in (1, 2, 3)] == [3000, 10_000, 6000]


def test_more_than_the_sale_is_never_taken_back() -> None:
    assert refunded_of(100, [refund(1, 80), refund(2, 80)]) == 100
    assert refunded_of(100, [refund(1, 80, "chargeback_reversed")]) == 0


reports = st.lists(
    st.tuples(
        st.integers(0, 10**9) | st.none(), st.sampled_from(["refund", "chargeback", "chargeback_reversed"])
    ),
    max_size=8,
)


@given(st.integers(1, 10**9), reports, st.randoms())
def test_the_order_of_arrival_is_irrelevant(
    value: int, given_reports: list[tuple[int | None, str]], random: object
) -> None:
    refunds = [refund(number, *one) for number, one in enumerate(given_reports)]
    shuffled = list(refunds)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert refunded_of(value, refunds) == refunded_of(value, shuffled)


@given(
    st.integers(0, 10**9),
    st.integers(1, 10**9),
    st.lists(st.integers(0, 10**12), min_size=1, max_size=12).filter(any),
    st.lists(st.integers(0, 10**9), max_size=6),
)
def test_refunds_telescope_to_zero(commission: int, value: int, weights: list[int], cuts: list[int]) -> None:
    edges = sorted({0, value, *(cut % value for cut in cuts)})
    posted = post(commission, value, weights, [high - low for low, high in pairwise(edges)])
    whole = allocate(commission, weights)
    assert [sum(column) for column in zip(whole, *posted, strict=True)] == [0] * len(weights)
