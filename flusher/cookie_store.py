"""Carries cookies on in the database: reads the lives of a batch's cookies, folds its clicks in, saves them.

Called by the store inside its transaction, under the writers' lock: so a cookie that was not there when the lives
were read is still not there when they are saved, and can be copied at a third of an upsert's cost.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple

import asyncpg

from flusher.cookies import CookieClick, CookieLife, begin_with, live
from flusher.draft import Draft
from flusher.packed import COOKIE_COLUMNS, copy_chunks, packed_cookies
from schema.ids import MS_SHIFT
from schema.links import WINDOW_DAYS_DEFAULT
from schema.queries import load_queries

_QUERIES = load_queries("flusher")
DRAFTS_AT_ONCE = 1_000
"""Planned before the loop has another turn, half a millisecond."""
Connection = asyncpg.pool.PoolConnectionProxy


async def cookie_lives(connection: Connection, drafts: list[Draft]) -> dict[str, CookieLife]:
    """The stored lives of the cookies of these clicks. A cookie without one has no valid click stored."""
    names = {draft.cookie_id for draft in drafts if draft.cookie_id is not None and draft.visitors}
    if not names:
        return {}
    rows = await connection.fetch(_QUERIES["cookie_lives"], list(names))
    return {row[0]: CookieLife(*row[1:]) for row in map(tuple, rows)}


class CookiePlan(NamedTuple):
    """What a batch's valid clicks mean for their cookies: lives that begin, and clicks of cookies that go on."""

    new: dict[str, CookieLife]
    clicks: dict[str, list[CookieClick]]


async def plan_cookies(valid: list[Draft], before: dict[str, CookieLife]) -> CookiePlan:
    """Made while PostgreSQL takes in the clicks, 1 us a click that nobody holding the lock waits for. They come in
    click order."""
    times = Counter([draft.cookie_id for draft in valid])
    plan = CookiePlan({}, {})
    for number, draft in enumerate(valid):
        if number % DRAFTS_AT_ONCE == 0:
            await asyncio.sleep(0)
        name = draft.cookie_id
        if name is None:
            continue
        if times[name] > 1 or name in before:
            plan.clicks.setdefault(name, []).append(_cookie_click(draft))
        else:
            event = draft.event
            plan.new[name] = begin_with(
                draft.click_id, event.partner_id, event.campaign_version_id, event.window_days
            )
    return plan


async def save_cookies(
    connection: Connection, plan: CookiePlan, before: dict[str, CookieLife]
) -> dict[str, CookieLife]:
    """Carry every cookie on from its life `before`, once its clicks are stored. Returns the lives of those that moved."""
    moved = await _moved(connection, plan.clicks, before)
    new = plan.new | {name: life for name, life in moved.items() if name not in before}
    await _insert(connection, list(new.items()))
    await _update(connection, [(name, life) for name, life in moved.items() if name in before])
    return new | moved


async def _moved(
    connection: Connection, clicks: dict[str, list[CookieClick]], before: dict[str, CookieLife]
) -> dict[str, CookieLife]:
    """Lives of cookies with several clicks, those stored before counted."""
    late = {
        name
        for name, of_cookie in clicks.items()
        if name in before and of_cookie[0].click_id < before[name].last_click_id
    }
    if late:
        clicks.update(await _histories(connection, list(late)))
    return {
        name: live(before.get(name) if name not in late else None, of_cookie)
        for name, of_cookie in clicks.items()
    }


async def _insert(connection: Connection, cookies: list[tuple[str, CookieLife]]) -> None:
    if cookies:
        rows = copy_chunks(cookies, packed_cookies)
        await connection.copy_to_table("cookies", source=rows, columns=COOKIE_COLUMNS, format="binary")


async def _update(connection: Connection, cookies: list[tuple[str, CookieLife]]) -> None:
    """Changes in one order for all, so that transactions cannot wait in a circle."""
    if cookies:
        rows = [(name, *life, life.last_click_id >> MS_SHIFT) for name, life in sorted(cookies)]
        await connection.execute(_QUERIES["save_cookies"], *map(list, zip(*rows, strict=True)))


def _cookie_click(draft: Draft) -> CookieClick:
    event = draft.event
    return CookieClick(draft.click_id, event.partner_id, event.campaign_version_id, event.window_days)


async def _histories(connection: Connection, names: list[str]) -> dict[str, list[CookieClick]]:
    histories: dict[str, list[CookieClick]] = {}
    for row in await connection.fetch(_QUERIES["cookie_clicks"], names, WINDOW_DAYS_DEFAULT):
        histories.setdefault(row["cookie_id"], []).append(CookieClick(*tuple(row)[1:]))
    return histories


async def refold_cookies(connection: Connection, names: list[str]) -> list[str]:
    """Fold the whole history of cookies again, some of whose clicks changed their class; those with none left."""
    histories = await _histories(connection, names) if names else {}
    await _update(connection, [(name, live(None, clicks)) for name, clicks in histories.items()])
    return [name for name in names if name not in histories]
