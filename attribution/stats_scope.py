"""Whose numbers a question is about: the rollups that hold them, or the single links that share them.

Comes in: what the caller may see, the link, campaign or partner asked about, and filters by these. Goes out: a
`Place`, the first two parameters of every block of `rollups.sql` and `stats.sql`. A link belongs to one partner and
one campaign, so any combination comes down to links.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg

from attribution.faults import Fault, Refused
from attribution.keys import Caller
from attribution.link_fields import INT_MAX
from schema.queries import load_queries

SQL = load_queries("attribution", "rollups.sql")

LINKS_MAX = 10_000
OWNERS = ("link", "partner", "campaign")
"""Dimensions that are not a property of a click but of its link."""


class Subject(NamedTuple):
    """What the path names; nothing for everything the caller may see."""

    link_id: int | None = None
    partner_id: int | None = None
    campaign_id: int | None = None


class Place(NamedTuple):
    """A scope and its numbers."""

    scope: str
    numbers: Sequence[int]


async def place_of(
    connection: asyncpg.Connection, caller: Caller, subject: Subject, filters: Mapping[str, Sequence[str]]
) -> Place:
    """Where the numbers are. Raises Refused when they are spread over too many links."""
    partners = _both(subject.partner_id, filters.get("partner"))
    campaigns = _both(subject.campaign_id, filters.get("campaign"))
    codes = filters.get("link")
    if subject.link_id is not None and codes is None and partners is None and campaigns is None:
        return Place("link", [subject.link_id])
    if subject.link_id is None and codes is None:
        whole = _whole(caller, partners, campaigns)
        if whole is not None:
            return whole
    values = (subject.link_id, _list(codes), _list(partners), _list(campaigns), LINKS_MAX + 1)
    rows = await connection.fetch(SQL["links_within"], *values)
    if len(rows) > LINKS_MAX:
        raise Refused([Fault("partner", f"these filters leave more than {LINKS_MAX:,} links; leave one out")])
    return Place("link", [row["partner_link_id"] for row in rows])


def _whole(caller: Caller, partners: Sequence[str] | None, campaigns: Sequence[str] | None) -> Place | None:
    """A scope that has rollups of its own, None where there is none for this combination and caller."""
    if partners is None and campaigns is None:
        if caller.role == "admin":
            return Place("all", [0])
        if caller.role == "vendor":
            return Place("vendor", [caller.vendor_id or 0])
        return Place("partner", [caller.partner_id or 0])
    if campaigns is None and partners is not None and "" not in partners and caller.role != "vendor":
        return Place("partner", _numbers(partners))
    if partners is None and campaigns is not None and "" not in campaigns and caller.role != "partner":
        return Place("campaign", _numbers(campaigns))
    return None


def _both(number: int | None, wanted: Sequence[str] | None) -> Sequence[str] | None:
    """What the path and a filter of the same kind leave together."""
    if number is None:
        return wanted
    return [str(number)] if wanted is None or str(number) in wanted else []


def _numbers(texts: Sequence[str]) -> list[int]:
    """What can be a number of something; nothing else has any clicks."""
    return [int(text) for text in set(texts) if text.isascii() and text.isdigit() and int(text) <= INT_MAX]


def _list(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else list(values)
