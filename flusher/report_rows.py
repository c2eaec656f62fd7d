"""Rows of conversions, refunds and leads, and what keeps a report from becoming one. Pure.

A `Report` is an event on its way to its row. `book` answers what only the ledger knows: vendors with the keys of their
customers, and event types by name.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from schema.conversions import LEAD, REFUSED, Event
from schema.customers import customer_hash, email_hash
from schema.money import BadAmount, is_currency, parse_amount

INT_MAX = (1 << 31) - 1
TEXT_CHARS_MAX = 255
OLDEST_MS = 946_684_800_000
AHEAD_MS_MAX = 24 * 3_600_000
_HASH = re.compile(r"[0-9a-f]{64}")
_UUIDS = ("report_id", "conversion_id", "cookie_id")
_TEXTS = (
    *("event", "transaction_id", "refund_id", "external_lead_id", "coupon", "parent_transaction_id"),
    *("customer_id", "customer_email", "email"),
)
_NAMES = ("customer_id", "customer_email", "email")


class Book(NamedTuple):
    """What the ledger knows: the customer key of each vendor, the number of each event type."""

    customer_keys: Mapping[int, bytes]
    event_types: Mapping[str, int]


class Report(NamedTuple):
    """An event, where in its stream it stood, and its buyer's visitor hashes."""

    entry_id: str
    position: int
    event: Event
    visitor_hashes: tuple[int, ...] = ()


def fault_of(event: Event, book: Book, now_ms: int) -> str | None:
    """Why this cannot be stored, one of the reasons of `dead_letters`, or None."""
    if event["kind"] == REFUSED:
        return "bad_fields"
    if not OLDEST_MS <= event["occurred_ms"] <= now_ms + AHEAD_MS_MAX:
        return "bad_time"
    if not all(_is_uuid(event.get(name)) for name in _UUIDS):
        return "bad_text"
    if not all(is_text(event.get(name)) for name in _TEXTS):
        return "bad_text"
    click_id = event.get("click_id")
    if click_id is not None and not (isinstance(click_id, int) and 0 < click_id < 1 << 63):
        return "bad_click_id"
    if event["vendor_id"] not in book.customer_keys:
        return "unknown_vendor"
    if event["kind"] == LEAD:
        return None
    if not _is_money(event.get("amount"), event.get("currency")):
        return "bad_amount"
    return None if event["event"] in book.event_types else "unknown_event"


def _is_uuid(value: object) -> bool:
    if value is None:
        return True
    try:
        return isinstance(value, str) and bool(uuid.UUID(value))
    except ValueError:
        return False


def is_text(value: object) -> bool:
    """Whether PostgreSQL takes it as a text of ours, or it is not given."""
    return value is None or (isinstance(value, str) and "\0" not in value and len(value) <= 320)


def _is_money(amount: object, currency: object) -> bool:
    if currency is not None and not is_currency(currency):
        return False
    try:
        return amount is None or (isinstance(amount, str) and parse_amount(amount, _currency(currency)) >= 0)
    except BadAmount:
        return False


def _currency(value: object) -> str | None:
    return value if isinstance(value, str) else None


def amount_of(event: Event) -> Decimal | None:
    """The amount, exact."""
    amount = event.get("amount")
    return None if amount is None else Decimal(amount)


def customer_of(event: Event, book: Book) -> tuple[str | None, str | None]:
    """The hashes of customer id and e-mail; a replayed dead letter brings them along."""
    key = book.customer_keys[event["vendor_id"]]
    customer, email = event.get("customer_id"), event.get("customer_email") or event.get("email")
    return (
        customer_hash(key, customer) if customer else _given_hash(event, "customer_hash"),
        email_hash(key, email) if email else _given_hash(event, "email_hash"),
    )


def _given_hash(event: Event, name: str) -> str | None:
    value = event.get(name)
    return value if isinstance(value, str) and _HASH.fullmatch(value) else None


def nameless(report: Report, book: Book) -> bytes:
    """The event as a dead letter may keep it: customers only as hashes, no address."""
    event = {
        name: None if name in _NAMES and not is_text(value) else value for name, value in report.event.items()
    }
    if event.get("vendor_id") in book.customer_keys:
        event["customer_hash"], event["email_hash"] = customer_of(event, book)
    for name in (*_NAMES, "ip", "user_agent"):
        if event.get(name) is not None:
            event[name] = None
    return orjson.dumps(event)


def conversion_row(report: Report, book: Book) -> tuple[Any, ...]:
    """The parameters of `add_conversions`, in order."""
    event = report.event
    customer, email = customer_of(event, book)
    return (
        event["conversion_id"],
        event["report_id"],
        event["vendor_id"],
        book.event_types[event["event"]],
        event.get("transaction_id"),
        amount_of(event),
        event["currency"],
        event.get("click_id"),
        event.get("cookie_id"),
        customer,
        email,
        event.get("coupon"),
        event.get("parent_transaction_id"),
        "medium" if event.get("confidence") == "medium" else "high",
        orjson.dumps(event.get("metadata") or {}).decode(),
        event.get("is_awaited") is True,
        event["occurred_ms"],
        event["received_ms"],
        "{" + ",".join(map(str, report.visitor_hashes)) + "}",
    )


def refund_row(report: Report, book: Book) -> tuple[Any, ...]:
    """The parameters of `add_refunds`, in order."""
    event = report.event
    return (
        event["report_id"],
        event["vendor_id"],
        book.event_types[event["event"]],
        event["transaction_id"],
        event["refund_id"],
        amount_of(event),
        event.get("currency"),
        event["reason"],
        event["conversion_id"],
        event["occurred_ms"],
        event["received_ms"],
    )


def lead_row(report: Report, book: Book) -> tuple[Any, ...]:
    """The parameters of `add_leads`, in order."""
    event = report.event
    return (
        event["vendor_id"],
        event["external_lead_id"],
        event.get("click_id"),
        event.get("cookie_id"),
        *customer_of(event, book),
        event["occurred_ms"],
    )


def link_rows(report: Report, book: Book) -> list[tuple[int, str, str, int]]:
    """Customer and cookie seen together: vendor, hash, cookie, moment."""
    event = report.event
    cookie_id = event.get("cookie_id")
    if cookie_id is None:
        return []
    hashes = [found for found in customer_of(event, book) if found is not None]
    return [(event["vendor_id"], found, cookie_id, event["occurred_ms"]) for found in hashes]
