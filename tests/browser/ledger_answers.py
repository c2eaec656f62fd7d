"""Answers of the ledger's endpoints in their documented shape, so that their pages are tested with known numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

CONVERSION_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
TOUCHES = (
    ("3764723988564017001", "2026-11-02T09:12:00Z", 1, "ana-1"),
    ("3764723988564017002", "2026-11-09T17:40:00Z", 2, "ben-1"),
    ("3764723988564017003", "2026-11-19T08:31:00Z", 1, "ana-2"),
)
CREDIT = {
    "first_click": (("1", "18.40"), ("0", "0.00"), ("0", "0.00")),
    "last_click": (("0", "0.00"), ("0", "0.00"), ("1", "18.40")),
    "linear": (("0.333333", "6.14"), ("0.333333", "6.13"), ("0.333334", "6.13")),
    "time_decay": (("0.15", "2.76"), ("0.3", "5.52"), ("0.55", "10.12")),
    "position_based": (("0.4", "7.36"), ("0.2", "3.68"), ("0.4", "7.36")),
}


def conversion() -> dict[str, Any]:
    """A sale of three touches under five models."""
    touches = {
        model: [
            {"click_id": click_id, "clicked_at": clicked_at, "partner_id": partner_id, "code": code}
            | {"touch_type": "click", "weight": weight, "value": value}
            for (click_id, clicked_at, partner_id, code), (weight, value) in zip(TOUCHES, shares, strict=True)
        ]
        for model, shares in CREDIT.items()
    }
    return {
        "conversion_id": CONVERSION_ID, "transaction_id": "ORD-7", "event": "sale", "outcome": "attributed",
        "reason": None, "status": "approved", "amount": "184.00", "currency": "EUR", "attribution_model": "linear",
        "commission": {"amount": "18.40", "type": "percentage", "value": "10.00", "rule_id": None, "version_id": 3},
        "confidence": "high", "is_held": False, "adjustments": [], "occurred_at": "2026-11-19T09:02:00Z", "touches": touches,
        "credits": [{"partner_id": 1, "amount": "12.27"}, {"partner_id": 2, "amount": "6.13"}],
    }  # fmt: skip


def explanation() -> dict[str, Any]:
    """Three clicks that count, one too old, and the rate that won over another."""
    candidates = [
        {"click_id": click_id, "clicked_at": clicked_at, "code": code, "click_class": "valid", "is_in": True}
        | {"verdict": "eligible", "why": "The click may earn."}
        for click_id, clicked_at, _, code in TOUCHES
    ]
    too_old = {
        "click_id": "3764723988564010000", "clicked_at": "2026-09-01T10:00:00Z", "code": "ben-2", "is_in": False,
        "click_class": "valid", "verdict": "window_closed",
        "why": "The click is older than the window of its campaign version.",
    }  # fmt: skip
    considered = [
        {
            "source": "override",
            "type": "percentage",
            "value": "15",
            "is_winner": True,
            "why": "priced the conversion",
        },
        {"source": "campaign", "type": "percentage", "value": "10", "is_winner": False}
        | {"why": "gives way to the rate of the override"},
    ]
    rates = [{"partner_id": 1, "considered": considered}]
    return conversion() | {"candidates": [*candidates, too_old], "rates": rates, "terms": {"model": "linear"}}


def attribution() -> dict[str, Any]:
    """Two partners, one of whom gains by the last click."""
    ana = {
        "first_click": "20.00",
        "last_click": "10.00",
        "linear": "15.00",
        "time_decay": "14.20",
        "position_based": "16.00",
    }
    ben = {
        "first_click": "10.00",
        "last_click": "20.00",
        "linear": "15.00",
        "time_decay": "15.80",
        "position_based": "14.00",
    }
    return {
        "as_of": "2026-11-20T08:00:00Z",
        "totals": {"conversions": 3, "revenue": "300.00", "credit": dict.fromkeys(ana, "30.00")},
        "rows": [
            {"id": 1, "name": "Ana", "currency": "EUR", "touches": 5, "credit": ana, "payable": "15.00"},
            {"id": 2, "name": "Ben", "currency": "EUR", "touches": 4, "credit": ben, "payable": "15.00"},
        ],
    }  # fmt: skip


def answer_as_documented(page: Page) -> None:
    """Answer the ledger's endpoints for this page."""
    page.route("**/v1/attribution?*", _with(attribution()))
    page.route("**/v1/conversions?*", _with({"conversions": [conversion()], "next_cursor": None}))
    page.route(f"**/v1/conversions/{CONVERSION_ID}", _with(conversion()))
    page.route(f"**/v1/conversions/{CONVERSION_ID}/explain", _with(explanation()))


def _with(body: dict[str, Any]) -> Callable[[Route], None]:
    return lambda route: route.fulfill(status=200, content_type="application/json", body=json.dumps(body))
