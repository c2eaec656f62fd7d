"""What earlier (and, for clicks that come late, later) valid clicks of the same visitors are stored: the seeds
that `classes.judge` starts from. One set-based query for cookies and one for visitor hashes of a whole batch; a
second, exact one only for visitors who have a stored click later than one of the batch.
"""

from __future__ import annotations

from typing import Any

import asyncpg

from flusher.classes import UNIQUE_MS, History, Visitor
from flusher.draft import Draft
from schema.ids import MS_SHIFT
from schema.queries import load_queries

_QUERIES = load_queries("flusher")
MINTED_MS_MAX = 2
"""A cookie this young was made for this very click: nobody comes back within 2 ms of being answered."""


async def seed(connection: asyncpg.pool.PoolConnectionProxy, drafts: list[Draft]) -> History:
    """The history of a batch's visitors around its clicks. `drafts` are in click order."""
    history = History()
    moments = _moments(drafts)
    if not moments:
        return history
    low = min(times[0] for times in moments.values()) - UNIQUE_MS
    high = max(times[-1] for times in moments.values()) + UNIQUE_MS
    for kind, of_type in (("hash", int), ("cookie", str)):
        wanted = [visitor for visitor in moments if isinstance(visitor[1], of_type)]
        if not wanted:
            continue
        links, names = [link for link, _ in wanted], [name for _, name in wanted]
        newest = await connection.fetch(_QUERIES[f"newest_visits_by_{kind}"], links, names, low, high)
        late = _take_newest(newest, moments, history)
        if late:
            asked = [(link, name, at) for link, name in late for at in moments[link, name]]
            columns = [list(column) for column in zip(*asked, strict=True)]
            for row in await connection.fetch(_QUERIES[f"nearest_visits_by_{kind}"], *columns, low, high):
                history.add((row["link_id"], row["identity"]), row["clicked_at"])
    return history


def _moments(drafts: list[Draft]) -> dict[Visitor, list[int]]:
    """When each visitor of the batch who may have a past clicked each link, ascending."""
    moments: dict[Visitor, list[int]] = {}
    for draft in drafts:
        for visitor in draft.visitors:
            name = visitor[1]
            if isinstance(name, int) or not is_minted_for(name, draft.click_id):
                times = moments.get(visitor)
                if times is None:
                    moments[visitor] = [draft.at_ms]
                else:
                    times.append(draft.at_ms)
    return moments


def is_minted_for(cookie_id: str, click_id: int) -> bool:
    """Whether the cookie was made for this very click (a UUIDv7 begins with its milliseconds)."""
    minted_ms = int(cookie_id[:8] + cookie_id[9:13], 16)
    return -MINTED_MS_MAX <= (click_id >> MS_SHIFT) - minted_ms <= MINTED_MS_MAX


def _take_newest(rows: list[Any], moments: dict[Visitor, list[int]], history: History) -> list[Visitor]:
    """Add what was found; return the visitors for whom the newest click alone does not settle the matter.

    A newest click no later than the visitor's first one in the batch is the nearest there is, and nothing lies
    after it. Otherwise each moment needs its own neighbours.
    """
    late = []
    for row in rows:
        visitor = (row["link_id"], row["identity"])
        if row["clicked_at"] <= moments[visitor][0]:
            history.add(visitor, row["clicked_at"])
        else:
            late.append(visitor)
    return late
