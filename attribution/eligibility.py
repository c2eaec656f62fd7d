"""Which clicks may earn from a conversion, and why each other one may not. Pure.

The attributor asks before it splits money, `explain` asks again to show every candidate with its verdict. Times are
integer microseconds; windows are exact elapsed time and closed at both ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

DAY_US = 86_400_000_000


class Verdict(StrEnum):
    """What became of a candidate click."""

    ELIGIBLE = "eligible"
    NOT_VALID = "not_valid"
    DELETED = "deleted"
    PLAIN_LINK = "plain_link"
    OTHER_VENDOR = "other_vendor"
    AFTER_CONVERSION = "after_conversion"
    WINDOW_CLOSED = "window_closed"
    PARTNER_SUSPENDED = "partner_suspended"
    ENROLMENT_ENDED = "enrolment_ended"
    CAMPAIGN_PAUSED = "campaign_paused"
    COUPON_OF_ANOTHER = "coupon_of_another"
    FIRST_SALE_COUNTS = "first_sale_counts"


MEANING = {
    Verdict.ELIGIBLE: "may earn",
    Verdict.NOT_VALID: "is no valid traffic",
    Verdict.DELETED: "was deleted",
    Verdict.PLAIN_LINK: "came through a link of no partner",
    Verdict.OTHER_VENDOR: "belongs to a campaign of another vendor",
    Verdict.AFTER_CONVERSION: "happened after the conversion",
    Verdict.WINDOW_CLOSED: "is older than the window of its campaign version",
    Verdict.PARTNER_SUSPENDED: "happened while its partner was not active",
    Verdict.ENROLMENT_ENDED: "happened after its partner's enrolment had ended",
    Verdict.CAMPAIGN_PAUSED: "happened while its campaign was paused",
    Verdict.COUPON_OF_ANOTHER: "gives way to the partner who alone owns the coupon used",
    Verdict.FIRST_SALE_COUNTS: "came after a first sale whose partners earn its renewals",
}
"""Each verdict as the end of a sentence that begins with "the click"."""


class Standing(NamedTuple):
    """From when a partner may no longer earn in a campaign, and which of the three reasons came first."""

    ended_us: int
    verdict: Verdict


class Candidate(NamedTuple):
    """A click that a conversion was matched to, with what its link's terms say."""

    clicked_us: int
    click_id: int
    click_class: str
    is_deleted: bool
    partner_id: int | None
    campaign_version_id: int | None
    vendor_id: int | None
    window_days: int
    standing: Standing | None
    """None: in good standing."""


def judge(click: Candidate, vendor_id: int, occurred_us: int) -> Verdict:
    """The verdict on one click; of several reasons against it, the first in the order of the checks."""
    if click.click_class != "valid":
        return Verdict.NOT_VALID
    if click.is_deleted:
        return Verdict.DELETED
    if click.partner_id is None or click.campaign_version_id is None:
        return Verdict.PLAIN_LINK
    if click.vendor_id != vendor_id:
        return Verdict.OTHER_VENDOR
    if click.clicked_us > occurred_us:
        return Verdict.AFTER_CONVERSION
    if occurred_us - click.clicked_us > click.window_days * DAY_US:
        return Verdict.WINDOW_CLOSED
    if click.standing is not None and click.clicked_us >= click.standing.ended_us:
        return click.standing.verdict
    return Verdict.ELIGIBLE


def sort_key(click: Candidate) -> tuple[int, int]:
    """The total order of a journey."""
    return click.clicked_us, click.click_id


def earliest(standings: Iterable[Standing | None]) -> Standing | None:
    """The one that ended first, None where nothing has ended."""
    ended = [standing for standing in standings if standing is not None]
    return min(ended, key=lambda standing: standing.ended_us, default=None)


def is_held_for(standing: Standing | None, occurred_us: int) -> Verdict | None:
    """Why a credit for an earlier click is kept back: the conversion came when the partner could no longer earn."""
    return standing.verdict if standing is not None and standing.ended_us <= occurred_us else None
