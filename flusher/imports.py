"""Clicks imported from another tracker: stored once per `import_key`, with ids of the time they happened.

The importer only knows the millisecond of a click; its final id is given here, inside the flush's transaction,
where it is certain which ids are free. The key's own bytes choose the first slot to try, so that the same import
run twice proposes the same ids.
"""

from __future__ import annotations

import uuid

import asyncpg

from flusher.draft import Draft
from schema.ids import IMPORT_SLOTS, MS_SHIFT, import_click_id
from schema.queries import load_queries

ROUNDS_MAX = 100
"""A millisecond has 131,072 slots: more rounds than this mean that somebody imports everything at one instant."""

_QUERIES = load_queries("flusher")
Connection = asyncpg.pool.PoolConnectionProxy


class NoFreeId(Exception):
    """The slots of a millisecond are crowded beyond what is worth probing."""


async def settle_imports(connection: Connection, drafts: list[Draft]) -> list[Draft]:
    """`drafts` without imports stored before, the new ones under their final ids and recorded as imported."""
    wanted: dict[uuid.UUID, Draft] = {}
    others = []
    for draft in drafts:
        if draft.event.import_key is None:
            others.append(draft)
        else:
            wanted.setdefault(uuid.UUID(draft.event.import_key), draft)
    if not wanted:
        return drafts
    for row in await connection.fetch(_QUERIES["known_imports"], list(wanted)):
        del wanted[row["import_key"]]
    await _give_ids(connection, wanted, {draft.click_id for draft in others})
    await connection.execute(
        _QUERIES["add_imports"], list(wanted), [draft.click_id for draft in wanted.values()]
    )
    return others + list(wanted.values())


async def _give_ids(connection: Connection, wanted: dict[uuid.UUID, Draft], taken: set[int]) -> None:
    """Probe slots, from the one the key names onwards, until every draft has an id nobody has."""
    open_drafts = [(key.int % IMPORT_SLOTS, draft) for key, draft in wanted.items()]
    for probe in range(ROUNDS_MAX):
        if not open_drafts:
            return
        proposed = [(slot, draft, import_click_id(draft.at_ms, slot + probe)) for slot, draft in open_drafts]
        stored = await stored_ids(connection, [click_id for _slot, _draft, click_id in proposed])
        open_drafts = []
        for slot, draft, click_id in proposed:
            if click_id in stored or click_id in taken:
                open_drafts.append((slot, draft))
            else:
                taken.add(click_id)
                draft.move_to(click_id)
    if open_drafts:
        raise NoFreeId(f"{len(open_drafts)} imported clicks found no free id")


async def stored_ids(connection: Connection, click_ids: list[int]) -> set[int]:
    """Which of these ids are stored already."""
    if not click_ids:
        return set()
    low, high = min(click_ids) >> MS_SHIFT, max(click_ids) >> MS_SHIFT
    rows = await connection.fetch(_QUERIES["stored_ids"], click_ids, low, high)
    return {row["click_id"] for row in rows}
