"""Which clicks may earn: one case a verdict, and the edges of the window to the microsecond."""

from __future__ import annotations

from typing import Any

import pytest

from attribution.eligibility import (
    DAY_US,
    MEANING,
    Candidate,
    Standing,
    Verdict,
    earliest,
    is_held_for,
    judge,
)

SALE_US = 1_000 * DAY_US


def candidate(**fields: Any) -> Candidate:
    given = Candidate(SALE_US - DAY_US, 1, "valid", False, 7, 3, 1, 30, None)
    return given._replace(**fields)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, Verdict.ELIGIBLE),
        ({"click_class": "bot"}, Verdict.NOT_VALID),
        ({"click_class": "double"}, Verdict.NOT_VALID),
        ({"click_class": "noconsent"}, Verdict.NOT_VALID),
        ({"is_deleted": True}, Verdict.DELETED),
        ({"partner_id": None}, Verdict.PLAIN_LINK),
        ({"campaign_version_id": None}, Verdict.PLAIN_LINK),
        ({"vendor_id": 2}, Verdict.OTHER_VENDOR),
        ({"clicked_us": SALE_US + 1}, Verdict.AFTER_CONVERSION),
        ({"clicked_us": SALE_US}, Verdict.ELIGIBLE),
        ({"clicked_us": SALE_US - 30 * DAY_US}, Verdict.ELIGIBLE),
        ({"clicked_us": SALE_US - 30 * DAY_US - 1}, Verdict.WINDOW_CLOSED),
        ({"clicked_us": SALE_US - 31 * DAY_US, "window_days": 31}, Verdict.ELIGIBLE),
        ({"clicked_us": SALE_US, "window_days": 0}, Verdict.ELIGIBLE),
        ({"clicked_us": SALE_US - 1, "window_days": 0}, Verdict.WINDOW_CLOSED),
        ({"clicked_us": SALE_US - 400 * DAY_US, "window_days": 400}, Verdict.ELIGIBLE),
    ],
)
def test_w1_f2_verdicts(fields: dict[str, Any], verdict: Verdict) -> None:
    assert judge(candidate(**fields), 1, SALE_US) == verdict


@pytest.mark.parametrize(
    "verdict", [Verdict.PARTNER_SUSPENDED, Verdict.ENROLMENT_ENDED, Verdict.CAMPAIGN_PAUSED]
)
def test_f3_a_click_after_the_end_is_no_touch_and_an_earlier_one_is_held(verdict: Verdict) -> None:
    standing = Standing(SALE_US - DAY_US, verdict)
    assert judge(candidate(standing=standing), 1, SALE_US) == verdict
    earlier = candidate(standing=standing, clicked_us=SALE_US - DAY_US - 1)
    assert judge(earlier, 1, SALE_US) == Verdict.ELIGIBLE
    assert is_held_for(standing, SALE_US) == verdict
    assert is_held_for(standing, SALE_US - DAY_US - 1) is None
    assert is_held_for(None, SALE_US) is None


def test_the_reason_that_came_first_counts() -> None:
    first = Standing(1, Verdict.CAMPAIGN_PAUSED)
    assert earliest([Standing(2, Verdict.PARTNER_SUSPENDED), None, first]) == first
    assert earliest([None, None]) is None


def test_every_verdict_has_a_meaning() -> None:
    assert set(MEANING) == set(Verdict)
