"""Decides the classes of stored clicks anew, after the rules for robots have changed: `clickledger reclassify`.

Finds the clicks whose user agent is judged differently now, and then judges these visitors' clicks from there on
again, doubles and uniques included. Rollups, cookies and totals move in the same transaction, the ledger is told to
look again at conversions, and every slice leaves an entry in the audit log. head and prefetch stay what they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import asyncpg
import orjson

from flusher.classes import FALLBACK, UNIQUE_MS, History, judge, visitors_of
from flusher.cookie_store import refold_cookies
from flusher.draft import Draft
from flusher.store import set_codecs
from schema.agents import find_bot_rule
from schema.events import KIND_FALLBACK, ClickEvent
from schema.ids import MS_SHIFT
from schema.postgres import connect_pool
from schema.queries import load_queries

SLICE_CLICKS = 2_000
"""Wrong clicks of one transaction: the writer waits a second or two for it."""
CLOSURE_ROUNDS_MAX = 20
STATEMENT_S_MAX = 3600.0
_QUERIES = load_queries("flusher")
SQL = load_queries("flusher", "reclassify.sql")

Connection = asyncpg.pool.PoolConnectionProxy
OnProgress = Callable[[int, int], None]


class Reclassified(NamedTuple):
    """What came of it: user agents judged differently, and clicks by old and new class."""

    agents: int
    clicks: Counter[tuple[str, str]]


class Agents(NamedTuple):
    """User agents judged differently now, each with the rule that recognises it, None for a visitor's."""

    texts: list[str]
    rules: list[str | None]


class Judged(NamedTuple):
    """A click with the class it had."""

    draft: Draft
    before: tuple[str, str | None, bool]

    @property
    def after(self) -> tuple[str, str | None, bool]:
        """The class it has now."""
        return self.draft.click_class, self.draft.class_reason, self.draft.is_unique


async def reclassify(database_url: str, since_ms: int, on_progress: OnProgress) -> Reclassified:
    """Judge clicks from a moment on; `on_progress` gets milliseconds of that time done and in all."""
    pool = await connect_pool(
        database_url, "reclassify", connections_max=1, timeout_s=STATEMENT_S_MAX, prepare=set_codecs
    )
    try:
        async with pool.acquire() as connection:
            return await _reclassify(connection, since_ms, on_progress)
    finally:
        pool.terminate()


async def _reclassify(connection: Connection, since_ms: int, on_progress: OnProgress) -> Reclassified:
    agents = await _find_agents(connection, since_ms)
    moved: Counter[tuple[str, str]] = Counter()
    after = 0
    while agents.texts:
        async with connection.transaction():
            await connection.execute(_QUERIES["lock_writers"])
            wrong = await connection.fetch(SQL["wrong_clicks"], since_ms, after, SLICE_CLICKS, *agents)
            if not wrong:
                break
            moved += await _judge_again(connection, wrong, agents)
            after = wrong[-1]["click_id"]
        on_progress((after >> MS_SHIFT) - since_ms, await _span_ms(connection, since_ms))
    return Reclassified(len(agents.texts), moved)


async def _span_ms(connection: Connection, since_ms: int) -> int:
    return max(1, int(await connection.fetchval(SQL["moment"])) - since_ms)


async def _find_agents(connection: Connection, since_ms: int) -> Agents:
    """The user agents of stored clicks that are judged differently now."""
    agents = Agents([], [])
    async with connection.transaction():
        async for row in connection.cursor(SQL["agents_by_class"], since_ms, prefetch=5_000):
            rule = find_bot_rule(row["user_agent"])
            if row["is_bot"] if rule is None else row["is_visitor"]:
                agents.texts.append(row["user_agent"])
                agents.rules.append(rule)
    return agents


async def _judge_again(connection: Connection, wrong: list[Any], agents: Agents) -> Counter[tuple[str, str]]:
    """Judge the visitors of these clicks again from the first of them on, and write what changed."""
    first_ms = wrong[0]["clicked_at"]
    rows = await _clicks_around(connection, wrong, agents, first_ms - UNIQUE_MS)
    judged, history = _drafts(rows, first_ms)
    judge([one.draft for one in judged], history)
    changed = [one for one in judged if one.before != one.after]
    await _write(connection, changed)
    return Counter((one.before[0], one.after[0]) for one in changed)


