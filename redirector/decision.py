"""Decides what a visitor of a link gets. Pure: a cached link, a visit and the time in; an outcome out.

The order is the contract (first stop wins): disabled, not started, expired, paused, click cap, rules, default. The
cap is the one stop that needs Redis, so it comes back as `is_capped` for the caller to settle; a paused link is
checked before it because both give the same answer and a paused link must not use its cap up.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

from redirector.destination import Destination
from schema.links import PublishedLink


class Outcome(StrEnum):
    """Every way a request for a code can end; the names are the metric's label values."""

    REDIRECT = "redirect"
    FALLBACK = "fallback"
    UNKNOWN = "unknown"
    DISABLED = "disabled"
    NOT_STARTED = "not_started"
    EXPIRED = "expired"
    PAUSED = "paused"
    CAPPED = "capped"
    PREFETCH = "prefetch"
    UNAVAILABLE = "unavailable"
    METHOD = "method"


STATUS = {
    Outcome.UNKNOWN: 404,
    Outcome.DISABLED: 410,
    Outcome.NOT_STARTED: 404,
    Outcome.EXPIRED: 410,
    Outcome.PAUSED: 410,
    Outcome.CAPPED: 410,
    Outcome.PREFETCH: 503,
    Outcome.UNAVAILABLE: 503,
    Outcome.METHOD: 405,
}

TraitOf = Callable[[str], str]
"""Gives a visitor's `country`, `device` or `language` (lower-case primary tag); reading one costs, so it is lazy."""


CHANGED = -1
"""The `epoch` of a link that must be asked for again; the cache sets its own to what it heard last."""


class CachedLink:
    """A published link with everything about it that does not change from click to click."""

    __slots__ = ("default", "epoch", "fallback", "is_always_open", "link", "rules")

    def __init__(self, link: PublishedLink, fallback_url: str | None = None) -> None:
        self.link = link
        self.epoch = CHANGED
        self.default = Destination(link.destination, link.click_param, link.forward_query)
        self.fallback = link.fallback_url or fallback_url
        self.rules = [Rule(rule, link) for rule in link.rules]
        self.is_always_open = not (
            link.is_disabled
            or link.is_paused
            or link.starts_at_ms is not None
            or link.expires_at_ms is not None
            or link.max_clicks is not None
            or link.rules
        )


class Rule:
    """One targeting rule: all its conditions must hold; then one of its weighted destinations is taken."""

    __slots__ = ("_from_ms", "_total", "_traits", "_until_ms", "_ways")

    def __init__(self, rule: dict[str, Any], link: PublishedLink) -> None:
        when = rule.get("when") or {}
        names = ("country", "device", "language")
        self._traits = {
            name: frozenset(str(item).lower() for item in when[name]) for name in names if when.get(name)
        }
        self._from_ms = _moment_ms(when.get("from"))
        self._until_ms = _moment_ms(when.get("until"))
        ways = rule.get("split") or [{"weight": 1, "to": rule["to"]}]
        self._ways = [
            (int(way["weight"]), Destination(way["to"], link.click_param, link.forward_query)) for way in ways
        ]
        self._total = sum(weight for weight, _ in self._ways)

    def destination(self, now_ms: int, trait_of: TraitOf, lot: str) -> Destination | None:
        """Where this rule sends the visitor, or None when it does not apply. `lot` decides splits, repeatably."""
        if self._from_ms is not None and now_ms < self._from_ms:
            return None
        if self._until_ms is not None and now_ms >= self._until_ms:
            return None
        if any(trait_of(name).lower() not in allowed for name, allowed in self._traits.items()):
            return None
        drawn = zlib.crc32(lot.encode()) % self._total if self._total else 0
        for weight, destination in self._ways:
            drawn -= weight
            if drawn < 0:
                return destination
        return self._ways[-1][1]


def stop(link: PublishedLink, now_ms: int) -> Outcome | None:
    """Why this link redirects nobody now, or None. The click cap is not looked at here."""
    if link.is_disabled:
        return Outcome.DISABLED
    if link.starts_at_ms is not None and now_ms < link.starts_at_ms:
        return Outcome.NOT_STARTED
    if link.expires_at_ms is not None and now_ms >= link.expires_at_ms:
        return Outcome.EXPIRED
    if link.is_paused:
        return Outcome.PAUSED
    return None


def choose(cached: CachedLink, now_ms: int, trait_of: TraitOf, lot: str) -> Destination:
    """The destination of an open link for this visitor."""
    for rule in cached.rules:
        destination = rule.destination(now_ms, trait_of, lot)
        if destination is not None:
            return destination
    return cached.default


def has_fallback(outcome: Outcome) -> bool:
    """Whether a visitor stopped for this reason goes to the link's fallback address, where there is one."""
    return outcome in (Outcome.EXPIRED, Outcome.PAUSED, Outcome.CAPPED)


def _moment_ms(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).timestamp() * 1000)
