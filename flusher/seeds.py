"""What earlier (and, for clicks that come late, later) valid clicks of the same visitors are stored: the seeds
that `classes.judge` starts from. One set-based query for cookies and one for visitor hashes of a whole batch; a
second, exact one only for visitors who have a stored click later than one of the batch.
"""

from __future__ import annotations

from collections.abc import Container

import asyncpg

from flusher.classes import UNIQUE_MS, History, Visitor
from flusher.draft import Draft
from schema.queries import load_queries

_QUERIES = load_queries("flusher")
Connection = asyncpg.pool.PoolConnectionProxy


async def seed(connection: Connection, drafts: list[Draft], cookies: Container[str]) -> History:
    """The history of a batch's visitors around its clicks. `drafts` are in click order, `cookies` those that are
    stored: only a stored cookie can have a valid click stored."""
    history = History()
    if not drafts:
        return history
    period = (drafts[0].at_ms - UNIQUE_MS, drafts[-1].at_ms + UNIQUE_MS)
    hashes = [visitor for draft in drafts for visitor in draft.visitors if type(visitor[1]) is int]
    await _add_stored(connection, "hash", hashes, period, drafts, history)
    names = [draft.visitors[0] for draft in drafts if draft.cookie_id in cookies and draft.visitors]
    await _add_stored(connection, "cookie", names, period, drafts, history)
    return history


async def _add_stored(
    connection: Connection,
    kind: str,
    visitors: list[Visitor],
    period: tuple[int, int],
    drafts: list[Draft],
    history: History,
) -> None:
    """What one kind of name finds.

    A newest click no later than the visitor's first one in the batch is the nearest there is, and nothing lies
    after it. Otherwise each moment needs its own neighbours.
    """
    if not visitors:
        return
    links, names = zip(*visitors, strict=True)
    rows = await connection.fetch(_QUERIES[f"newest_visits_by_{kind}"], links, names, *period)
    newest: dict[Visitor, int] = {(link, name): at_ms for link, name, at_ms in rows}
    if not newest:
        return
    moments = _moments(drafts, newest)
    late = [
        (*visitor, at) for visitor, times in moments.items() if newest[visitor] > times[0] for at in times
    ]
    for visitor, times in moments.items():
        if newest[visitor] <= times[0]:
            history.add(visitor, newest[visitor])
    if late:
        columns = [list(column) for column in zip(*late, strict=True)]
        for row in await connection.fetch(_QUERIES[f"nearest_visits_by_{kind}"], *columns, *period):
            history.add((row["link_id"], row["identity"]), row["clicked_at"])


def _moments(drafts: list[Draft], known: dict[Visitor, int]) -> dict[Visitor, list[int]]:
    """When each of the known visitors, few as a rule, clicked in this batch, ascending."""
    moments: dict[Visitor, list[int]] = {}
    names: set[str | int | None] = {name for _link, name in known}
    for draft in drafts:
        if (
            draft.visitor_hash in names
            or draft.cookie_id in names
            or not names.isdisjoint(draft.visitor_neighbours)
        ):
            for visitor in draft.visitors:
                if visitor in known:
                    moments.setdefault(visitor, []).append(draft.at_ms)
    return moments