async def _clicks_around(connection: Connection, wrong: list[Any], agents: Agents, from_ms: int) -> list[Any]:
    """The clicks of all who may be these visitors: each click may bring a name under which there are others."""
    names = _names(wrong)
    own = ([row["click_id"] for row in wrong], [row["clicked_at"] for row in wrong])
    rows: list[Any] = []
    for _ in range(CLOSURE_ROUNDS_MAX):
        columns = _columns(names)
        rows = await connection.fetch(SQL["clicks_of_visitors"], *columns, from_ms, *own, *agents)
        found = names | _names(rows)
        if found == names:
            break
        names = found
    return rows


def _names(rows: Iterable[Any]) -> set[tuple[int, str | int]]:
    """Link and cookie, link and visitor hash."""
    names: set[tuple[int, str | int]] = set()
    for row in rows:
        names |= {
            (row["partner_link_id"], name)
            for name in (row["cookie_id"], row["visitor_hash"])
            if name is not None
        }
    return names


def _columns(names: set[tuple[int, str | int]]) -> tuple[list[Any], ...]:
    cookies = [name for name in names if isinstance(name[1], str)]
    hashes = [name for name in names if isinstance(name[1], int)]
    return (
        [link for link, _ in cookies],
        [cookie for _, cookie in cookies],
        [link for link, _ in hashes],
        [digest for _, digest in hashes],
    )


def _drafts(rows: list[Any], first_ms: int) -> tuple[list[Judged], History]:
    """Drafts to judge, in click order; valid clicks before the first are history."""
    history = History()
    judged = []
    for row in rows:
        draft = _draft(row)
        if draft.at_ms >= first_ms:
            judged.append(Judged(draft, (row["click_class"], row["class_reason"], row["is_unique"])))
        elif row["click_class"] == "valid":
            for visitor in draft.visitors:
                history.add(visitor, draft.at_ms)
    return judged, history


def _draft(row: Any) -> Draft:
    """A stored click as it was before it was judged. Only its fallback tells its kind."""
    kind = KIND_FALLBACK if row["class_reason"] == FALLBACK else 0
    event = ClickEvent(
        row["click_id"], row["partner_link_id"], row["partner_id"], row["campaign_version_id"], "", row["cookie_id"],
        0, kind, None, "", "", "", "",
    )  # fmt: skip
    draft = Draft(event, "", 0)
    draft.cookie_id, draft.visitor_hash = row["cookie_id"], row["visitor_hash"]
    draft.visitors = visitors_of(draft)
    is_bot = row["bot_rule"] is not None if row["is_changed"] else row["click_class"] == "bot"
    if is_bot:
        draft.click_class = "bot"
        draft.class_reason = row["bot_rule"] if row["is_changed"] else row["class_reason"]
        draft.is_unique = False
    return draft


async def _write(connection: Connection, changed: list[Judged]) -> None:
    """Classes, rollups, cookies, totals, the ledger's notice and the audit."""
    if not changed:
        return
    place = ([one.draft.click_id for one in changed], [one.draft.at_ms for one in changed])
    await connection.execute(SQL["note_deltas"], *place, -1)
    await connection.execute(
        SQL["set_classes"], *place, *map(list, zip(*(one.after for one in changed), strict=True))
    )
    await connection.execute(SQL["note_deltas"], *place, 1)
    counted = [one for one in changed if (one.before[0] == "valid") != (one.after[0] == "valid")]
    cookies = {one.draft.cookie_id for one in counted if one.draft.cookie_id is not None}
    lost = await refold_cookies(connection, sorted(cookies))
    await connection.execute(SQL["forget_clicks_of_cookies"], lost)
    await _move_totals(connection, counted)
    await connection.execute(
        SQL["note_for_ledger"],
        [one.draft.click_id for one in counted],
        [one.draft.at_ms for one in counted],
        [one.draft.cookie_id for one in counted],
    )
    counts = Counter(f"{one.before[0]} to {one.after[0]}" for one in changed)
    body = {"clicks": len(changed), "through": changed[-1].draft.click_id, "classes": counts}
    await connection.execute(
        SQL["audit"], changed[0].draft.click_id, orjson.dumps(body).decode(), "the rules for robots changed"
    )


async def _move_totals(connection: Connection, counted: list[Judged]) -> None:
    """Enrolments gain or lose the clicks that became valid or ceased to be."""
    moved: Counter[tuple[int, int]] = Counter()
    for one in counted:
        event = one.draft.event
        if event.campaign_version_id is not None and event.partner_id is not None:
            moved[event.campaign_version_id, event.partner_id] += 1 if one.after[0] == "valid" else -1
    rows = [(*enrolment, clicks) for enrolment, clicks in sorted(moved.items())]
    if rows:
        await connection.execute(SQL["move_totals"], *map(list, zip(*rows, strict=True)))
