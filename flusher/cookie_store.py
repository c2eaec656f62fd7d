"""Carries cookies on in the database: reads the lives of those that come back, folds the batch's clicks in, saves.

Called by the store inside its transaction, after the clicks are copied. A cookie minted for the click at hand
cannot be stored yet, so it is neither looked up nor upserted but copied, at a third of the cost; should that ever
be wrong, its primary key says so and the store takes the replay path, where every cookie is looked up.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import asyncpg

from flusher.cookies import CookieClick, CookieLife, live
from flusher.draft import Draft
from flusher.seeds import is_minted_for
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


async def save_cookies(connection: Connection, valid: list[Draft], *, is_replay: bool) -> None:
    """Carry the life of every cookie on by its valid clicks (given in click order), which are stored by now."""
    clicks = _clicks_by_cookie(valid)
    returning = [
        name
        for name, of_cookie in clicks.items()
        if is_replay or not is_minted_for(name, of_cookie[0].click_id)
    ]
    before = await _lives(connection, returning) if returning else {}
    late = [name for name, life in before.items() if clicks[name][0].click_id < life.last_click_id]
    if late:
        clicks.update(await _histories(connection, late))
        for name in late:
            del before[name]
    known = set(returning)
    new_rows: list[tuple[Any, ...]] = []
    old_rows: list[tuple[Any, ...]] = []
    for name, of_cookie in clicks.items():
        life = live(before.get(name), of_cookie)
        (old_rows if name in known else new_rows).append((name, *life, life.last_click_id >> MS_SHIFT))
    if new_rows:
        await connection.copy_records_to_table("cookies", records=new_rows, columns=list(COLUMNS))
    if old_rows:
        old_rows.sort(key=itemgetter(0))  # one order for all, so that transactions cannot wait in a circle
        columns: list[Any] = [list(column) for column in zip(*old_rows, strict=True)]
        await connection.execute(_QUERIES["save_cookies"], *columns)


def _clicks_by_cookie(valid: list[Draft]) -> dict[str, list[CookieClick]]:
    clicks: dict[str, list[CookieClick]] = {}
    for draft in valid:
        name = draft.cookie_id
        if name is not None:
            event = draft.event
            click = CookieClick(
                draft.click_id, event.partner_id, event.campaign_version_id, event.window_days
            )
            if name in clicks:
                clicks[name].append(click)
            else:
                clicks[name] = [click]
    return clicks


async def _lives(connection: Connection, names: list[str]) -> dict[str, CookieLife]:
    rows = await connection.fetch(_QUERIES["cookie_lives"], names)
    return {row[0]: CookieLife(*row[1:]) for row in map(tuple, rows) if None not in (row[1], row[3])}


async def _histories(connection: Connection, names: list[str]) -> dict[str, list[CookieClick]]:
    histories: dict[str, list[CookieClick]] = {}
    for row in await connection.fetch(_QUERIES["cookie_clicks"], names, WINDOW_DAYS_DEFAULT):
        histories.setdefault(row["cookie_id"], []).append(CookieClick(*tuple(row)[1:]))
    return histories
