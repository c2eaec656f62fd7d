"""What a batch's visitors and cookies did before, looked up before its turn comes: all but the newest of it.

Only one writer at a time may store clicks, so as little as possible happens while it holds the writers' lock. The
store takes a `Glance` before it asks for the lock; having it, it adds what other shards of the same process have
stored in between, which the `Journal` remembers. When anybody else stored clicks in between, the numbers do not
add up and the glance is taken again, under the lock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import asyncpg

from flusher.classes import History
from flusher.cookie_store import cookie_lives
from flusher.cookies import CookieLife
from flusher.draft import Draft
from flusher.seeds import seed
from schema.queries import load_queries

FLUSHES_REMEMBERED = 4
"""A flush rarely waits for more than its neighbours; each remembered one takes about 10 MB."""

_QUERIES = load_queries("flusher")
Connection = asyncpg.pool.PoolConnectionProxy


@dataclass(slots=True)
class Glance:
    """How the world looked when `stored` clicks had been stored by all writers."""

    stored: int
    lives: dict[str, CookieLife]
    history: History


@dataclass(frozen=True, slots=True)
class _Flushed:
    """One flush of this process: the total after it, its own part in that, and what it added."""

    total: int
    inserted: int
    lives: dict[str, CookieLife]
    history: History


class Journal:
    """The last flushes of this process, oldest first."""

    def __init__(self) -> None:
        self._flushed: deque[_Flushed] = deque(maxlen=FLUSHES_REMEMBERED)

    def add(self, before: int, inserted: int, lives: dict[str, CookieLife], history: History) -> None:
        """A flush has been committed that found `before` clicks stored."""
        if inserted:
            history.forget_others()
            self._flushed.append(_Flushed(before + inserted, inserted, lives, history))

    def catch_up(self, glance: Glance, stored: int, names: set[str]) -> bool:
        """Add to a glance what was stored since; False when somebody else stored some of it."""
        missed = [flushed for flushed in self._flushed if glance.stored < flushed.total <= stored]
        if sum(flushed.inserted for flushed in missed) != stored - glance.stored:
            return False
        for flushed in missed:
            for name in flushed.lives.keys() & names:
                glance.lives[name] = flushed.lives[name]
            glance.history.look_also_in(flushed.history)
        glance.stored = stored
        return True


async def take_glance(connection: Connection, drafts: list[Draft]) -> Glance:
    """Look everything up. The total is read first: what is stored meanwhile is then seen twice, not missed."""
    stored = await count_stored(connection)
    lives = await cookie_lives(connection, drafts)
    return Glance(stored, lives, await seed(connection, drafts, lives))


async def count_stored(connection: Connection) -> int:
    """Clicks stored so far by all writers: every flush that adds one raises it."""
    return int(await connection.fetchval(_QUERIES["count_stored"]))
