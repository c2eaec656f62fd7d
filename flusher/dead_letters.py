"""Events that cannot be stored: a closed set of reasons, set aside with what arrived, listed and replayed.

The store writes letters in the transaction of the batch they came with. `clickledger deadletters` pages through
them with `list_letters` and puts them back on their streams with `replay`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from schema.events import FIELD_BLOCK, BadEvent
from schema.queries import load_queries
from schema.redis_client import RedisClient

REASONS = frozenset(
    {
        "not_json",
        "not_a_block",
        "not_an_event",
        "bad_click_id",
        "bad_number",
        "bad_text",
        "bad_time",
        "bad_import_key",
        "bad_amount",
        "bad_fields",
        "unknown_vendor",
        "unknown_event",
        "unreadable",
        "refused",
    }
)
"""`unreadable`: an enrichment step stumbled over it; `refused`: PostgreSQL would not take the row; `detail` says
more. `unknown_event`: an event type nobody made yet, to be replayed once it is; `bad_fields`: what a pixel reported. The others are faults of the event itself."""
DETAIL_CHARS_MAX = 1_000
PAYLOAD_BYTES_MAX = 8 << 20
PAGE_MAX = 1_000
_WHOLE_ENTRY = frozenset({"not_json", "not_a_block"})

_QUERIES = load_queries("flusher")


class Letter(NamedTuple):
    """A dead letter about to be written: where it stood, why it was refused, what arrived."""

    stream: str
    entry_id: str
    position: int
    reason: str
    detail: str | None
    payload: bytes


class DeadLetter(NamedTuple):
    """A dead letter as stored."""

    dead_letter_id: int
    stream: str
    entry_id: str
    position: int
    reason: str
    detail: str | None
    payload: bytes
    created_at: datetime
    replayed_at: datetime | None
    replay_count: int


def letter_of(stream: str, entry_id: str, bad: BadEvent, detail: str | None = None) -> Letter:
    """The letter for an event that could not be decoded."""
    text = None if detail is None else detail.replace("\0", "")[:DETAIL_CHARS_MAX]
    return Letter(stream, entry_id, bad.position, bad.reason, text, bad.payload[:PAYLOAD_BYTES_MAX])


async def add_letters(connection: asyncpg.pool.PoolConnectionProxy, letters: Sequence[Letter]) -> None:
    """Write letters inside the caller's transaction; one that is there already is left alone."""
    if letters:
        await connection.execute(_QUERIES["add_dead_letters"], *map(list, zip(*letters, strict=True)))


async def list_letters(
    pool: asyncpg.Pool, *, after: int = 0, limit: int = 100, is_with_replayed: bool = False
) -> list[DeadLetter]:
    """The next letters with a number above `after`, oldest first; the last one's number is the next cursor."""
    rows = await pool.fetch(
        _QUERIES["list_dead_letters"], after, is_with_replayed, max(1, min(limit, PAGE_MAX))
    )
    return [DeadLetter(*row) for row in rows]


async def get_letters(pool: asyncpg.Pool, numbers: Sequence[int]) -> list[DeadLetter]:
    """Letters by number; those that do not exist are missing from the answer."""
    return [DeadLetter(*row) for row in await pool.fetch(_QUERIES["get_dead_letters"], list(numbers))]


async def replay(pool: asyncpg.Pool, redis: RedisClient, letters: Sequence[DeadLetter]) -> int:
    """Put letters back on their streams and mark them; returns how many.

    Appended first, marked second: killed in between, a letter may be appended again, which the writer recognises
    by its click id or import key. An event that fails again becomes a new letter, with its new place.
    """
    for letter in letters:
        await redis.xadd(letter.stream, {FIELD_BLOCK: block_of(letter)})
        await pool.execute(_QUERIES["mark_replayed"], [letter.dead_letter_id])
    return len(letters)


def block_of(letter: DeadLetter) -> bytes:
    """The letter's event as a block of its own; a whole entry that was no block goes back as it came."""
    return letter.payload if letter.reason in _WHOLE_ENTRY else b"[" + letter.payload + b"]"
