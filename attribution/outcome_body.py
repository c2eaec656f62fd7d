"""The outcome of a conversion as everybody is told it: who waits at the door, and who asks the API.

`outcome_of` is pure over rows. `load_outcomes` reads those rows in three queries for any number of conversions, with
whatever rights the connection has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attribution.models import STORED
from attribution.terms import Connection
from schema.money import amount_text
from schema.queries import load_queries

SQL = load_queries("attribution", "outcome.sql")

STATES = {
    "attributed": "attributed",
    "unattributed": "unattributed",
    "awaiting_click": "awaiting_click",
    "set_aside": "awaiting_click",
}


def outcome_of(row: Any, touches: Iterable[Any], credited: Iterable[Any]) -> dict[str, Any]:
    """The body for one conversion: its row, its live touches, its credits."""
    currency = row["currency"]
    return {
        "conversion_id": row["conversion_id"],
        "transaction_id": row["transaction_id"],
        "event": row["event"],
        "outcome": "rejected" if row["status"] == "rejected" else STATES[row["attribution_state"]],
        "reason": row["rejection_reason"] or row["state_reason"] or row["hold_reason"],
        "status": row["status"],
        "amount": _money(row["event_value"], currency),
        "currency": currency,
        "commission": {
            "amount": _money(row["commission_amount"], currency),
            "type": row["commission_type"],
            "value": None if row["commission_value"] is None else f"{row['commission_value'].normalize():f}",
            "rule_id": row["applied_commission_rule_id"],
            "version_id": row["campaign_version_id"],
        },
        "attribution_model": row["attribution_type"],
        "confidence": row["attribution_confidence"],
        "is_held": row["is_held"],
        "touches": _by_model(touches, currency),
        "credits": [
            {"partner_id": one["partner_id"], "amount": _money(one["amount"], currency)} for one in credited
        ],
    }


def _by_model(touches: Iterable[Any], currency: str) -> dict[str, list[dict[str, Any]]]:
    models: dict[str, list[dict[str, Any]]] = {name: [] for name in STORED}
    for touch in touches:
        models[touch["attribution_type"]].append(
            {
                "click_id": None if touch["click_id"] is None else str(touch["click_id"]),
                "clicked_at": moment_text(touch["occurred_at"]),
                "partner_id": touch["partner_id"],
                "code": touch["short_code"],
                "touch_type": touch["touch_type"],
                "weight": f"{touch['touch_weight'].normalize():f}",
                "value": _money(touch["touch_value"], currency),
            }
        )
    return {name: rows for name, rows in models.items() if rows}


def moment_text(moment: Any) -> str | None:
    """RFC 3339 in UTC."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _money(amount: Any, currency: str) -> str | None:
    return None if amount is None else amount_text(amount, currency)


async def load_outcomes(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The bodies of these conversions, by number; those the connection may not see are left out."""
    rows = await connection.fetch(SQL["outcomes"], numbers)
    wanted = [row["conversion_event_id"] for row in rows], [row["occurred_at"] for row in rows]
    touches: dict[int, list[Any]] = {}
    for touch in await connection.fetch(SQL["outcome_touches"], *wanted):
        touches.setdefault(touch["conversion_event_id"], []).append(touch)
    credited: dict[int, list[Any]] = {}
    for one in await connection.fetch(SQL["outcome_credits"], numbers):
        credited.setdefault(one["conversion_event_id"], []).append(one)
    return {
        number: outcome_of(row, touches.get(number, ()), credited.get(number, ()))
        for row in rows
        for number in (row["conversion_event_id"],)
    }
