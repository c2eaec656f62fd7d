"""Which class a click has and whether it is unique (door.md section 6). Pure.

`judge` walks a batch in click order. What the same visitors clicked before, or, when clicks arrive late, after,
comes in as a `History` seeded by the store; valid clicks of the batch join it on the way.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable

from flusher.draft import Draft
from schema.events import KIND_HEAD, KIND_PREFETCH

DOUBLE_MS_MAX = 10_000
UNIQUE_MS = 24 * 3_600_000
SAME_COOKIE = "same cookie"
SAME_VISITOR = "same address and user agent"

Identity = str | int
"""A cookie id, or a visitor hash."""


class History:
    """When each visitor validly clicked each link, as far as it matters for the clicks at hand."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: dict[tuple[int, Identity], list[int]] = {}

    def add(self, link_id: int, identity: Identity, at_ms: int) -> None:
        """One valid click of that visitor on that link."""
        times = self._times.get((link_id, identity))
        if times is None:
            self._times[link_id, identity] = [at_ms]
        else:
            insort(times, at_ms)

    def is_after_click(self, link_id: int, identity: Identity, at_ms: int) -> bool:
        """Whether a valid click lies 0..10 s before that moment."""
        times = self._times.get((link_id, identity))
        if times is None:
            return False
        place = bisect_right(times, at_ms)
        return place > 0 and at_ms - times[place - 1] <= DOUBLE_MS_MAX

    def is_near_click(self, link_id: int, identity: Identity, at_ms: int) -> bool:
        """Whether a valid click lies less than 24 h to either side of that moment."""
        times = self._times.get((link_id, identity))
        if times is None:
            return False
        place = bisect_right(times, at_ms)
        return (place > 0 and at_ms - times[place - 1] < UNIQUE_MS) or (
            place < len(times) and times[place] - at_ms < UNIQUE_MS
        )


def set_plain_class(draft: Draft) -> None:
    """The classes one event alone decides: head, prefetch, bot. Everything else starts as valid."""
    kind = draft.event.kind
    if kind == KIND_HEAD:
        draft.click_class = "head"
    elif kind == KIND_PREFETCH:
        draft.click_class = "prefetch"
    elif draft.agent.bot_rule is not None:
        draft.click_class, draft.class_reason = "bot", draft.agent.bot_rule


def identities(draft: Draft) -> list[Identity]:
    """Under which names this visitor may be known: cookie, today's hash, the hashes of the days around it."""
    names: list[Identity] = []
    if draft.cookie_id is not None:
        names.append(draft.cookie_id)
    if draft.visitor_hash is not None:
        names.append(draft.visitor_hash)
        names.extend(draft.visitor_neighbours)
    return names


def judge(drafts: Iterable[Draft], history: History) -> None:
    """Set class and uniqueness of drafts in click order; what comes out valid is added to `history`."""
    for draft in drafts:
        if draft.click_class != "valid":
            continue
        link_id, at_ms = draft.event.link_id, draft.at_ms
        names = identities(draft)
        for name in names:
            if history.is_after_click(link_id, name, at_ms):
                draft.click_class = "double"
                draft.class_reason = SAME_COOKIE if isinstance(name, str) else SAME_VISITOR
                break
        else:
            draft.is_unique = not any(history.is_near_click(link_id, name, at_ms) for name in names)
            _remember(draft, history)


def _remember(draft: Draft, history: History) -> None:
    if draft.cookie_id is not None:
        history.add(draft.event.link_id, draft.cookie_id, draft.at_ms)
    if draft.visitor_hash is not None:
        history.add(draft.event.link_id, draft.visitor_hash, draft.at_ms)
