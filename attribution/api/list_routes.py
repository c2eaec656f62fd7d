"""Read-only lists of the programme: vendors, partners, campaigns, enrolments."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from attribution.api.link_routes import Cursor, Limit, cursor_number, next_cursor
from attribution.api.tenancy import Asking, Tenancy
from schema.queries import load_queries

router = APIRouter(tags=["programme"])
SQL = load_queries("attribution", "lists.sql")


async def _page(asking: Tenancy, name: str, key: str, cursor: str | None, limit: int) -> dict[str, Any]:
    async with asking.transaction() as connection:
        rows = await connection.fetch(SQL[f"list_{name}"], cursor_number(cursor), limit)
    items = [dict(row) for row in rows]
    return {name: items, "next_cursor": next_cursor(items, limit, key)}


@router.get("/v1/vendors")
async def get_vendors(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The vendors the caller may see."""
    return await _page(asking, "vendors", "vendor_id", cursor, limit)


@router.get("/v1/partners")
async def get_partners(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The partners the caller may see."""
    return await _page(asking, "partners", "partner_id", cursor, limit)


@router.get("/v1/campaigns")
async def get_campaigns(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The campaigns the caller may see, with the terms in force."""
    return await _page(asking, "campaigns", "campaign_id", cursor, limit)


@router.get("/v1/enrolments")
async def get_enrolments(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The enrolments the caller may see; their `campaign_partner_id` is what a new link needs."""
    return await _page(asking, "enrolments", "campaign_partner_id", cursor, limit)
