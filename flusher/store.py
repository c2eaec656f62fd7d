"""One flush, one transaction: clicks, cookies, totals, imports, dead letters and the watermark, or nothing.

Drafts of a batch come in from the writer's loop, rows go into PostgreSQL. Rows are copied straight into `clicks`;
only when a primary key reports a duplicate does the batch take the replay path, which leaves out what is stored
already. A row that PostgreSQL refuses for its data is found by halving the batch and set aside.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from operator import attrgetter
from typing import NamedTuple

import asyncpg
import orjson

from flusher.classes import judge
from flusher.cookie_store import plan_cookies, save_cookies
from flusher.cookies import CookieLife
from flusher.dead_letters import DETAIL_CHARS_MAX, Letter, add_letters
from flusher.draft import Draft
from flusher.glance import Glance, Journal, count_stored, take_glance
from flusher.imports import settle_imports, stored_ids
from flusher.late_clicks import note_late_clicks
from flusher.packed import PG_EPOCH_MS, copy_chunks, packed_clicks
from flusher.partitions import ensure_month
from flusher.rollups import note_clicks
from flusher.rows import COLUMNS, row_of
from schema.queries import load_queries

ATTEMPTS_MAX = 8
"""Of one batch before the loop backs off: a replay, and a few months without partition."""
_QUERIES = load_queries("flusher")
_CLICK_ID = attrgetter("click_id")
_ENROLMENT = attrgetter("campaign_version_id", "partner_id")

REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError, TypeError, OverflowError)
"""What PostgreSQL, or the encoder before it, raises when a row's data is at fault (SQLSTATE 22 and 23)."""

Connection = asyncpg.pool.PoolConnectionProxy


class Flush(NamedTuple):
    """What one transaction stores. `through_ms`: everything captured up to then is stored once it commits."""

    shard: int
    stream: str
    drafts: list[Draft]
    letters: list[Letter]
    through_ms: int
    is_replay: bool


class Stored(NamedTuple):
    """What it stored: rows really inserted by class, rows that were there before, letters."""

    by_class: Counter[str]
    replayed: int
    letters: list[Letter]

    def __add__(self, other: object) -> Stored:
        assert isinstance(other, Stored)
        return Stored(
            self.by_class + other.by_class, self.replayed + other.replayed, self.letters + other.letters
        )


async def set_codecs(connection: asyncpg.Connection) -> None:
    """Times as milliseconds and addresses as bytes: what the writer has in hand, without a Python object each."""
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", format="tuple", encoder=_to_micros, decoder=_from_micros
    )
    await connection.set_type_codec(
        "inet", schema="pg_catalog", format="binary", encoder=bytes, decoder=bytes
    )


def _to_micros(at_ms: int) -> tuple[int]:
    return ((at_ms - PG_EPOCH_MS) * 1000,)


def _from_micros(value: tuple[int]) -> int:
    return value[0] // 1000 + PG_EPOCH_MS


class Store:
    """Stores flushes through a pool whose connections were prepared with `set_codecs`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._journal = Journal()

    async def store(self, flush: Flush) -> Stored:
        """Store all of it, exactly once. Raises PostgreSQL's own errors when it cannot be reached or is not well."""
        try:
            return await self._store_whole(flush)
        except REFUSED as error:
            if not flush.drafts:
                raise
            return await self._store_in_parts(flush, error)

    async def move_watermark(self, shard: int, through_ms: int) -> None:
        """Everything captured on that shard up to then is stored."""
        await self._pool.execute(_QUERIES["move_watermark"], shard, through_ms, 0)

    async def _store_whole(self, flush: Flush) -> Stored:
        """Try until nothing is missing: partitions are made, ids stored before are left out."""
        for _ in range(ATTEMPTS_MAX):
            try:
                return await self._transact(flush)
            except asyncpg.UniqueViolationError:
                flush = flush._replace(is_replay=True)
            except asyncpg.CheckViolationError as error:
                if error.constraint_name is not None:
                    raise
                for month_ms in {_month_of(draft.at_ms): draft.at_ms for draft in flush.drafts}.values():
                    await ensure_month(self._pool, "clicks", month_ms)
        raise asyncpg.InterfaceError(f"a flush did not settle in {ATTEMPTS_MAX} attempts")

    async def _store_in_parts(self, flush: Flush, error: Exception) -> Stored:
        """Halve until the refused rows stand alone; the watermark moves with the last part."""
        if len(flush.drafts) == 1:
            letter = _refused(flush, flush.drafts[0], error)
            return await self.store(flush._replace(drafts=[], letters=[*flush.letters, letter]))
        middle = len(flush.drafts) // 2
        first = await self.store(flush._replace(drafts=flush.drafts[:middle], letters=[], through_ms=0))
        return first + await self.store(flush._replace(drafts=flush.drafts[middle:]))

    async def _transact(self, flush: Flush) -> Stored:
        """The transaction, after a glance at what it will need to know."""
        async with self._pool.acquire() as connection:
            drafts, glance = _in_order(flush.drafts), None
            if _is_plain(flush):
                async with connection.transaction():
                    await connection.execute(_QUERIES["begin_flush"])
                    glance = await take_glance(connection, drafts)
            async with connection.transaction(isolation="read_committed"):
                await connection.execute(_QUERIES["begin_flush"])
                await connection.execute(_QUERIES["lock_writers"])
                if glance is None:
                    drafts = await _not_stored(connection, flush)
                glance = await self._up_to_date(connection, glance, drafts)
                saved = await _write(connection, flush, drafts, glance)
            self._journal.add(glance.stored, len(drafts), saved, glance.history)
        by_class = Counter(draft.click_class for draft in drafts)
        return Stored(by_class, len(flush.drafts) - len(drafts), flush.letters)

    async def _up_to_date(self, connection: Connection, glance: Glance | None, drafts: list[Draft]) -> Glance:
        """The glance as it would be if taken now, under the lock."""
        if glance is not None:
            names = {draft.cookie_id for draft in drafts if draft.cookie_id is not None}
            if self._journal.catch_up(glance, await count_stored(connection), names):
                return glance
        return await take_glance(connection, drafts)


