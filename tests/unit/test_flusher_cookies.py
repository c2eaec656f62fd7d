"""A cookie's life: first and last valid click, expiry, and a new life after it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flusher.cookies import DAY_MS, CookieClick, begin, live
from schema.links import WINDOW_DAYS_MAX

START = 1_700_000_000_000


def click(day: float, window_days: int = 30, partner: int | None = None) -> CookieClick:
    return CookieClick((START + int(day * DAY_MS)) << 21, partner, None, window_days)


def test_the_first_click_stays_the_last_moves() -> None:
    life = live(None, [click(0, partner=1), click(1, partner=2), click(2, partner=3)])
    assert (life.first_click_id, life.first_partner_id) == (click(0).click_id, 1)
    assert (life.last_click_id, life.last_partner_id) == (click(2).click_id, 3)
    assert life.expires_ms == START + 32 * DAY_MS


def test_a_long_window_is_not_cut_by_a_short_one() -> None:
    assert live(None, [click(0, 90), click(1, 7)]).expires_ms == START + 90 * DAY_MS


def test_the_expiry_itself_still_belongs_to_the_life() -> None:
    assert live(None, [click(0, 30), click(30)]).first_click_id == click(0).click_id
    late = CookieClick(((START + 30 * DAY_MS) + 1) << 21, None, None, 30)
    assert live(None, [click(0, 30), late]).first_click_id == late.click_id


def test_a_window_of_no_days_ends_at_once() -> None:
    life = live(None, [click(0, 0), click(0.001, 0)])
    assert life.first_click_id == click(0.001).click_id
    assert life.expires_ms == click(0.001).click_id >> 21


def test_windows_are_bounded() -> None:
    assert begin(click(0, 10_000)).expires_ms == START + WINDOW_DAYS_MAX * DAY_MS
    assert begin(click(0, -5)).expires_ms == START


@given(
    st.lists(
        st.tuples(st.integers(0, 3_000), st.integers(0, 40)),
        min_size=1,
        max_size=30,
        unique_by=lambda c: c[0],
    ),
    st.integers(0, 30),
)
def test_a_life_may_be_carried_on_at_any_point(days: list[tuple[int, int]], cut: int) -> None:
    clicks = [click(day / 10, window) for day, window in sorted(days)]
    whole = live(None, clicks)
    first, second = clicks[:cut], clicks[cut:]
    if first and second:
        assert live(live(None, first), second) == whole
    assert whole.last_click_id == clicks[-1].click_id
    assert whole.expires_ms >= whole.last_click_id >> 21
    assert whole.first_click_id in {one.click_id for one in clicks}
