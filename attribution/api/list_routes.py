"""Read-only lists: clicks, vendors, partners, campaigns, enrolments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from attribution.api.link_routes import Cursor, Limit, cursor_number, next_cursor
from attribution.api.tenancy import Asking, Tenancy
from attribution.link_fields import MOMENT_MAX, MOMENT_MIN
from attribution.periods import period_of
from attribution.stats import freshness
from schema.queries import load_queries

router = APIRouter()
SQL = load_queries("attribution", "lists.sql")

CLICK_ID_MAX = 2**63 - 1
ClickCursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,19}$", description="`next_cursor` of the page before.")
]


@router.get("/v1/clicks", tags=["clicks"])
async def get_clicks(
    asking: Asking,
    limit: Limit = 100,
    cursor: ClickCursor = None,
    start: Annotated[str | None, Query(max_length=40)] = None,
    end: Annotated[str | None, Query(max_length=40)] = None,
    link: Annotated[str | None, Query(max_length=255, description="Only clicks of this code.")] = None,
) -> dict[str, Any]:
    """Clicks of every class, newest first. A click id is a decimal string: it is larger than JavaScript counts."""
    since, until = _range(start, end)
    before = min(int(cursor), CLICK_ID_MAX) if cursor else CLICK_ID_MAX
    code = None if link is None else asking.policy.normal(link.replace("\x00", ""))
    async with asking.transaction() as connection:
        rows = await connection.fetch(SQL["list_clicks"], before, since, until, code, limit)
        fresh = await freshness(connection)
    clicks = [dict(row) | {"click_id": str(row["click_id"])} for row in rows]
    return fresh | {"clicks": clicks, "next_cursor": next_cursor(clicks, limit, "click_id")}


def _range(start: str | None, end: str | None) -> tuple[datetime, datetime]:
    """The half-open range; both ends are open by default."""
    period = period_of(
        start or MOMENT_MIN.isoformat(), end or "2199-12-31", "month", "UTC", datetime.now(UTC)
    )
    return period.start, period.end if end else MOMENT_MAX


async def _page(asking: Tenancy, name: str, key: str, cursor: str | None, limit: int) -> dict[str, Any]:
    async with asking.transaction() as connection:
        rows = await connection.fetch(SQL[f"list_{name}"], cursor_number(cursor), limit)
    items = [dict(row) for row in rows]
    return {name: items, "next_cursor": next_cursor(items, limit, key)}


@router.get("/v1/vendors", tags=["programme"])
async def get_vendors(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The vendors the caller may see."""
    return await _page(asking, "vendors", "vendor_id", cursor, limit)


@router.get("/v1/partners", tags=["programme"])
async def get_partners(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The partners the caller may see."""
    return await _page(asking, "partners", "partner_id", cursor, limit)


@router.get("/v1/campaigns", tags=["programme"])
async def get_campaigns(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The campaigns the caller may see, with the terms in force."""
    return await _page(asking, "campaigns", "campaign_id", cursor, limit)


@router.get("/v1/enrolments", tags=["programme"])
async def get_enrolments(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The enrolments the caller may see; their `campaign_partner_id` is what a new link needs."""
    return await _page(asking, "enrolments", "campaign_partner_id", cursor, limit)
