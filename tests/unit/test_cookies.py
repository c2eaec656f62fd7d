"""The attribution cookie: which value counts, how long it lives, how it is written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from redirector.cookies import CookiePolicy, max_age_s, read_cookie

POLICY = CookiePolicy()
ONE = "01a1f7ba-6819-7280-b09a-a5d076d6392f"
TWO = "01a1f7ba-6819-7280-b09a-000000000000"
DAY = 86_400


def test_the_first_valid_value_wins() -> None:
    """Malformed and foreign ones are passed over."""
    header = f"a=b; clk_id=garbage; clk_id={ONE}; clk_id={TWO}; clk_id_until=1900000000"
    assert read_cookie(header, POLICY) == (ONE, 1_900_000_000)


def test_foreign_cookies_are_none() -> None:
    """A name that merely ends alike, a version 4 UUID, an overlong time."""
    assert read_cookie(f"xclk_id={ONE}", POLICY) == (None, 0)
    assert read_cookie("clk_id=7a0dd8b4-6f0e-4c4e-9d2f-0e7c2a7d8b11; clk_id_until=" + "9" * 30, POLICY) == (
        None,
        0,
    )


@given(st.text(max_size=200))
def test_any_header_is_survived(header: str) -> None:
    """Also one that almost looks right."""
    read_cookie(header + "clk_id=" + header, POLICY)


def test_age_is_the_larger_of_rest_and_window_capped() -> None:
    """A later click with a shorter window never shortens the cookie; browsers keep 400 days at most."""
    now = 1_800_000_000
    assert max_age_s(now, 0, 30) == 30 * DAY
    assert max_age_s(now, now + 90 * DAY, 30) == 90 * DAY
    assert max_age_s(now, now - 5, 30) == 30 * DAY
    assert max_age_s(now, now + 9999 * DAY, 30) == 400 * DAY
    assert max_age_s(now, 0, 0) == 0


def test_cookies_are_written_for_their_scope() -> None:
    """Secure only on https, Domain only when configured."""
    plain = POLICY.write(ONE, 100, 60, is_secure=False)
    assert plain == (
        f"clk_id={ONE}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax",
        "clk_id_until=160; Path=/; Max-Age=60; HttpOnly; SameSite=Lax",
    )
    scoped = CookiePolicy("cid", ".go.example").write(ONE, 100, 60, is_secure=True)
    assert scoped[0].endswith("; HttpOnly; SameSite=Lax; Secure; Domain=.go.example")
    assert scoped[0].startswith("cid=")
