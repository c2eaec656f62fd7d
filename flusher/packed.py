"""Rows in the form that PostgreSQL's binary COPY takes, put together from pieces most of which are cached. Pure.

`enrich` packs what a click tells about itself while no transaction waits; the store adds its number and its class
and sends the rows, and so `rollups` with deltas and `cookie_store` with new cookies. Having asyncpg encode the 27
values of a click and the 16 of its delta one by one takes three times as long. The same rows as values are
`rows.row_of` and `rollups.delta_of`: a test holds each pair against each other.
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
DELTA_COLUMNS = (
    *("clicked_at", "partner_link_id", "partner_id", "campaign_version_id"),
    *("country_code", "device_type", "browser", "os", "referrer_host"),
    *("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"),
    *("click_class", "is_unique"),
)
UTM = DELTA_COLUMNS[-7:-2]
ROWS_AT_ONCE = 1_000
"""Rows put together before the loop has another turn and PostgreSQL its first work, 0.5 ms."""
_NULL = b"\xff\xff\xff\xff"
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"
_LENGTH = Struct(">i").pack
_INT = Struct(">ii").pack
_LONG = Struct(">iq").pack
_TIME = Struct(">hiq").pack
_ID_AND_TIME = Struct(">hiqiq").pack
_USUAL_VISITOR = Struct(">i16siqi8s").pack
_NAME_AND_TIMES = Struct(">hi16siqiqiqiq").pack

Row = TypeVar("Row")


async def copy_chunks(rows: Sequence[Row], pack: Callable[[Sequence[Row]], bytes]) -> AsyncIterator[bytes]:
    """A whole COPY of `rows`, for asyncpg to send."""
    yield _HEAD
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield pack(rows[start : start + ROWS_AT_ONCE])
    yield _TAIL


def packed_clicks(drafts: Sequence[Draft]) -> bytes:
    """Rows of judged drafts: their columns are `rows.COLUMNS`."""
    pieces: list[bytes] = []
    width, to_micros = len(COLUMNS), PG_EPOCH_MS * 1000
    for draft in drafts:
        pieces += (
            _ID_AND_TIME(width, 8, draft.click_id, 8, draft.at_ms * 1000 - to_micros),
            draft.packed,
            _class(draft.click_class, draft.class_reason, draft.is_unique),
        )
    return b"".join(pieces)


def packed_deltas(drafts: Sequence[Draft]) -> bytes:
    """What judged drafts add to the rollups: their columns are `DELTA_COLUMNS`."""
    pieces: list[bytes] = []
    width, to_micros = len(DELTA_COLUMNS), PG_EPOCH_MS * 1000
    for draft in drafts:
        pieces += (
            _TIME(width, 8, draft.at_ms * 1000 - to_micros),
            draft.packed_delta,
            _counted(draft.click_class, draft.is_unique),
        )
    return b"".join(pieces)


def pack_click(draft: Draft) -> None:
    """Pack the columns between time and class, of the click and of its delta."""
    event = draft.event
    numbers = _ints(event.link_id, event.partner_id, event.campaign_version_id)
    country = _country(draft.country)
    agent, device = _agent(event.user_agent)
    referrer, host = _referrer(event.referrer)
    parameters, utm = _parameters(event.query)
    draft.packed = b"".join(
        (
            numbers,
            _visitor(draft.cookie_id, draft.visitor_hash, draft.address),
            country,
            agent,
            referrer,
            parameters,
        )
    )
    draft.packed_delta = b"".join((numbers, country, device, host, utm))


def _visitor(cookie_id: str | None, visitor_hash: int | None, address: bytes | None) -> bytes:
    """Cookie, visitor hash and address, or NULL."""
    if cookie_id is not None and visitor_hash is not None and address is not None and len(address) == 8:
        return _USUAL_VISITOR(16, _uuid(cookie_id), 8, visitor_hash, 8, address)
    return b"".join(
        (
            _NULL if cookie_id is None else _LENGTH(16) + _uuid(cookie_id),
            _NULL if visitor_hash is None else _LONG(8, visitor_hash),
            _NULL if address is None else _LENGTH(len(address)) + address,
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


@lru_cache(maxsize=CACHED_MAX)
def _counted(click_class: str, is_unique: bool) -> bytes:
    return _texts(click_class) + _LENGTH(1) + bytes((is_unique,))


_country = lru_cache(maxsize=1_000)(_texts)


@lru_cache(maxsize=CACHED_MAX)
def _agent(user_agent: str) -> tuple[bytes, bytes]:
    """The user agent with what it names, and that alone."""
    agent = read_agent(user_agent)
    device = _texts(agent.device_type, agent.browser, agent.os)
    return _texts(clean(user_agent, USER_AGENT_CHARS_MAX)) + device, device


@lru_cache(maxsize=CACHED_MAX)
def _referrer(referrer: str) -> tuple[bytes, bytes]:
    """The referrer with its host, and that alone."""
    host = _texts(host_of(referrer))
    return _texts(clean(referrer, REFERRER_CHARS_MAX)) + host, host


@lru_cache(maxsize=CACHED_MAX)
def _parameters(query: str) -> tuple[bytes, bytes]:
    """All parameters, and the utm_* alone."""
    found = parameters_of(query) or {}
    return _texts(*map(found.get, PARAMETERS)), _texts(*map(found.get, UTM))
