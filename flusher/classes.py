"""Which class a click has and whether it is unique (door.md section 6). Pure.

`judge` walks a batch in click order. What the same visitors clicked before, or, when clicks arrive late, after,
comes in as a `History` seeded by the store; valid clicks of the batch join it on the way.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable

from flusher.draft import Draft
from schema.events import KIND_FALLBACK, KIND_HEAD, KIND_PREFETCH

DOUBLE_MS_MAX = 10_000
UNIQUE_MS = 24 * 3_600_000
SAME_COOKIE = "same cookie"
SAME_VISITOR = "same address and user agent"
FALLBACK = "fallback"
"""The link was closed and its visitor sent to the fallback address; says so whether valid or double."""

Visitor = tuple[int, str | int]
"""A link and a name under which one of its visitors is known: a cookie id, or a visitor hash."""


class History:
    """When each visitor validly clicked each link, as far as it matters for the clicks at hand."""

    __slots__ = ("_others", "_times")

    def __init__(self) -> None:
        self._times: dict[Visitor, int | list[int]] = {}  # nearly everybody clicks once: no list for them
        self._others: list[History] = []

    def look_also_in(self, other: History) -> None:
        """What another history holds counts too, without being copied."""
        self._others.append(other)

    def forget_others(self) -> None:
        """Hold only what was added here."""
        self._others.clear()

    def add(self, visitor: Visitor, at_ms: int) -> None:
        """One valid click of that visitor on that link."""
        times = self._times.setdefault(visitor, at_ms)
        if times is at_ms:
            return
        if isinstance(times, list):
            insort(times, at_ms)
        elif times != at_ms:
            self._times[visitor] = sorted((times, at_ms))

    def knows_any(self, visitors: Iterable[Visitor]) -> bool:
        """Whether any of them clicked; most never did, and this is a third of asking for each one's gaps."""
        if not self._times.keys().isdisjoint(visitors):
            return True
        return any(other.knows_any(visitors) for other in self._others) if self._others else False

    def gaps(self, visitor: Visitor, at_ms: int) -> tuple[int, int] | None:
        """How long before and after that moment the nearest valid clicks lie; None where there are none at all."""
        times = self._times.get(visitor)
        found = None if times is None else _gaps(times, at_ms)
        for other in self._others:
            more = other.gaps(visitor, at_ms)
            if more is not None:
                found = more if found is None else (min(found[0], more[0]), min(found[1], more[1]))
        return found


def _gaps(times: int | list[int], at_ms: int) -> tuple[int, int]:
    if isinstance(times, int):
        return (at_ms - times, UNIQUE_MS) if times <= at_ms else (UNIQUE_MS, times - at_ms)
    place = bisect_right(times, at_ms)
    before = at_ms - times[place - 1] if place else UNIQUE_MS
    return before, times[place] - at_ms if place < len(times) else UNIQUE_MS


def set_plain_class(draft: Draft) -> None:
    """The classes one event alone decides: head, prefetch, bot. Everything else starts as valid."""
    kind = draft.event.kind
    if kind == KIND_HEAD:
        draft.click_class = "head"
    elif kind == KIND_PREFETCH:
        draft.click_class = "prefetch"
    elif draft.agent.bot_rule is not None:
        draft.click_class, draft.class_reason = "bot", draft.agent.bot_rule


def visitors_of(draft: Draft) -> tuple[Visitor, ...]:
    """Under which names this visitor may be known: cookie, hash of the day, hashes of the days around it."""
    link_id, cookie_id, visitor_hash = draft.event.link_id, draft.cookie_id, draft.visitor_hash
    if visitor_hash is None:
        return () if cookie_id is None else ((link_id, cookie_id),)
    others = [(link_id, other) for other in draft.visitor_neighbours]
    if cookie_id is None:
        return ((link_id, visitor_hash), *others)
    return ((link_id, cookie_id), (link_id, visitor_hash), *others)


def judge(drafts: Iterable[Draft], history: History) -> None:
    """Set class and uniqueness of drafts in click order; what comes out valid is added to `history`."""
    for draft in drafts:
        if draft.click_class not in ("valid", "double"):
            continue
        draft.click_class, draft.is_unique = "valid", True
        draft.class_reason = FALLBACK if draft.event.kind == KIND_FALLBACK else None
        if history.knows_any(draft.visitors):
            _compare(draft, history)
        if draft.click_class == "valid":
            _remember(draft, history)


def _compare(draft: Draft, history: History) -> None:
    """Class and uniqueness beside the nearest valid clicks of the same visitor."""
    for visitor in draft.visitors:
        found = history.gaps(visitor, draft.at_ms)
        if found is None:
            continue
        if min(found) <= DOUBLE_MS_MAX:  # before or after: shards are not stored in order
            draft.click_class, draft.is_unique = "double", False
            if draft.class_reason is None:
                draft.class_reason = SAME_COOKIE if isinstance(visitor[1], str) else SAME_VISITOR
            return
        if found[0] < UNIQUE_MS or found[1] < UNIQUE_MS:
            draft.is_unique = False


def _remember(draft: Draft, history: History) -> None:
    """A later click looks for this one under its cookie and under the hash of its own day."""
    own = (draft.cookie_id is not None) + (draft.visitor_hash is not None)
    at_ms = draft.at_ms
    for visitor in draft.visitors[:own]:
        history.add(visitor, at_ms)
