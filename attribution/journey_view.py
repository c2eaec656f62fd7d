"""What one cookie did, click by click and conversion by conversion, as the one who asks may see it.

The API hands over a connection in the caller's tenancy: vendors see their own part of a journey, partners theirs. A
cookie of which they may see nothing is one that does not exist.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from attribution.faults import NotFound
from attribution.outcome_body import STATES, moment_text
from attribution.terms import Connection
from schema.money import amount_text
from schema.queries import load_queries

SQL = load_queries("attribution", "journey_view.sql")
EVENTS_MAX = 1_000


async def view_journey(connection: Connection, cookie_id: UUID) -> dict[str, Any]:
    """The newest events in the order in which they happened, and for an admin the journeys they make. Raises NotFound."""
    clicks = await connection.fetch(SQL["clicks_of_cookie"], cookie_id, EVENTS_MAX)
    conversions = await connection.fetch(SQL["conversions_of_cookie"], cookie_id, EVENTS_MAX)
    if not clicks and not conversions:
        raise NotFound(f"There is no cookie {cookie_id}.")
    events = [(row["clicked_at"], 0, _click(row)) for row in clicks]
    events += [(row["occurred_at"], 1, _conversion(row)) for row in conversions]
    events.sort(key=lambda event: event[:2])
    journeys = await connection.fetch(SQL["journeys_of_cookie"], cookie_id, EVENTS_MAX)
    return {
        "cookie_id": str(cookie_id),
        "is_complete": len(clicks) < EVENTS_MAX and len(conversions) < EVENTS_MAX,
        "events": [event for _, _, event in events],
        "journeys": [_journey(row) for row in reversed(journeys)],
    }


def _click(row: Any) -> dict[str, Any]:
    return {
        "type": "click",
        "at": moment_text(row["clicked_at"]),
        "click_id": str(row["click_id"]),
        "code": row["code"],
        "partner_id": row["partner_id"],
        "campaign_version_id": row["campaign_version_id"],
        "click_class": row["click_class"],
    }


def _conversion(row: Any) -> dict[str, Any]:
    value, commission, currency = row["event_value"], row["commission"], row["currency"]
    return {
        "type": "conversion",
        "at": moment_text(row["occurred_at"]),
        "conversion_id": str(row["conversion_id"]),
        "transaction_id": row["transaction_id"],
        "event": row["event"],
        "status": row["status"],
        "outcome": "rejected" if row["status"] == "rejected" else STATES[row["attribution_state"]],
        "amount": None if value is None else amount_text(value, currency),
        "currency": currency,
        "commission": None if commission is None else amount_text(commission, currency),
    }


def _journey(row: Any) -> dict[str, Any]:
    return {
        "journey_id": row["funnel_journey_id"],
        "started_at": moment_text(row["journey_started_at"]),
        "last_event_at": moment_text(row["last_event_at"]),
        "completed_at": moment_text(row["journey_completed_at"]),
        "is_converted": row["is_converted"],
        "furthest_stage": row["furthest_stage"],
        "events": row["total_events"],
        "attribution_map": orjson.loads(row["attribution_map"]),
    }
