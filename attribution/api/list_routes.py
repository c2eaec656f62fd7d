"""Read-only lists: vendors, partners, campaigns, enrolments; event types, rules and overrides; leads."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter

from attribution.api.link_routes import Cursor, Limit, cursor_number, next_cursor
from attribution.api.tenancy import Asking, Tenancy
from schema.queries import load_queries

router = APIRouter(tags=["programme"])
SQL = load_queries("attribution", "lists.sql")
JSON_FIELDS = ("conditions", "actions")


async def _page(asking: Tenancy, name: str, key: str, cursor: str | None, limit: int) -> dict[str, Any]:
    async with asking.transaction() as connection:
        rows = await connection.fetch(SQL[f"list_{name}"], cursor_number(cursor), limit)
    items = [{field: _shown(field, value) for field, value in row.items()} for row in rows]
    return {name: items, "next_cursor": next_cursor(items, limit, key)}


def _shown(field: str, value: Any) -> Any:
    return orjson.loads(value) if field in JSON_FIELDS else value


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


@router.get("/v1/event-types", tags=["commission"])
async def get_event_types(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """What may happen after a click, by stage; only commissionable types earn."""
    return await _page(asking, "event_types", "conversion_event_type_id", cursor, limit)


@router.get("/v1/rules", tags=["commission"])
async def get_rules(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The commission rules the caller may see, in the order in which they are tried."""
    return await _page(asking, "rules", "commission_rule_id", cursor, limit)


@router.get("/v1/overrides", tags=["commission"])
async def get_overrides(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The partners' own rates the caller may see; a partner sees its own."""
    return await _page(asking, "overrides", "partner_campaign_override_id", cursor, limit)


@router.get("/v1/leads", tags=["leads"])
async def get_leads(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The leads the caller may see, without what names a person."""
    return await _page(asking, "leads", "lead_id", cursor, limit)