def _is_plain(flush: Flush) -> bool:
    """Whether its drafts will be stored as they are: no replay, no import whose id is not settled."""
    return not flush.is_replay and all(draft.event.import_key is None for draft in flush.drafts)


def _in_order(drafts: list[Draft]) -> list[Draft]:
    """The drafts in click order, each id once: the first."""
    ordered = sorted(drafts, key=_CLICK_ID)
    by_id = dict(zip(map(_CLICK_ID, reversed(ordered)), reversed(ordered), strict=True))
    return ordered if len(by_id) == len(ordered) else sorted(by_id.values(), key=_CLICK_ID)


async def _write(
    connection: Connection, flush: Flush, drafts: list[Draft], glance: Glance
) -> dict[str, CookieLife]:
    """Judge the drafts and write everything; returns the lives of the cookies as they are now."""
    judge(drafts, glance.history)
    valid = [draft for draft in drafts if draft.click_class == "valid"]
    planning = asyncio.create_task(plan_cookies(valid, glance.lives))
    try:
        await _copy_clicks(connection, drafts)
        await note_clicks(connection, drafts)
        saved = await save_cookies(connection, await planning, glance.lives)
    finally:
        planning.cancel()
    await count_clicks(connection, valid)
    await note_late_clicks(connection, flush.shard, valid)
    await add_letters(connection, flush.letters)
    await connection.execute(_QUERIES["move_watermark"], flush.shard, flush.through_ms, len(drafts))
    return saved


async def _copy_clicks(connection: Connection, drafts: list[Draft]) -> None:
    """Insert rows. One alone goes through asyncpg's own encoder: no click is refused for a fault of our packing."""
    if len(drafts) > 1:
        rows = copy_chunks(drafts, packed_clicks)
        await connection.copy_to_table("clicks", source=rows, columns=COLUMNS, format="binary")
    else:
        await connection.copy_records_to_table("clicks", records=map(row_of, drafts), columns=COLUMNS)


async def _not_stored(connection: Connection, flush: Flush) -> list[Draft]:
    """The drafts in click order with imports settled; on the replay path without those that are stored already."""
    drafts = _in_order(await settle_imports(connection, flush.drafts))
    if not flush.is_replay:
        return drafts
    stored = await stored_ids(connection, [draft.click_id for draft in drafts])
    return [draft for draft in drafts if draft.click_id not in stored]


async def count_clicks(connection: Connection, valid: list[Draft]) -> None:
    """Raise the totals of the enrolments that earned these clicks, which are in click order."""
    enrolments = [_ENROLMENT(draft.event) for draft in valid]
    newest = dict(zip(enrolments, [draft.at_ms for draft in valid], strict=True))
    rows = [
        (*enrolment, count, newest[enrolment])
        for enrolment, count in Counter(enrolments).items()
        if None not in enrolment
    ]
    if rows:
        await connection.execute(_QUERIES["count_clicks"], *map(list, zip(*rows, strict=True)))


def _refused(flush: Flush, draft: Draft, error: Exception) -> Letter:
    sqlstate = getattr(error, "sqlstate", None) or type(error).__name__
    detail = f"{sqlstate}: {error}".replace("\0", "")[:DETAIL_CHARS_MAX]
    payload = orjson.dumps(list(draft.event))
    return Letter(flush.stream, draft.entry_id, draft.position, "refused", detail, payload)


def _month_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y%m")
