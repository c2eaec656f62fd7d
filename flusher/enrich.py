"""What a click tells about itself, found out in `STEPS`: read them in order. Pure but for two look-up tables.

Events come in from a batch; drafts go out with agent, class as far as one event decides it, country, address,
visitor hash, referrer and parameters filled in. The writer calls `enrich` outside its transaction, in slices.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton
from typing import Literal
from urllib.parse import unquote_plus

from flusher.classes import UNIQUE_MS, set_plain_class, visitors_of
from flusher.draft import Draft
from flusher.visitors import DAY_MS, Secrets, visitor_bytes, visitor_hash
from schema.agents import read_agent
from schema.countries import Countries
from schema.events import SUB_CHARS_MAX
from schema.ids import parse_cookie_id

PARAMETERS = frozenset(
    {
        *("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"),
        *("sub1", "sub2", "sub3", "sub4", "sub5"),
        "source",
    }
)
SOURCE_CHARS_MAX = 2048
HOST_CHARS_MAX = 255
_COOKIE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_WHOLE_4, _CUT_4 = bytes((2, 32, 0, 4)), bytes((2, 24, 0, 4))
_WHOLE_6, _CUT_6 = bytes((3, 128, 0, 16)), bytes((3, 48, 0, 16))
"""Heads of PostgreSQL's binary inet format (utils/inet.h): family, bits, is_cidr, bytes that follow."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the steps look things up in."""

    countries: Countries
    secrets: Secrets
    ip_privacy: Literal["truncate", "full", "none"]


def put_cookie(draft: Draft, _sources: Sources) -> None:
    """The cookie, if it is one of ours, or came with an import; anything else counts as none."""
    text = draft.event.cookie_id
    if text is None:
        return
    if _COOKIE_ID.fullmatch(text) is not None:  # five times as fast as parsing, and what a door always sends
        draft.cookie_id = text
    elif draft.event.import_key is None:
        draft.cookie_id = parse_cookie_id(text)
    else:
        draft.cookie_id = _any_uuid(text)


def _any_uuid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def put_agent(draft: Draft, _sources: Sources) -> None:
    """Device, browser, system, and the rule that recognises a crawler."""
    draft.agent = read_agent(draft.event.user_agent)


def put_country(draft: Draft, sources: Sources) -> None:
    """Country, from the whole address."""
    ip = draft.event.ip
    if ip is not None:
        draft.country = sources.countries.country(ip)


def put_visitor(draft: Draft, sources: Sources) -> None:
    """Visitor hash of the click's day, and those under which the same visitor may stand within 24 hours."""
    ip = draft.event.ip
    day = draft.at_ms // DAY_MS
    secret = sources.secrets.get(day)
    if ip is None or secret is None or draft.click_class != "valid":
        return
    try:
        visitor = visitor_bytes(ip, draft.event.user_agent)
    except ValueError:
        return
    draft.visitor_hash = visitor_hash(secret, visitor)
    draft.visitor_neighbours = tuple(
        visitor_hash(sources.secrets[other], visitor)
        for other in ((draft.at_ms - UNIQUE_MS) // DAY_MS, (draft.at_ms + UNIQUE_MS) // DAY_MS)
        if other != day and other in sources.secrets
    )


def put_names(draft: Draft, _sources: Sources) -> None:
    """The names under which earlier clicks of this visitor on this link are looked for."""
    if draft.click_class == "valid":
        draft.visitors = visitors_of(draft)


def put_address(draft: Draft, sources: Sources) -> None:
    """The address as it will be stored."""
    ip = draft.event.ip
    if ip is not None:
        draft.address = stored_address(ip, sources.ip_privacy)


def put_referrer(draft: Draft, _sources: Sources) -> None:
    """The host of the page the visitor came from."""
    referrer = draft.event.referrer
    if referrer:
        draft.referrer_host = host_of(referrer)


def put_parameters(draft: Draft, _sources: Sources) -> None:
    """Sub-ids, source and utm_* of the visitor's query."""
    query = draft.event.query
    if query:
        draft.parameters = parameters_of(query)


def put_class(draft: Draft, _sources: Sources) -> None:
    """head, prefetch, bot; the rest is judged later, against earlier clicks."""
    set_plain_class(draft)


Step = Callable[[Draft, Sources], None]
STEPS: tuple[Step, ...] = (
    put_cookie,
    put_agent,
    put_class,
    put_country,
    put_visitor,
    put_names,
    put_address,
    put_referrer,
    put_parameters,
)


def enrich(drafts: Iterable[Draft], sources: Sources) -> Iterator[tuple[Draft, Exception | None]]:
    """Take every draft through every step. One that a step stumbles over must not hold up its shard for ever,
    so it comes back with the error, to be set aside."""
    for draft in drafts:
        try:
            for step in STEPS:
                step(draft, sources)
        except Exception as error:
            yield draft, error
        else:
            yield draft, None


def stored_address(ip: str, ip_privacy: str) -> bytes | None:
    """PostgreSQL's binary inet of an address: cut to /24 or /48, whole, or None (also for what is no address)."""
    if ip_privacy == "none":
        return None
    try:
        if ":" in ip:
            whole = inet_pton(AF_INET6, ip)
            return _WHOLE_6 + whole if ip_privacy == "full" else _CUT_6 + whole[:6] + bytes(10)
        whole = inet_pton(AF_INET, ip)
    except (OSError, ValueError):
        return None
    return _WHOLE_4 + whole if ip_privacy == "full" else _CUT_4 + whole[:3] + b"\0"


@lru_cache(maxsize=10_000)
def host_of(url: str) -> str | None:
    """The host in a URL (or Android app id), lower case, without user and port; None if there is none."""
    scheme, mark, rest = url.partition("://")
    if not mark or not scheme:
        return None
    for end in "/?#\\":
        rest = rest.partition(end)[0]
    host = rest.rpartition("@")[2].lower()
    host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    host = host.replace("\0", "")
    return host if 0 < len(host) <= HOST_CHARS_MAX else None


def parameters_of(query: str) -> dict[str, str] | None:
    """The parameters we keep, decoded byte-tolerantly, cut to their limits; the first mention of a name wins."""
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if "%" in name or "+" in name:
            name = unquote_plus(name, errors="replace")
        if name in PARAMETERS and name not in found:
            text = unquote_plus(value, errors="replace").replace("\0", "")
            if text:
                found[name] = text[: SOURCE_CHARS_MAX if name == "source" else SUB_CHARS_MAX]
    return found or None
