"""From a reported object to the event that is kept: one function for conversions, refunds and leads each. Pure.

All take the object's `Fields` and a `Desk` (who reports, when, how sure it is) and note what is wrong; an event made
beside faults is thrown away by the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from redirector.intake.credentials import Vendor
from redirector.intake.fields import Fields, zero
from schema.conversions import (
    CONVERSION,
    EMAIL_CHARS_MAX,
    EVENT_CHARS_MAX,
    EVENT_DEFAULT,
    LEAD,
    REFUND,
    REFUND_REASONS,
    VERSION,
    Event,
    conversion_id_of,
    unnumbered_conversion_id_of,
)
from schema.events import USER_AGENT_CHARS_MAX

CONVERSION_FIELDS = frozenset(
    {
        *("event", "transaction_id", "amount", "currency", "click_id", "cookie_id", "customer_id"),
        *("customer_email", "coupon", "occurred_at", "metadata", "parent_transaction_id", "ip", "user_agent"),
    }
)
REFUND_FIELDS = frozenset(
    {"transaction_id", "event", "amount", "currency", "refund_id", "reason", "occurred_at"}
)
LEAD_FIELDS = frozenset({"external_lead_id", "click_id", "cookie_id", "customer_id", "email", "occurred_at"})


class Desk(NamedTuple):
    """The circumstances of a report. `now_ms` is when it was received, by our clock."""

    vendor: Vendor
    now_ms: int
    mint: Callable[[int], str]
    confidence: str = "high"
    is_awaited: bool = False
    is_import: bool = False


Build = Callable[[Fields, Desk], Event]


def conversion_of(fields: Fields, desk: Desk) -> Event:
    """A conversion."""
    vendor = desk.vendor
    event = fields.text("event", EVENT_CHARS_MAX) or EVENT_DEFAULT
    transaction_id = fields.text("transaction_id", is_needed=vendor.is_transaction_id_required)
    currency = fields.currency(vendor.default_currency)
    amount = fields.amount(currency)
    if amount is None and currency is not None:
        amount = zero(currency)
    click_id, cookie_id = fields.click_id(), fields.cookie_id()
    occurred_ms = fields.occurred_ms(desk.now_ms, is_import=desk.is_import)
    if transaction_id is not None:
        conversion_id = conversion_id_of(vendor.vendor_id, event, transaction_id)
    else:
        conversion_id = unnumbered_conversion_id_of(
            vendor.vendor_id, event, click_id, cookie_id, amount or "", occurred_ms
        )
    return _head(CONVERSION, desk, occurred_ms) | {
        "conversion_id": conversion_id,
        "event": event,
        "transaction_id": transaction_id,
        "amount": amount,
        "currency": currency,
        "click_id": click_id,
        "cookie_id": cookie_id,
        "customer_id": fields.text("customer_id"),
        "customer_email": email_of(fields, "customer_email"),
        "coupon": fields.text("coupon"),
        "parent_transaction_id": fields.text("parent_transaction_id"),
        "metadata": fields.metadata(),
        # What is recognised by its click, amount and moment alone may be another sale that looks the same.
        "confidence": desk.confidence if transaction_id is not None else "medium",
        "ip": fields.address(),
        "user_agent": fields.text("user_agent", USER_AGENT_CHARS_MAX),
        "is_awaited": desk.is_awaited,
    }


def refund_of(fields: Fields, desk: Desk) -> Event:
    """A refund, a chargeback, or the reversal of one. Without an amount it is all that is left."""
    event = fields.text("event", EVENT_CHARS_MAX) or EVENT_DEFAULT
    transaction_id = fields.text("transaction_id", is_needed=True) or ""
    currency = fields.currency(None, is_needed=False)
    amount = fields.amount(currency)
    reason = fields.text("reason") or REFUND_REASONS[0]
    if reason not in REFUND_REASONS:
        fields.fault("reason", f"must be one of {', '.join(REFUND_REASONS)}")
    # Two equal partial refunds of one order differ in nothing else; of full ones there is one a reason.
    refund_id = fields.text("refund_id", is_needed=amount is not None) or reason
    return _head(REFUND, desk, fields.occurred_ms(desk.now_ms, is_import=desk.is_import)) | {
        "conversion_id": conversion_id_of(desk.vendor.vendor_id, event, transaction_id),
        "event": event,
        "transaction_id": transaction_id,
        "refund_id": refund_id,
        "amount": amount,
        "currency": currency,
        "reason": reason,
    }


def lead_of(fields: Fields, desk: Desk) -> Event:
    """A lead."""
    return _head(LEAD, desk, fields.occurred_ms(desk.now_ms, is_import=desk.is_import)) | {
        "external_lead_id": fields.text("external_lead_id", is_needed=True),
        "click_id": fields.click_id(),
        "cookie_id": fields.cookie_id(),
        "customer_id": fields.text("customer_id"),
        "email": email_of(fields, "email"),
    }


def email_of(fields: Fields, name: str) -> str | None:
    """An e-mail as far as one can tell by looking."""
    email = fields.text(name, EMAIL_CHARS_MAX)
    if email is not None and not 0 < email.find("@") < len(email) - 1:
        fields.fault(name, "is not an e-mail address")
    return email


def _head(kind: str, desk: Desk, occurred_ms: int) -> Event:
    return {
        "kind": kind,
        "v": VERSION,
        "report_id": desk.mint(desk.now_ms),
        "vendor_id": desk.vendor.vendor_id,
        "received_ms": desk.now_ms,
        "occurred_ms": occurred_ms,
    }
