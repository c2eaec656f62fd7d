"""Clicks that were stored after their conversions were attributed, and leads: looked at by the attributor in passing.

A late click has its conversions attributed again, unless they are approved: those stay, and the audit log says so.
A lead gets the partner of the newest click before it, and ties its customer to the cookie of the click it names.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attribution import lifecycle
from attribution.candidates import find_candidates
from attribution.conversion_rows import Conversion
from attribution.decision import decide
from attribution.moments import micros_of
from attribution.settlement import load_terms
from attribution.terms import SQL as READ
from attribution.terms import Catalogue, Connection
from schema.queries import load_queries

SQL = load_queries("attribution", "late.sql")


async def take_late_clicks(connection: Connection, limit: int) -> int:
    """Have the conversions of late clicks attributed again; how many clicks."""
    async with connection.transaction():
        clicks = await connection.fetch(SQL["take_late_clicks"], limit)
        if not clicks:
            return 0
        await connection.execute(READ["begin_batch"])
        columns = [[row[name] for row in clicks] for name in ("click_id", "clicked_at", "cookie_id")]
        again: set[int] = set()
        ignored: dict[int, list[int]] = {}
        for row in await connection.fetch(SQL["conversions_of_late_clicks"], *columns):
            if row["status"] in ("approved", "paid"):
                ignored.setdefault(row["conversion_event_id"], []).append(row["click_id"])
            else:
                again.add(row["conversion_event_id"])
        if again:
            await connection.execute(READ["ask_again"], sorted(again), "late_click")
        for number, late in sorted(ignored.items()):
            changes = {"click_ids": [str(click_id) for click_id in late]}
            await lifecycle.note(connection, "late_click_ignored", [number], changes=changes)
    return len(clicks)


async def settle_leads(connection: Connection, shards: int, limit: int) -> int:
    """Give leads their partner; how many were looked at."""
    async with connection.transaction():
        await connection.execute(READ["begin_batch"])
        rows = await connection.fetch(SQL["claim_leads"], shards, limit)
        if not rows:
            return 0
        now: datetime = await connection.fetchval(READ["transaction_time"])
        leads = [_as_conversion(row) for row in rows]
        partners = await _partners(connection, leads, now)
        await connection.execute(SQL["settle_leads"], [row["lead_id"] for row in rows], partners)
    return len(rows)


async def _partners(connection: Connection, leads: Sequence[Conversion], now: datetime) -> list[int | None]:
    candidates = await find_candidates(connection, leads, is_linking=True)
    catalogue = Catalogue(now)
    await load_terms(connection, leads, candidates, {}, catalogue)
    decisions = [
        decide(lead, found.values(), catalogue) for lead, found in zip(leads, candidates.found, strict=True)
    ]
    return [one.touches[-1].partner_id if one.touches else None for one in decisions]


def _as_conversion(row: Any) -> Conversion:
    """A lead as a conversion of nothing, to look for its clicks in the same way."""
    return Conversion(
        number=row["lead_id"],
        conversion_id=uuid.UUID(int=0),
        vendor_id=row["vendor_id"],
        event_type_id=0,
        event="lead",
        event_rate=None,
        is_commissionable=False,
        is_one_per_click=False,
        transaction_id=None,
        status="pending",
        rejection_reason=None,
        state="awaiting_click",
        value=0,
        currency="USD",
        exponent=2,
        click_id=row["click_id"],
        cookie_id=row["cookie_id"],
        confidence="high",
        customer_id=row["customer_id"],
        customer_email=row["email"],
        coupon=None,
        parent_transaction_id=None,
        visitor_hashes=(),
        metadata={},
        occurred_at=row["created_at"],
        occurred_us=micros_of(row["created_at"]),
        recorded_at=row["created_at"],
        priced_at=None,
        terms={},
        is_awaited=False,
        journey_id=None,
    )
