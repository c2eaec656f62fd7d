"""The shapes of the attribution report, of journeys and of the period reports for the OpenAPI document, with examples."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class Fresh(BaseModel):
    """Every click up to `as_of` is counted."""

    as_of: datetime | None
    lag_seconds: float | None


class AttributionTotals(BaseModel):
    """Money only where all conversions are in one currency."""

    conversions: int
    currency: str | None
    revenue: str | None
    credit: dict[str, str] | None


class AttributionRow(BaseModel):
    """One partner, campaign or link in one currency. `id` is empty for what came without a link."""

    id: int | None
    name: str | None
    currency: str
    touches: int
    credit: dict[str, str]
    payable: str


class AttributionBody(Fresh):
    """Credit under every model side by side."""

    currencies: list[str]
    totals: AttributionTotals
    rows: list[AttributionRow]


class JourneyBody(BaseModel):
    """The events of one cookie, oldest first; `is_complete` is false where older ones were left out."""

    cookie_id: str
    is_complete: bool
    events: list[dict[str, Any]]
    journeys: list[dict[str, Any]]


class MarkovTotals(BaseModel):
    """Journeys, those that led to a conversion, and the chain's probability of one."""

    conversions: int
    journeys: int
    probability: str
    exact: str


class MarkovRow(BaseModel):
    """How much of the probability goes with a partner, and its part of all such effects."""

    id: int
    name: str | None
    removal_effect: str
    share: str
    conversions: str


class MarkovBody(Fresh):
    """Removal effects, the largest first."""

    totals: MarkovTotals
    rows: list[MarkovRow]


class ShapleyTotals(BaseModel):
    """Conversions with a journey."""

    conversions: int


class ShapleyRow(BaseModel):
    """How many conversions a partner is worth, also as an exact fraction."""

    id: int
    name: str | None
    conversions: str
    exact: str
    share: str


class ShapleyBody(Fresh):
    """Shapley values, the largest first."""

    totals: ShapleyTotals
    rows: list[ShapleyRow]


_FRESH = {"as_of": "2026-11-20T08:00:00Z", "lag_seconds": 0.4}
_CREDIT = {
    "first_click": "20.00", "last_click": "10.00", "linear": "15.00", "time_decay": "14.20", "position_based": "16.00",
}  # fmt: skip


def _described(model: type[BaseModel], example: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": model, "content": {"application/json": {"example": example}}}}


ATTRIBUTION = _described(
    AttributionBody,
    {
        **_FRESH,
        "currencies": ["USD"],
        "totals": {
            "conversions": 3, "currency": "USD", "revenue": "300.00", "credit": dict.fromkeys(_CREDIT, "30.00"),
        },
        "rows": [
            {"id": 7, "name": "Blog A", "currency": "USD", "touches": 5, "credit": _CREDIT, "payable": "15.00"},
        ],
    },
)  # fmt: skip
JOURNEY = _described(
    JourneyBody,
    {
        "cookie_id": "019aa0a0-2b3c-7d4e-8f50-607182930415",
        "is_complete": True,
        "events": [
            {"type": "click", "at": "2026-11-19T08:31:00Z", "click_id": "3764723988564017003", "code": "summer-a",
             "partner_id": 7, "campaign_version_id": 3, "click_class": "valid"},
            {"type": "conversion", "at": "2026-11-20T10:00:00Z", "event": "sale", "transaction_id": "ORD-1",
             "conversion_id": "8a1c4f0e-5a0f-5d5c-9b27-2f4d1c0a6d11", "status": "pending", "outcome": "attributed",
             "amount": "100.00", "currency": "USD", "commission": "10.00"},
        ],
        "journeys": [],
    },
)  # fmt: skip
MARKOV = _described(
    MarkovBody,
    {
        **_FRESH,
        "totals": {"conversions": 3, "journeys": 12, "probability": "0.250000", "exact": "1/4"},
        "rows": [
            {
                "id": 7,
                "name": "Blog A",
                "removal_effect": "0.666667",
                "share": "0.500000",
                "conversions": "1.500000",
            },
        ],
    },
)
SHAPLEY = _described(
    ShapleyBody,
    {
        **_FRESH,
        "totals": {"conversions": 10},
        "rows": [{"id": 7, "name": "Blog A", "conversions": "7.000000", "exact": "7", "share": "0.700000"}],
    },
)
