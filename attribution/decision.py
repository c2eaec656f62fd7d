"""Decides one conversion's journey: which candidates are touches, who is held back, which model pays. Pure.

Comes in: a conversion, its candidate clicks, the coupon's owner or the first sale it follows, and the catalogue of
terms. Goes out: a `Decision`; `pricing` puts money to it, `explain` shows its verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from attribution.conversion_rows import Conversion
from attribution.eligibility import Candidate, Verdict, is_held_for, judge
from attribution.models import STORED, Journey, primary_place
from attribution.moments import click_micros, months_after
from attribution.terms import Catalogue
from attribution.touch_rows import Touch

FOLLOWING = frozenset({"upgrade"})
"""Event types that go to the customer's first partner without naming a first sale, unless its campaign says otherwise."""


class Found(NamedTuple):
    """A candidate click, and what matched it."""

    click_id: int
    partner_link_id: int
    partner_id: int | None
    version_id: int | None
    cookie_id: UUID | None
    confidence: str
    matched_by: str
    click_class: str = "valid"
    is_deleted: bool = False


class Coupon(NamedTuple):
    """The one partner a coupon belongs to."""

    partner_id: int
    version_id: int


class Parent(NamedTuple):
    """The first sale a renewal follows, with its journey and model; the touches are empty where it earned nobody."""

    number: int
    occurred_at: datetime
    is_settled: bool
    model: str
    half_life_ms: int
    version_id: int | None
    touches: Sequence[Touch]


class Judged(NamedTuple):
    """A candidate with its verdict."""

    found: Found
    verdict: Verdict


class Decision(NamedTuple):
    """What a conversion's journey is. No touches: nobody earns, and `reason` says why."""

    conversion: Conversion
    touches: Sequence[Touch] = ()
    judged: Sequence[Judged] = ()
    reason: str | None = None
    model: str = "last_click"
    half_life_ms: int = 1
    matched_by: str | None = None
    cookie_id: UUID | None = None
    holds: tuple[str, ...] = ()
    parent: int | None = None
    primary: Touch | None = None
    """The newest touch of the partner with the largest weight under the paying model: whose rate prices it."""


def decide(
    conversion: Conversion,
    found: Iterable[Found],
    catalogue: Catalogue,
    coupon: Coupon | None = None,
    parent: Parent | None = None,
) -> Decision:
    """The journey: the first sale's for a renewal, the coupon's owner's where the coupon wins, else all eligible."""
    if parent is not None and follows(conversion, parent, catalogue):
        return _follow(conversion, parent, catalogue)
    judged = judge_all(conversion, found, catalogue)
    eligible = [one.found for one in judged if one.verdict is Verdict.ELIGIBLE]
    if coupon is not None:
        judged, eligible, touches = _with_coupon(conversion, judged, eligible, coupon, catalogue)
        if touches:
            return _decision(conversion, judged, touches, "coupon", catalogue)
    if not eligible:
        return Decision(conversion, judged=judged, reason="no_eligible_click" if judged else "no_click")
    return _decision(
        conversion, judged, [_touch(one) for one in eligible], eligible[-1].matched_by, catalogue
    )


def judge_all(conversion: Conversion, found: Iterable[Found], catalogue: Catalogue) -> list[Judged]:
    """Every candidate with its verdict, in journey order: ids sort as clicks do."""
    versions = catalogue.versions
    judged = []
    for one in sorted(found):
        version = versions.get(one.version_id) if one.version_id is not None else None
        standing = None
        if version is not None and one.partner_id is not None:
            standing = catalogue.standings.get((version.campaign_id, one.partner_id))
        candidate = Candidate(
            click_micros(one.click_id),
            one.click_id,
            one.click_class,
            one.is_deleted,
            one.partner_id,
            one.version_id,
            version.vendor_id if version is not None else None,
            version.window_days if version is not None else 0,
            standing,
        )
        judged.append(Judged(one, judge(candidate, conversion.vendor_id, conversion.occurred_us)))
    return judged


