"""What a click tells about itself, found out in `STEPS`: read them in order. Pure but for two look-up tables.

Events come in from a batch; drafts go out with agent, class as far as one event decides it, country, address and
visitor hash filled in, and packed. The writer calls `enrich` outside its transaction, in slices.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_pton
from typing import Literal

from flusher.classes import set_plain_class, visitors_of
from flusher.draft import Draft
from flusher.packed import pack_click
from flusher.visitors import DAY_MS, Secrets, visitor_bytes, visitor_hash
from schema.agents import read_agent
from schema.countries import Countries
from schema.ids import parse_cookie_id

_COOKIE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_WHOLE_4, _CUT_4 = bytes((2, 32, 0, 4)), bytes((2, 24, 0, 4))
_WHOLE_6, _CUT_6 = bytes((3, 128, 0, 16)), bytes((3, 48, 0, 16))
"""Heads of PostgreSQL's binary inet format (utils/inet.h): family, bits, is_cidr, bytes that follow."""

Drafts = Sequence[Draft]


@dataclass(frozen=True, slots=True)
class Sources:
    """What the steps look things up in."""

    countries: Countries
    secrets: Secrets
    ip_privacy: Literal["truncate", "full", "none"]


def put_cookie(drafts: Drafts, _sources: Sources) -> None:
    """The cookie, if it is one of ours, or came with an import; anything else counts as none."""
    is_ours = _COOKIE_ID.fullmatch
    for draft in drafts:
        text = draft.event.cookie_id
        if text is None:
            continue
        if is_ours(text) is not None:  # five times as fast as parsing, and what a door always sends
            draft.cookie_id = text
        elif draft.event.import_key is None:
            draft.cookie_id = parse_cookie_id(text)
        else:
            draft.cookie_id = _any_uuid(text)


def put_agent(drafts: Drafts, _sources: Sources) -> None:
    """Device, browser, system, and the rule that recognises a crawler."""
    for draft in drafts:
        draft.agent = read_agent(draft.event.user_agent)


def put_class(drafts: Drafts, _sources: Sources) -> None:
    """head, prefetch, bot; the rest is judged later, against earlier clicks."""
    for draft in drafts:
        set_plain_class(draft)


def put_country(drafts: Drafts, sources: Sources) -> None:
    """Country, from the whole address."""
    country = sources.countries.country
    for draft in drafts:
        ip = draft.event.ip
        if ip is not None:
            draft.country = country(ip)


def put_visitor(drafts: Drafts, sources: Sources) -> None:
    """Visitor hash of the click's day, and those under which the same visitor may stand within 24 hours."""
    secrets, known_day = sources.secrets, -1
    for draft in drafts:
        day, ip = draft.at_ms // DAY_MS, draft.event.ip
        if day != known_day:
            known_day, own = day, secrets.get(day)
            others = [secrets[other] for other in (day - 1, day + 1) if other in secrets]
        if ip is None or own is None or draft.click_class != "valid":
            continue
        try:
            visitor = visitor_bytes(ip, draft.event.user_agent)
        except ValueError:
            continue
        draft.visitor_hash = visitor_hash(own, visitor)
        if others:
            draft.visitor_neighbours = tuple([visitor_hash(other, visitor) for other in others])


def put_names(drafts: Drafts, _sources: Sources) -> None:
    """The names under which earlier clicks of this visitor on this link are looked for."""
    for draft in drafts:
        if draft.click_class == "valid":
            draft.visitors = visitors_of(draft)


def put_address(drafts: Drafts, sources: Sources) -> None:
    """The address as it will be stored."""
    privacy = sources.ip_privacy
    for draft in drafts:
        ip = draft.event.ip
        if ip is not None:
            draft.address = stored_address(ip, privacy)


def put_packed(drafts: Drafts, _sources: Sources) -> None:
    """Its rows as far as they are known before the transaction, with referrer and parameters read on the way."""
    for draft in drafts:
        pack_click(draft)


Step = Callable[[Drafts, Sources], None]
STEPS: tuple[Step, ...] = (
    put_cookie,
    put_agent,
    put_class,
    put_country,
    put_visitor,
    put_names,
    put_address,
    put_packed,
)
"""Each takes many drafts at once: calling it for every click would cost a sixth of the whole pipeline."""


def enrich(drafts: Drafts, sources: Sources) -> list[tuple[Draft, Exception]]:
    """Take every draft through every step; returns those a step stumbled over, to be set aside.

    One event that a step does not expect must not hold up its shard for ever: then the drafts go through once
    more, each alone.
    """
    try:
        for step in STEPS:
            step(drafts, sources)
    except Exception as error:
        if len(drafts) == 1:
            return [(drafts[0], error)]
        return [fault for draft in drafts for fault in enrich([_afresh(draft)], sources)]
    return []


def _afresh(draft: Draft) -> Draft:
    """The same draft with nothing found out yet."""
    Draft.__init__(draft, draft.event, draft.entry_id, draft.position)
    return draft


def _any_uuid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


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
