"""What vendors report, on its way from the door to the writer: conversions, refunds and leads.

The door turns each checked report into one event (a JSON object) and many waiting events into one block, the same
kind of stream entry as clicks travel in. `kind` and `v` tell an event's shape; fields are only ever added, each new
one optional, so old doors and new writers run side by side. Ids are derived here and nowhere else.
"""

from __future__ import annotations

import uuid
from hashlib import sha1
from typing import Any, Final

import orjson

from schema.events import BadEvent

CONVERSION: Final = "conversion"
REFUND: Final = "refund"
LEAD: Final = "lead"
REFUSED: Final = "refused"
"""A report of a known vendor that nobody could be told is wrong (a pixel): kept to become a dead letter."""
VERSION: Final = 1

ID_CHARS_MAX = 255
"""transaction_id, refund_id, external_lead_id, customer_id, coupon."""
EMAIL_CHARS_MAX = 320
EVENT_CHARS_MAX = 100
METADATA_BYTES_MAX = 16_384
REPORTS_MAX = 1_000
"""Conversions in one request."""
BLOCK_EVENTS_MAX = 200
"""A block never holds more: one entry stays under about 4 MB even when every field is at its limit."""
EVENT_DEFAULT = "sale"
REFUND_REASONS = ("refund", "chargeback", "chargeback_reversed")

_NAMESPACE = uuid.UUID("0a6f1f0c-4f5d-5b0e-8a53-6d0f5e0c7c11")

Event = dict[str, Any]
"""Every event has: kind, v, report_id (UUID the door minted), vendor_id, received_ms, occurred_ms.

conversion: conversion_id, event, transaction_id, amount (text with the currency's digits), currency, click_id,
    cookie_id, customer_id, customer_email, coupon, parent_transaction_id, metadata, confidence (high or medium),
    ip, user_agent, is_awaited, is_import.
refund: conversion_id, event, transaction_id, refund_id, amount (None: all that is left), currency, reason.
lead: external_lead_id, click_id, cookie_id, customer_id, email.
refused: faults, fields (as given), customer_id, customer_email, ip, user_agent.
"""

_REQUIRED: dict[str, dict[str, type]] = {
    CONVERSION: {"conversion_id": str, "event": str, "amount": str, "currency": str},
    REFUND: {"conversion_id": str, "event": str, "transaction_id": str, "refund_id": str, "reason": str},
    LEAD: {"external_lead_id": str},
    REFUSED: {},
}
_EVERY: dict[str, type] = {"report_id": str, "vendor_id": int, "received_ms": int, "occurred_ms": int}


def conversion_id_of(vendor_id: int, event: str, transaction_id: str) -> str:
    """The id of the one conversion with that transaction_id: the same whenever and wherever it is reported."""
    return _derive("transaction", vendor_id, event, transaction_id)


def unnumbered_conversion_id_of(
    vendor_id: int, event: str, click_id: int | None, cookie_id: str | None, amount: str, occurred_ms: int
) -> str:
    """The id of a conversion without transaction_id: the same click (without one: cookie), amount and
    moment is taken for a repetition."""
    return _derive("moment", vendor_id, event, click_id or cookie_id, amount, occurred_ms)


def adjustment_id_of(conversion_id: str, adjustment_key: str) -> str:
    """The id of the row that corrects a conversion."""
    return _derive("adjustment", conversion_id, adjustment_key)


def milestone_id_of(partner_id: int, campaign_milestone_id: int) -> str:
    """The id of the row that pays a milestone."""
    return _derive("milestone", partner_id, campaign_milestone_id)


def _derive(*parts: object) -> str:
    """A UUIDv5 (RFC 9562 section 5.5) of the parts as JSON, which no two different lists of parts share.

    Written out: `uuid.uuid5` costs the door four times as much.
    """
    digits = sha1(_NAMESPACE.bytes + orjson.dumps(parts), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def decode_reports(payload: bytes) -> tuple[list[Event], list[BadEvent]]:
    """The events of a block, and those that are not events. Never raises for bad data."""
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return [], [BadEvent("not_json", payload)]
    if not isinstance(found, list):
        return [], [BadEvent("not_a_block", payload)]
    events: list[Event] = []
    bad: list[BadEvent] = []
    for position, event in enumerate(found):
        reason = _fault(event)
        if reason is None:
            events.append(event)
        else:
            bad.append(BadEvent(reason, orjson.dumps(event), position))
    return events, bad


def _fault(event: object) -> str | None:
    """Why this cannot be stored, or None."""
    if not isinstance(event, dict) or event.get("kind") not in _REQUIRED or event.get("v") != VERSION:
        return "not_an_event"
    for name, kind in (_EVERY | _REQUIRED[event["kind"]]).items():
        if type(event.get(name)) is not kind:
            return "bad_number" if kind is int else "bad_text"
    return None