def _with_coupon(
    conversion: Conversion,
    judged: list[Judged],
    eligible: list[Found],
    coupon: Coupon,
    catalogue: Catalogue,
) -> tuple[list[Judged], list[Found], list[Touch]]:
    """The owner's own clicks if there are any, else a touch of the coupon itself; others give way where it wins."""
    standing = catalogue.standing(coupon.version_id, coupon.partner_id)
    if standing is not None and standing.ended_us <= conversion.occurred_us:
        return judged, eligible, []
    own = [one for one in eligible if one.partner_id == coupon.partner_id]
    if eligible and not catalogue.versions[coupon.version_id].is_coupon_wins:
        return judged, eligible, []
    judged = [
        one._replace(verdict=Verdict.COUPON_OF_ANOTHER)
        if one.verdict is Verdict.ELIGIBLE and one.found.partner_id != coupon.partner_id
        else one
        for one in judged
    ]
    if own:
        return judged, own, [_touch(one) for one in own]
    only = Touch(
        conversion.occurred_us, None, coupon.partner_id, coupon.version_id, None, None, conversion.confidence
    )
    return judged, own, [only]


def _touch(found: Found) -> Touch:
    assert found.partner_id is not None and found.version_id is not None
    return Touch(
        click_micros(found.click_id),
        found.click_id,
        found.partner_id,
        found.version_id,
        found.partner_link_id,
        found.cookie_id,
        found.confidence,
    )


def _decision(
    conversion: Conversion,
    judged: Sequence[Judged],
    touches: Sequence[Touch],
    matched_by: str,
    catalogue: Catalogue,
) -> Decision:
    """The newest touch's version says which model pays and with which half-life."""
    version = catalogue.versions[touches[-1].campaign_version_id]
    return Decision(
        conversion,
        touches,
        judged,
        None,
        version.model,
        version.half_life_ms,
        matched_by,
        touches[-1].cookie_id,
        _holds(conversion, touches, catalogue),
        None,
        primary_touch(touches, version.model, version.half_life_ms),
    )


def follows(conversion: Conversion, parent: Parent, catalogue: Catalogue) -> bool:
    """Whether the first sale decides: not for an upgrade where its campaign attributes those anew."""
    if conversion.event not in FOLLOWING or parent.version_id is None:
        return True
    return not catalogue.versions[parent.version_id].is_upgrade_reattributed


def _follow(conversion: Conversion, parent: Parent, catalogue: Catalogue) -> Decision:
    """Partners and weights of the first sale, as long as its version lets renewals earn."""
    if not parent.touches or parent.version_id is None:
        return Decision(conversion, reason="parent_unattributed", parent=parent.number)
    months = catalogue.versions[parent.version_id].rebill_months_max
    if months is not None and conversion.occurred_at > months_after(parent.occurred_at, months):
        return Decision(conversion, reason="renewals_over", parent=parent.number)
    return Decision(
        conversion,
        parent.touches,
        (),
        None,
        parent.model,
        parent.half_life_ms,
        "parent",
        parent.touches[-1].cookie_id,
        _holds(conversion, parent.touches, catalogue),
        parent.number,
        primary_touch(parent.touches, parent.model, parent.half_life_ms),
    )


def journey_of(touches: Sequence[Touch], half_life_ms: int) -> Journey:
    """The touches as a model reads them."""
    clicked_ms = [touch.occurred_us // 1000 for touch in touches]
    return Journey(clicked_ms, [touch.partner_id for touch in touches], half_life_ms)


def primary_touch(touches: Sequence[Touch], model: str, half_life_ms: int) -> Touch:
    """The newest touch of the partner that weighs most under that model."""
    journey = journey_of(touches, half_life_ms)
    return touches[primary_place(journey.partner_ids, STORED[model](journey))]


def _holds(conversion: Conversion, touches: Sequence[Touch], catalogue: Catalogue) -> tuple[str, ...]:
    """Why the credit is kept back: partners that could no longer earn when the sale came, if their campaign minds."""
    reasons = set()
    for pair in {(touch.campaign_version_id, touch.partner_id) for touch in touches}:
        if not catalogue.versions[pair[0]].is_held_after_end:
            continue
        verdict = is_held_for(catalogue.standing(*pair), conversion.occurred_us)
        if verdict is not None:
            reasons.add(f"{verdict}: partner {pair[1]}")
    return tuple(sorted(reasons))
