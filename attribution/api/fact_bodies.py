"""The shapes of clicks, conversions and the reconciliation for the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class ClickRow(BaseModel):
    """A click. Its id is a decimal string: it is larger than JavaScript counts."""

    click_id: str
    clicked_at: datetime
    code: str
    partner_id: int | None
    campaign_version_id: int | None
    cookie_id: str | None
    click_class: str
    class_reason: str | None
    is_unique: bool
    ip: str | None
    user_agent: str | None
    referrer_url: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    utm_content: str | None
    utm_term: str | None
    sub1: str | None
    sub2: str | None
    sub3: str | None
    sub4: str | None
    sub5: str | None
    country_code: str | None
    device_type: str | None
    browser: str | None
    os: str | None


class ConversionRow(BaseModel):
    """A conversion. Money is a decimal string in `currency`."""

    conversion_event_id: int
    conversion_id: str
    event: str
    transaction_id: str | None
    status: str
    outcome: str
    attribution_state: str
    state_reason: str | None
    amount: str | None
    event_value: str | None
    currency: str
    commission: str | None
    attribution_model: str
    confidence: str
    matched_by: str | None
    partner_id: int | None
    campaign_version_id: int | None
    code: str | None
    click_id: str | None
    clicked_at: datetime | None
    cookie_id: str | None
    coupon: str | None
    adjusts_conversion_event_id: int | None
    is_held: bool
    hold_reason: str | None
    occurred_at: datetime
    recorded_at: datetime
    approved_at: datetime | None
    rejected_at: datetime | None
    rejection_reason: str | None
    paid_at: datetime | None


class Account(BaseModel):
    """One number in two accounts; `difference` = rollups - raw."""

    raw: int
    rollups: int
    difference: int


class MoneyAccount(BaseModel):
    """Sums by currency in two accounts."""

    raw: dict[str, str]
    rollups: dict[str, str]


class EnrolmentsApart(BaseModel):
    """How many enrolments' totals differ from a recount, and the first 1,000 of them."""

    apart: int
    rows: list[dict[str, Any]]


class ReconciliationBody(BaseModel):
    """Facts, rollups and totals side by side."""

    as_of: datetime | None
    lag_seconds: float | None
    ok: bool
    gross: Account
    clicks: Account
    unique: Account
    conversions: Account
    revenue: MoneyAccount
    commission: MoneyAccount
    enrolments: EnrolmentsApart


FRESH: dict[str, Any] = {"as_of": (datetime | None, ...), "lag_seconds": (float | None, ...)}
"""Every click up to `as_of` is listed."""
