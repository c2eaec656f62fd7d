"""The shapes of lists for the OpenAPI document: one row each, named as in the data dictionary, and the page around it.

Lists are read straight from their tables and are not validated again; the tests hold the answers against these.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, create_model


class VendorRow(BaseModel):
    """A vendor."""

    vendor_id: int
    name: str
    email: str
    company_name: str | None
    website_url: str | None
    status: str
    created_at: datetime


class PartnerRow(BaseModel):
    """A partner."""

    partner_id: int
    name: str
    email: str
    status: str
    tier: str
    website_url: str | None
    created_at: datetime


class CampaignRow(BaseModel):
    """A campaign with the terms in force."""

    campaign_id: int
    vendor_id: int
    status: str
    campaign_version_id: int | None
    version_number: int | None
    name: str | None
    destination_url: str | None
    commission_type: str | None
    commission_value: str | None
    window_days: int | None
    attribution_model: str | None
    created_at: datetime


class VersionRow(BaseModel):
    """One version of a campaign's terms; none ever changes."""

    campaign_version_id: int
    campaign_id: int
    version_number: int
    name: str
    description: str | None
    destination_url: str
    commission_type: str | None
    commission_value: str | None
    window_days: int
    attribution_model: str
    half_life_days: str
    click_param: str
    pricing: str
    rule_mode: str
    is_rules_on_overrides: bool
    hold_days: int
    flat_refund: str
    is_coupon_wins: bool
    approval_required: bool
    is_public: bool
    max_partners: int | None
    terms_url: str | None
    promotional_guidelines: str | None
    created_at: datetime


class TierRow(BaseModel):
    """A step of a tiered commission, from `min_amount` up to below `max_amount`."""

    campaign_tier_id: int
    campaign_version_id: int
    label: str
    min_amount: str
    max_amount: str | None
    reward_type: str
    reward_value: str
    reward_id: int | None
    created_at: datetime


class EnrolmentRow(BaseModel):
    """A partner in a campaign."""

    campaign_partner_id: int
    campaign_version_id: int
    campaign_id: int
    partner_id: int
    status: str
    total_clicks: int
    last_click_at: datetime | None
    created_at: datetime


class OverrideRow(BaseModel):
    """A partner's own rate; for every event where it names none."""

    partner_campaign_override_id: int
    partner_id: int
    campaign_version_id: int
    event: str | None
    commission_type: str
    commission_value: str
    valid_from: datetime | None
    valid_until: datetime | None
    created_at: datetime


class RuleRow(BaseModel):
    """A commission rule; one without a version holds everywhere."""

    commission_rule_id: int
    campaign_version_id: int | None
    name: str
    description: str | None
    active: bool
    conditions: dict[str, Any]
    actions: dict[str, Any]
    valid_from: datetime | None
    valid_until: datetime | None
    created_at: datetime


class RewardRow(BaseModel):
    """What milestones and tiers give."""

    reward_id: int
    name: str
    reward_type: str
    reward_value: str | None
    created_at: datetime


class MilestoneRow(BaseModel):
    """A bonus for reaching a number of conversions."""

    campaign_milestone_id: int
    campaign_version_id: int | None
    reward_id: int | None
    name: str
    description: str | None
    event_type: str | None
    target_count: int | None
    created_at: datetime


class EventTypeRow(BaseModel):
    """What may happen after a click."""

    conversion_event_type_id: int
    name: str
    display_name: str
    description: str | None
    sort_order: int
    is_commissionable: bool
    is_one_per_click: bool
    default_commission_type: str | None
    default_commission_value: str | None


class LeadRow(BaseModel):
    """A lead, without what names a person."""

    lead_id: int
    external_lead_id: str | None
    vendor_id: int | None
    partner_id: int | None
    status: str
    click_id: str | None
    cookie_id: str | None
    created_at: datetime


class CouponRow(BaseModel):
    """A coupon that names a partner."""

    partner_coupon_id: int
    vendor_id: int
    code: str
    partner_id: int
    campaign_version_id: int
    valid_from: datetime
    valid_until: datetime | None
    created_at: datetime


class ContentPieceRow(BaseModel):
    """An article, video or the like in which a partner places links."""

    content_piece_id: int
    partner_id: int | None
    external_reference: str | None
    description: str | None
    metadata: Any
    created_at: datetime


class IntegrationRow(BaseModel):
    """A shop's connection; its configuration is not shown."""

    integration_id: int
    vendor_id: int | None
    name: str
    type: str
    created_at: datetime


class MappingRow(BaseModel):
    """How an integration's events become ours."""

    integration_event_mapping_id: int
    integration_id: int | None
    campaign_version_id: int | None
    event_name: str
    mapping_config: Any
    created_at: datetime


class PaymentMethodRow(BaseModel):
    """An account a partner is paid into; its details are not shown."""

    partner_payment_method_id: int
    partner_id: int
    payment_provider_id: int
    provider_account_id: str | None
    is_default: bool
    is_verified: bool
    verified_at: datetime | None
    created_at: datetime


class PayoutRow(BaseModel):
    """What a partner was or will be paid for the half-open period from `start_date` to `end_date`."""

    payout_id: int
    partner_id: int
    amount: str
    currency: str
    status: str
    start_date: datetime
    end_date: datetime
    partner_payment_method_id: int
    payment_provider_id: int
    provider_transaction_id: str | None
    created_at: datetime
    processed_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    failure_reason: str | None


class AuditRow(BaseModel):
    """Who changed what, and why where somebody said so."""

    audit_log_id: int
    entity_type: str
    entity_id: int
    action: str
    actor_type: str
    actor_id: int | None
    changes: Any
    reason: str | None
    created_at: datetime


def page(name: str, row: type[BaseModel], **more: Any) -> dict[int | str, dict[str, Any]]:
    """`responses` of a list called `name` of such rows."""
    title = row.__name__.removesuffix("Row") + "Page"
    fields: dict[str, Any] = {name: (list[row], ...), "next_cursor": (str | None, ...), **more}  # type: ignore[valid-type]
    return {200: {"model": create_model(title, __doc__="One page.", **fields)}}
