"""What a cookie remembers: its first and last valid click, and when it expires. Pure.

A cookie's life is a fold over its valid clicks in click order: a click after the expiry begins a new life, with
a new first click. The store keeps the result; `CookieLife.after` carries it on, and a click that arrives late
makes the store fold the cookie's whole history again, so the order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schema.ids import MS_SHIFT
from schema.links import WINDOW_DAYS_MAX

DAY_MS = 86_400_000


class CookieClick(NamedTuple):
    """One valid click of a cookie."""

    click_id: int
    partner_id: int | None
    campaign_version_id: int | None
    window_days: int

    @property
    def expires_ms(self) -> int:
        """Until when this click alone keeps the cookie alive; a window of 0 days ends at once."""
        days = self.window_days if 0 <= self.window_days <= WINDOW_DAYS_MAX else _bounded(self.window_days)
        return (self.click_id >> MS_SHIFT) + days * DAY_MS


def _bounded(days: int) -> int:
    return min(max(days, 0), WINDOW_DAYS_MAX)


class CookieLife(NamedTuple):
    """The stored state of a cookie."""

    first_click_id: int
    first_partner_id: int | None
    last_click_id: int
    last_partner_id: int | None
    last_campaign_version_id: int | None
    expires_ms: int

    def after(self, click: CookieClick) -> CookieLife:
        """The state once a later click is counted. The window is closed: at the very expiry it still lives."""
        if click.click_id >> MS_SHIFT > self.expires_ms:
            return begin(click)
        return CookieLife(
            self.first_click_id,
            self.first_partner_id,
            click.click_id,
            click.partner_id,
            click.campaign_version_id,
            max(self.expires_ms, click.expires_ms),
        )


def begin(click: CookieClick) -> CookieLife:
    """The state of a cookie whose first click this is."""
    return CookieLife(
        click.click_id,
        click.partner_id,
        click.click_id,
        click.partner_id,
        click.campaign_version_id,
        click.expires_ms,
    )


def live(life: CookieLife | None, clicks: Sequence[CookieClick]) -> CookieLife:
    """Fold at least one click, in click order and later than those in `life`, into it."""
    for click in clicks:
        life = begin(click) if life is None else life.after(click)
    assert life is not None
    return life
