"""A conversion as the ledger reads it: the stored row with money in minor units and times in microseconds. Pure.

`settlement` makes them from the block `conversions` of `ledger.sql`; everything after works on these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from attribution.moments import micros_of
from schema.money import DIGITS, minor_units

CONFIDENCES = ("low", "medium", "high")
REFUNDED = "refund"
"""rejection_reason of a conversion that was refunded in full."""


class Row(Protocol):
    """Anything with named values: a record of the driver, or a dict."""

    def __getitem__(self, name: str, /) -> Any:
        """The value of that name."""


class Conversion(NamedTuple):
    """One reported conversion and what was decided of it before, if anything was."""

    number: int
    conversion_id: UUID
    vendor_id: int
    event_type_id: int
    event: str
    event_rate: tuple[str, Decimal] | None
    is_commissionable: bool
    is_one_per_click: bool
    transaction_id: str | None
    status: str
    rejection_reason: str | None
    state: str
    value: int
    currency: str
    exponent: int
    click_id: int | None
    cookie_id: UUID | None
    confidence: str
    customer_id: str | None
    customer_email: str | None
    coupon: str | None
    parent_transaction_id: str | None
    visitor_hashes: Sequence[int]
    metadata: Mapping[str, Any]
    occurred_at: datetime
    occurred_us: int
    recorded_at: datetime
    priced_at: datetime | None
    terms: Mapping[str, Any]
    is_awaited: bool
    journey_id: int | None

    @property
    def order(self) -> tuple[datetime, UUID]:
        """The total order of conversions: in time, and by the id derived from what they are."""
        return self.occurred_at, self.conversion_id

    @property
    def is_final(self) -> bool:
        """Whether nothing about it may change any more."""
        return self.status in ("approved", "paid")


def conversion_of(row: Row) -> Conversion:
    """The row as a Conversion. Raises BadAmount or KeyError where its money cannot be read."""
    currency = row["currency"]
    rate_type = row["event_commission_type"]
    return Conversion(
        row["conversion_event_id"],
        row["conversion_id"],
        row["vendor_id"],
        row["conversion_event_type_id"],
        row["event"],
        (rate_type, row["event_commission_value"]) if rate_type is not None else None,
        row["is_commissionable"],
        row["is_one_per_click"],
        row["transaction_id"],
        row["status"],
        row["rejection_reason"],
        row["attribution_state"],
        minor_units(row["event_value"] or Decimal(0), currency),
        currency,
        DIGITS[currency],
        row["reported_click_id"],
        row["reported_cookie_id"],
        row["reported_confidence"] or "high",
        row["customer_id"],
        row["customer_email"],
        row["coupon"],
        row["parent_transaction_id"],
        row["visitor_hashes"],
        exact_json(row["metadata"]) or {},
        row["occurred_at"],
        micros_of(row["occurred_at"]),
        row["recorded_at"],
        row["priced_at"],
        exact_json(row["terms"]) or {},
        row["is_awaited"],
        row["funnel_journey_id"],
    )


def exact_json(text: str | None) -> Any:
    """JSON with its numbers as Decimals; None for SQL's NULL."""
    return None if text is None else json.loads(text, parse_float=Decimal)


def least(confidences: Sequence[str]) -> str:
    """The lowest of these confidences."""
    return min(confidences, key=CONFIDENCES.index)
