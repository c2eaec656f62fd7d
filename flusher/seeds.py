"""What earlier (and, for clicks that come late, later) valid clicks of the same visitors are stored: the seeds
that `classes.judge` starts from. One set-based query for cookies and one for visitor hashes of a whole batch; a
second, exact one only for visitors who have a stored click later than one of the batch.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import asyncpg

from flusher.classes import UNIQUE_MS, History, Visitor
from flusher.draft import Draft
from schema.queries import load_queries

_QUERIES = load_queries("flusher")


async def seed(
    connection: asyncpg.pool.PoolConnectionProxy, drafts: list[Draft], cookies: Container[str]
) -> History:
    """The history of a batch's visitors around its clicks. `drafts` are in click order, `cookies` those that are
    stored: only a stored cookie can have a valid click stored."""
    history = History()
    moments = _moments(drafts, cookies)
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


def _moments(drafts: list[Draft], cookies: Container[str]) -> dict[Visitor, list[int]]:
    """When each visitor of the batch who may have a past clicked each link, ascending."""
    moments: dict[Visitor, list[int]] = {}
    for draft in drafts:
        for visitor in draft.visitors:
            name = visitor[1]
            if isinstance(name, int) or name in cookies:
                times = moments.get(visitor)
                if times is None:
                    moments[visitor] = [draft.at_ms]
                else:
                    times.append(draft.at_ms)
    return moments


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
