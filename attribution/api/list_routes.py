"""Read-only lists of the programme, of what it pays, and of who changed it: the dictionary's resources, a page at a time.

Row-level security decides which rows a key sees. A programme is written by `clickledger apply`, links by `/v1/links`.
"""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query

from attribution.api import list_bodies as rows
from attribution.api.link_routes import Cursor, Limit, cursor_number, next_cursor
from attribution.api.list_bodies import page
from attribution.api.tenancy import Asking, Tenancy
from schema.queries import load_queries

router = APIRouter(tags=["programme"])
SQL = load_queries("attribution", "lists.sql")
JSON_FIELDS = ("conditions", "actions", "metadata", "mapping_config", "changes")
BIGINT_MAX = 2**63 - 1

LongCursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,19}$", description="`next_cursor` of the page before.")
]


async def _page(asking: Tenancy, name: str, key: str, cursor: str | None, limit: int) -> dict[str, Any]:
    async with asking.transaction() as connection:
        found = await connection.fetch(SQL[f"list_{name}"], cursor_number(cursor), limit)
    items = [_shown(row) for row in found]
    return {name: items, "next_cursor": next_cursor(items, limit, key)}


def _shown(row: Any) -> dict[str, Any]:
    return {
        field: orjson.loads(value) if field in JSON_FIELDS and value is not None else value
        for field, value in row.items()
    }


@router.get("/v1/vendors", responses=page("vendors", rows.VendorRow))
async def get_vendors(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The vendors the caller may see."""
    return await _page(asking, "vendors", "vendor_id", cursor, limit)


@router.get("/v1/partners", responses=page("partners", rows.PartnerRow))
async def get_partners(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The partners the caller may see."""
    return await _page(asking, "partners", "partner_id", cursor, limit)


@router.get("/v1/campaigns", responses=page("campaigns", rows.CampaignRow))
async def get_campaigns(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The campaigns the caller may see, with the terms in force."""
    return await _page(asking, "campaigns", "campaign_id", cursor, limit)


@router.get("/v1/versions", responses=page("versions", rows.VersionRow))
async def get_versions(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The versions of the campaigns the caller may see; a partner sees those it was enrolled on."""
    return await _page(asking, "versions", "campaign_version_id", cursor, limit)


@router.get("/v1/enrolments", responses=page("enrolments", rows.EnrolmentRow))
async def get_enrolments(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The enrolments the caller may see; their `campaign_partner_id` is what a new link needs."""
    return await _page(asking, "enrolments", "campaign_partner_id", cursor, limit)


@router.get("/v1/coupons", responses=page("coupons", rows.CouponRow))
async def get_coupons(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The coupons that name a partner, as far as the caller may see them."""
    return await _page(asking, "coupons", "partner_coupon_id", cursor, limit)


@router.get("/v1/content-pieces", responses=page("content_pieces", rows.ContentPieceRow))
async def get_content_pieces(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """What a partner places its links in; a partner sees its own."""
    return await _page(asking, "content_pieces", "content_piece_id", cursor, limit)


@router.get("/v1/integrations", responses=page("integrations", rows.IntegrationRow))
async def get_integrations(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The shops' connections; a vendor sees its own."""
    return await _page(asking, "integrations", "integration_id", cursor, limit)


@router.get("/v1/mappings", responses=page("mappings", rows.MappingRow))
async def get_mappings(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """How the events of integrations become ours; a vendor sees its own."""
    return await _page(asking, "mappings", "integration_event_mapping_id", cursor, limit)


@router.get("/v1/event-types", tags=["commission"], responses=page("event_types", rows.EventTypeRow))
async def get_event_types(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """What may happen after a click, by stage; only commissionable types earn."""
    return await _page(asking, "event_types", "conversion_event_type_id", cursor, limit)


@router.get("/v1/rules", tags=["commission"], responses=page("rules", rows.RuleRow))
async def get_rules(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The commission rules the caller may see, in the order in which they are tried."""
    return await _page(asking, "rules", "commission_rule_id", cursor, limit)


@router.get("/v1/overrides", tags=["commission"], responses=page("overrides", rows.OverrideRow))
async def get_overrides(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The partners' own rates the caller may see; a partner sees its own."""
    return await _page(asking, "overrides", "partner_campaign_override_id", cursor, limit)


@router.get("/v1/tiers", tags=["commission"], responses=page("tiers", rows.TierRow))
async def get_tiers(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The steps of tiered commissions of the versions the caller may see."""
    return await _page(asking, "tiers", "campaign_tier_id", cursor, limit)


@router.get("/v1/rewards", tags=["commission"], responses=page("rewards", rows.RewardRow))
async def get_rewards(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """What milestones and tiers give."""
    return await _page(asking, "rewards", "reward_id", cursor, limit)


@router.get("/v1/milestones", tags=["commission"], responses=page("milestones", rows.MilestoneRow))
async def get_milestones(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The bonuses of the versions the caller may see."""
    return await _page(asking, "milestones", "campaign_milestone_id", cursor, limit)


@router.get("/v1/leads", tags=["leads"], responses=page("leads", rows.LeadRow))
async def get_leads(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The leads the caller may see, without what names a person."""
    return await _page(asking, "leads", "lead_id", cursor, limit)


@router.get("/v1/payment-methods", tags=["payouts"], responses=page("payment_methods", rows.PaymentMethodRow))
async def get_payment_methods(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """The accounts partners are paid into; a partner sees its own."""
    return await _page(asking, "payment_methods", "partner_payment_method_id", cursor, limit)


@router.get("/v1/payouts", tags=["payouts"], responses=page("payouts", rows.PayoutRow))
async def get_payouts(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """What partners were or will be paid; a partner sees its own."""
    return await _page(asking, "payouts", "payout_id", cursor, limit)


@router.get("/v1/audit-log", tags=["audit"], responses=page("audit_log", rows.AuditRow))
async def get_audit_log(
    asking: Asking,
    limit: Limit = 100,
    cursor: LongCursor = None,
    entity_type: Annotated[
        str | None, Query(pattern=r"^[a-z_]{1,50}$", description="Only changes of this table.")
    ] = None,
    entity_id: Annotated[
        int | None, Query(ge=0, le=BIGINT_MAX, description="Only changes of this row.")
    ] = None,
) -> dict[str, Any]:
    """Who changed what, the newest first; an admin sees it, others see none."""
    before = min(int(cursor), BIGINT_MAX) if cursor else BIGINT_MAX
    async with asking.transaction() as connection:
        found = await connection.fetch(SQL["list_audit_log"], before, limit, entity_type, entity_id)
    items = [_shown(row) for row in found]
    return {"audit_log": items, "next_cursor": next_cursor(items, limit, "audit_log_id")}
