"""Finds links among a million: by words, campaign, partner, enrolment and standing, a page at a time.

The API hands over what a caller looks for. PostgreSQL's `find_links` answers with numbers out of a table made for it;
the links themselves are then read under row-level security like any others.
"""

from __future__ import annotations

import unicodedata
from typing import Any, Literal, NamedTuple

import asyncpg

from attribution.link_fields import INT_MAX, Policy
from attribution.link_rows import link_body
from attribution.links import SQL

Standing = Literal["active", "disabled", "scheduled", "expired"]
Order = Literal["oldest", "newest"]


class LinkSearch(NamedTuple):
    """What is looked for; an empty one finds every link of the caller."""

    q: str | None = None
    campaign: int | None = None
    partner: int | None = None
    campaign_partner_id: int | None = None
    status: Standing | None = None
    order: Order = "oldest"


async def find_links(
    connection: asyncpg.Connection, policy: Policy, search: LinkSearch, beyond: int | None, limit: int
) -> list[dict[str, Any]]:
    """The links found beyond the one numbered `beyond` in the order asked for, as `link_body` shows them."""
    is_newest_first = search.order == "newest"
    if beyond is None:
        beyond = INT_MAX if is_newest_first else 0
    rows = await connection.fetch(
        SQL["find_links"],
        _words_looked_for(search.q, policy),
        *search[1:5],
        beyond,
        is_newest_first,
        limit,
    )
    return [link_body(dict(row), policy) for row in rows]


def _words_looked_for(q: str | None, policy: Policy) -> str | None:
    """What was typed or pasted, as codes are stored; of a whole short URL its code."""
    if q is None:
        return None
    return unicodedata.normalize("NFC", q.replace("\x00", "").strip()).removeprefix(f"{policy.door_url}/")
