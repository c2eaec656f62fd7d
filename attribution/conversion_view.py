"""One conversion as the one who asks may see it: its outcome, its adjustments, and the explanation of both.

The API calls `view_conversion` and `view_explanation` with a connection in the caller's tenancy. Row-level security
hides what belongs to others; what is left to hide here is what one row says of several partners.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from attribution.faults import NotFound
from attribution.keys import Caller
from attribution.outcome_body import load_outcomes, moment_text
from attribution.terms import Connection
from schema.ids import clicked_at
from schema.money import amount_text
from schema.queries import load_queries

SQL = load_queries("attribution", "conversion_view.sql")


async def find_conversion(connection: Connection, conversion_id: UUID) -> Any:
    """The row of a conversion the caller may see. Raises NotFound."""
    row = await connection.fetchrow(SQL["find_conversion"], conversion_id)
    if row is None:
        raise NotFound(f"There is no conversion {conversion_id}.")
    return row


async def numbers_seen(connection: Connection, conversion_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The numbers of those conversions that the caller may see."""
    rows = await connection.fetch(SQL["numbers_seen"], conversion_ids)
    return {row["conversion_id"]: row["conversion_event_id"] for row in rows}


async def view_conversion(connection: Connection, caller: Caller, conversion_id: UUID) -> dict[str, Any]:
    """The outcome body with the times and the adjustments. Raises NotFound."""
    row = await find_conversion(connection, conversion_id)
    number = row["conversion_event_id"]
    body = (await load_outcomes(connection, [number]))[number]
    if caller.role == "partner":
        body |= _own_part(body, row, caller)
    moments = ("occurred_at", "recorded_at", "approved_at", "rejected_at", "paid_at")
    return {
        **body,
        **{name: moment_text(row[name]) for name in moments},
        "matched_by": row["matched_by"],
        "adjusts_conversion_id": row["adjusts_conversion_id"] and str(row["adjusts_conversion_id"]),
        "adjustments": [_adjustment(one) for one in await connection.fetch(SQL["adjustments_seen"], number)],
    }


def _own_part(body: Mapping[str, Any], row: Any, caller: Caller) -> dict[str, Any]:
    """What a partner is told of money and reasons: its own, and the rate only where it is its own."""
    is_primary = row["partner_id"] == caller.partner_id
    commission = body["commission"]
    amount = row["own_commission"]
    reason = body["reason"]
    if reason is not None and reason == row["hold_reason"]:
        reason = "; ".join(part for part in reason.split("; ") if _is_about(part, caller)) or "held"
    return {
        "commission": {
            "amount": None if amount is None else amount_text(amount, row["currency"]),
            "type": commission["type"] if is_primary else None,
            "value": commission["value"] if is_primary else None,
            "rule_id": commission["rule_id"] if is_primary else None,
            "version_id": commission["version_id"],
        },
        "reason": reason,
    }


def _is_about(reason: str, caller: Caller) -> bool:
    """Whether a reason to hold is about this partner, or about nobody by name."""
    _, colon, partner = reason.rpartition(": partner ")
    return not colon or partner == str(caller.partner_id)


def _adjustment(row: Any) -> dict[str, Any]:
    currency = row["currency"]
    commission = row["commission"]
    return {
        "conversion_id": str(row["conversion_id"]),
        "adjustment_key": row["adjustment_key"],
        "reason": row["reason"],
        "status": row["status"],
        "amount": amount_text(row["event_value"], currency),
        "commission": None if commission is None else amount_text(commission, currency),
        "occurred_at": moment_text(row["occurred_at"]),
    }


async def view_explanation(
    connection: Connection, caller: Caller, conversion_id: UUID, explanation: Mapping[str, Any]
) -> dict[str, Any]:
    """The explanation, as the engine gives it, without what the caller may not see."""
    ids = [int(one["click_id"]) for one in explanation["candidates"]]
    moments = [clicked_at(click_id) for click_id in ids]
    seen = {str(row["click_id"]) for row in await connection.fetch(SQL["clicks_seen"], ids, moments)}
    rates = explanation["rates"]
    if caller.role == "partner":
        rates = [one for one in rates if one["partner_id"] == caller.partner_id]
    kept = ("waits_until", "terms")
    return {
        **await view_conversion(connection, caller, conversion_id),
        **{name: explanation[name] for name in kept},
        "candidates": [one for one in explanation["candidates"] if one["click_id"] in seen],
        "rates": rates,
    }
