"""The restart policy: quick at first, slower each time, bounded, forgiving."""

from __future__ import annotations

from clickledger.restarts import DELAY_SECONDS_MAX, DELAY_SECONDS_MIN, STEADY_SECONDS, Backoff


def test_delays_double_up_to_the_bound() -> None:
    backoff = Backoff(dice=lambda: 1.0)
    delays = [backoff.delay_after(0) for _ in range(2000)]
    assert delays[:4] == [DELAY_SECONDS_MIN * factor for factor in (1, 2, 4, 8)]
    assert max(delays) == delays[-1] == DELAY_SECONDS_MAX


def test_half_of_a_delay_is_jitter() -> None:
    assert Backoff(dice=lambda: 0.0).delay_after(0) == DELAY_SECONDS_MIN / 2


def test_a_long_life_is_forgiven() -> None:
    backoff = Backoff(dice=lambda: 1.0)
    for _ in range(10):
        backoff.delay_after(0)
    assert backoff.delay_after(STEADY_SECONDS) == DELAY_SECONDS_MIN
