"""The shapes of `/v1/conversions/{id}` and its explanation for the OpenAPI document, with an example of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class TouchBody(BaseModel):
    """A click that may earn, under one model. `click_id` is empty for a coupon or a bonus without a click."""

    click_id: str | None
    clicked_at: datetime
    partner_id: int
    code: str | None
    touch_type: str
    weight: str
    value: str


class CommissionBody(BaseModel):
    """What it pays, and the rate that priced it."""

    amount: str | None
    type: str | None
    value: str | None
    rule_id: int | None
    version_id: int | None


class CreditBody(BaseModel):
    """What one partner earns: the sum of its touches of the paying model."""

    partner_id: int
    amount: str


class AdjustmentBody(BaseModel):
    """A refund, chargeback or its reversal: what it changed."""

    conversion_id: str
    adjustment_key: str
    reason: str | None
    status: str
    amount: str
    commission: str | None
    occurred_at: datetime


class ConversionBody(BaseModel):
    """What became of a conversion. Money is a decimal string in the conversion's currency."""

    conversion_id: str
    transaction_id: str | None
    event: str
    outcome: str
    reason: str | None
    status: str
    amount: str | None
    currency: str
    commission: CommissionBody
    attribution_model: str
    confidence: str
    is_held: bool
    touches: dict[str, list[TouchBody]]
    credits: list[CreditBody]
    matched_by: str | None
    occurred_at: datetime
    recorded_at: datetime
    approved_at: datetime | None
    rejected_at: datetime | None
    paid_at: datetime | None
    adjusts_conversion_id: str | None
    adjustments: list[AdjustmentBody]


class CandidateBody(BaseModel):
    """A click that was looked at, in or out, and why."""

    click_id: str
    clicked_at: datetime
    partner_id: int | None
    campaign_version_id: int | None
    code: str | None
    click_class: str
    matched_by: str
    confidence: str
    is_in: bool
    verdict: str
    why: str


class ExplanationBody(ConversionBody):
    """The outcome with everything that was considered: clicks, rates, and the terms frozen with it."""

    waits_until: datetime | None
    candidates: list[CandidateBody]
    rates: list[dict[str, Any]]
    terms: dict[str, Any]


_TOUCH = {
    "click_id": "3764723988564017003", "clicked_at": "2026-11-19T08:31:00Z", "partner_id": 7, "code": "summer-a",
    "touch_type": "only", "weight": "1", "value": "10.00",
}  # fmt: skip
_CONVERSION = {
    "conversion_id": "8a1c4f0e-5a0f-5d5c-9b27-2f4d1c0a6d11", "transaction_id": "ORD-1", "event": "sale",
    "outcome": "attributed", "reason": None, "status": "pending", "amount": "100.00", "currency": "USD",
    "commission": {"amount": "10.00", "type": "percentage", "value": "10", "rule_id": None, "version_id": 3},
    "attribution_model": "linear", "confidence": "high", "is_held": False,
    "touches": {"first_click": [_TOUCH], "linear": [_TOUCH]}, "credits": [{"partner_id": 7, "amount": "10.00"}],
    "matched_by": "click_id", "occurred_at": "2026-11-20T10:00:00Z", "recorded_at": "2026-11-20T10:00:01Z",
    "approved_at": None, "rejected_at": None, "paid_at": None, "adjusts_conversion_id": None, "adjustments": [],
}  # fmt: skip
_EXPLANATION = {
    **_CONVERSION,
    "waits_until": None,
    "candidates": [
        {
            "click_id": "3764723988564010000", "clicked_at": "2026-09-01T10:00:00Z", "partner_id": 9,
            "campaign_version_id": 3, "code": "summer-b", "click_class": "valid", "matched_by": "cookie_id",
            "confidence": "high", "is_in": False, "verdict": "window_closed",
            "why": "The click is older than the window of its campaign version.",
        }
    ],
    "rates": [
        {
            "partner_id": 7, "version_id": 3, "partner_tier": "gold", "type": "percentage", "value": "10",
            "multiplier": "1", "bonus": "0", "rule_ids": [],
            "considered": [
                {"source": "campaign", "type": "percentage", "value": "10", "reason": "won", "is_winner": True,
                 "why": "priced the conversion"}
            ],
        }
    ],
    "terms": {"model": "linear", "pricing": "pool"},
}  # fmt: skip
CONVERSION: dict[int | str, dict[str, Any]] = {
    200: {"model": ConversionBody, "content": {"application/json": {"example": _CONVERSION}}}
}
EXPLANATION: dict[int | str, dict[str, Any]] = {
    200: {"model": ExplanationBody, "content": {"application/json": {"example": _EXPLANATION}}}
}
