"""Rows in the form that PostgreSQL's binary COPY takes, put together from pieces most of which are cached. Pure.

`enrich` packs what a click tells about itself while no transaction waits; the store adds its number and its class
and sends the rows, and so `cookie_store` with new cookies. Having asyncpg encode the 29 values of a click one by
one takes twice as long. The same row as values is `rows.row_of`: a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import lru_cache
from struct import Struct
from typing import TypeVar

from flusher.cookies import CookieLife
from flusher.draft import Draft
from flusher.rows import COLUMNS, clean
from flusher.texts import CACHED_MAX, PARAMETERS, host_of, parameters_of
from schema.agents import read_agent
from schema.events import REFERRER_CHARS_MAX, USER_AGENT_CHARS_MAX
from schema.ids import MS_SHIFT

PG_EPOCH_MS = 946_684_800_000
"""PostgreSQL counts microseconds, from the year 2000 on."""
COOKIE_COLUMNS = (
    *("cookie_id", "first_click_id", "last_click_id", "expires_at", "last_seen_at"),
    *("first_partner_id", "last_partner_id", "last_campaign_version_id"),
)
ROWS_AT_ONCE = 1_000
"""Rows put together before the loop has another turn and PostgreSQL its first work, 0.5 ms."""
_NULL = b"\xff\xff\xff\xff"
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"
_LENGTH = Struct(">i").pack
_INT = Struct(">ii").pack
_LONG = Struct(">iq").pack
_ID_AND_TIME = Struct(">hiqiq").pack
_NAME_AND_TIMES = Struct(">hi16siqiqiqiq").pack
_OF_UUID = _LENGTH(16)
_OF_INET_4, _OF_INET_6 = _LENGTH(8), _LENGTH(20)

Row = TypeVar("Row")


async def copy_chunks(rows: Sequence[Row], pack: Callable[[Sequence[Row]], bytes]) -> AsyncIterator[bytes]:
    """A whole COPY of `rows`, for asyncpg to send."""
    yield _HEAD
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield pack(rows[start : start + ROWS_AT_ONCE])
    yield _TAIL


def packed_clicks(drafts: Sequence[Draft]) -> bytes:
    """Rows of judged drafts: their columns are `COLUMNS`."""
    pieces: list[bytes] = []
    width, to_micros = len(COLUMNS), PG_EPOCH_MS * 1000
    for draft in drafts:
        pieces += (
            _ID_AND_TIME(width, 8, draft.click_id, 8, draft.at_ms * 1000 - to_micros),
            draft.packed,
            _class(draft.click_class, draft.class_reason, draft.is_unique),
        )
    return b"".join(pieces)


def packed_click(draft: Draft) -> bytes:
    """The columns of a row between its time and its class."""
    event = draft.event
    address, cookie_id, visitor_hash = draft.address, draft.cookie_id, draft.visitor_hash
    return b"".join(
        (
            _ints(event.link_id, event.partner_id, event.campaign_version_id),
            _NULL if cookie_id is None else _OF_UUID + _uuid(cookie_id),
            _NULL if visitor_hash is None else _LONG(8, visitor_hash),
            _NULL if address is None else (_OF_INET_4 if len(address) == 8 else _OF_INET_6) + address,
            _country(draft.country),
            _agent(event.user_agent),
            _referrer(event.referrer),
            _parameters(event.query),
        )
    )


def packed_cookies(cookies: Sequence[tuple[str, CookieLife]]) -> bytes:
    """Rows of new cookies: their columns are `COOKIE_COLUMNS`."""
    pieces: list[bytes] = []
    width, to_micros = len(COOKIE_COLUMNS), PG_EPOCH_MS * 1000
    for name, (first_id, first_partner, last_id, last_partner, version, expires_ms) in cookies:
        expires, seen = expires_ms * 1000 - to_micros, (last_id >> MS_SHIFT) * 1000 - to_micros
        pieces += (
            _NAME_AND_TIMES(width, 16, _uuid(name), 8, first_id, 8, last_id, 8, expires, 8, seen),
            _ints(first_partner, last_partner, version),
        )
    return b"".join(pieces)


def _uuid(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


@lru_cache(maxsize=CACHED_MAX)
def _ints(*numbers: int | None) -> bytes:
    """Integers that are known together, or NULL."""
    return b"".join(_NULL if number is None else _INT(4, number) for number in numbers)


def _texts(*texts: str | None) -> bytes:
    """Texts, or NULL."""
    values = [None if text is None else text.encode() for text in texts]
    return b"".join(_NULL if value is None else _LENGTH(len(value)) + value for value in values)


@lru_cache(maxsize=CACHED_MAX)
def _class(click_class: str, class_reason: str | None, is_unique: bool) -> bytes:
    return _texts(click_class, class_reason) + _LENGTH(1) + bytes((is_unique,))


_country = lru_cache(maxsize=1_000)(_texts)


@lru_cache(maxsize=CACHED_MAX)
def _agent(user_agent: str) -> bytes:
    agent = read_agent(user_agent)
    return _texts(clean(user_agent, USER_AGENT_CHARS_MAX), agent.device_type, agent.browser, agent.os)


@lru_cache(maxsize=CACHED_MAX)
def _referrer(referrer: str) -> bytes:
    return _texts(clean(referrer, REFERRER_CHARS_MAX), host_of(referrer))


@lru_cache(maxsize=CACHED_MAX)
def _parameters(query: str) -> bytes:
    found = parameters_of(query) or {}
    return _texts(*map(found.get, PARAMETERS))
