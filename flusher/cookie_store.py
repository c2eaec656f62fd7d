"""Carries cookies on in the database: reads the lives of a batch's cookies, folds its clicks in, saves them.

Called by the store inside its transaction, under the writers' lock: so a cookie that was not there when the lives
were read is still not there when they are saved, and can be copied at a third of an upsert's cost.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import Any

import asyncpg

from flusher.cookies import CookieClick, CookieLife, begin, live
from flusher.draft import Draft
from schema.ids import MS_SHIFT
from schema.links import WINDOW_DAYS_DEFAULT
from schema.queries import load_queries

COLUMNS = (
    "cookie_id",
    "first_click_id",
    "first_partner_id",
    "last_click_id",
    "last_partner_id",
    "last_campaign_version_id",
    "expires_at",
    "last_seen_at",
)
_QUERIES = load_queries("flusher")
Connection = asyncpg.pool.PoolConnectionProxy


async def cookie_lives(connection: Connection, drafts: list[Draft]) -> dict[str, CookieLife]:
    """The stored lives of the cookies of these clicks. A cookie without one has no valid click stored."""
    names = {draft.cookie_id for draft in drafts if draft.cookie_id is not None and draft.visitors}
    if not names:
        return {}
    rows = await connection.fetch(_QUERIES["cookie_lives"], list(names))
    return {row[0]: CookieLife(*row[1:]) for row in map(tuple, rows)}


async def save_cookies(
    connection: Connection, valid: list[Draft], before: dict[str, CookieLife]
) -> dict[str, CookieLife]:
    """Carry every cookie on from its life `before` by its valid clicks, which come in click order and are stored.

    Returns the lives of the cookies that moved.
    """
    saved: dict[str, CookieLife] = {}
    times = Counter([draft.cookie_id for draft in valid])
    new_rows: list[tuple[Any, ...]] = []
    several: list[Draft] = []
    for draft in valid:
        name = draft.cookie_id
        if name is not None:
            if times[name] == 1 and name not in before:
                life = begin(_cookie_click(draft))
                saved[name] = life
                new_rows.append((name, *life, draft.at_ms))
            else:
                several.append(draft)
    clicks = _clicks_by_cookie(several)
    late = {
        name
        for name, of_cookie in clicks.items()
        if name in before and of_cookie[0].click_id < before[name].last_click_id
    }
    if late:
        clicks.update(await _histories(connection, list(late)))
    old_rows: list[tuple[Any, ...]] = []
    for name, of_cookie in clicks.items():
        saved[name] = life = live(before.get(name) if name not in late else None, of_cookie)
        (old_rows if name in before else new_rows).append((name, *life, life.last_click_id >> MS_SHIFT))
    if new_rows:
        await connection.copy_records_to_table("cookies", records=new_rows, columns=list(COLUMNS))
    if old_rows:
        old_rows.sort(key=itemgetter(0))  # one order for all, so that transactions cannot wait in a circle
        columns: list[Any] = [list(column) for column in zip(*old_rows, strict=True)]
        await connection.execute(_QUERIES["save_cookies"], *columns)
    return saved


def _clicks_by_cookie(valid: list[Draft]) -> dict[str, list[CookieClick]]:
    clicks: dict[str, list[CookieClick]] = {}
    for draft in valid:
        if draft.cookie_id is not None:
            clicks.setdefault(draft.cookie_id, []).append(_cookie_click(draft))
    return clicks


def _cookie_click(draft: Draft) -> CookieClick:
    event = draft.event
    return CookieClick(draft.click_id, event.partner_id, event.campaign_version_id, event.window_days)


async def _histories(connection: Connection, names: list[str]) -> dict[str, list[CookieClick]]:
    histories: dict[str, list[CookieClick]] = {}
    for row in await connection.fetch(_QUERIES["cookie_clicks"], names, WINDOW_DAYS_DEFAULT):
        histories.setdefault(row["cookie_id"], []).append(CookieClick(*tuple(row)[1:]))
    return histories
