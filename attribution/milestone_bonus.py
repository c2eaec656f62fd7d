"""Pays milestones: one-time bonuses for a number of approved conversions, each exactly once.

`lifecycle` calls `pay_milestones` in the transaction that approves; `posting` calls `promise_milestones` where a campaign
counts pending conversions too. The enrolment is locked while its conversions are counted, and a unique key on partner
and milestone refuses a second bonus whatever happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from attribution.milestones import Milestone, bonus, reached
from attribution.models import SHARE_DIGITS, STORED
from attribution.moments import micros_of
from attribution.pricing import Credit
from attribution.terms import SQL as READ
from attribution.terms import Connection
from attribution.totals import move_totals, totals_of
from attribution.touch_rows import Split, Touch, encode_touches
from attribution.writing import add_credits, copy_touches, credit_rows
from schema.conversions import milestone_id_of
from schema.money import DIGITS, from_minor_units, minor_units
from schema.queries import load_queries

SQL = load_queries("attribution", "lifecycle.sql")


async def pay_milestones(connection: Connection, approved: Sequence[Any]) -> list[int]:
    """Record the bonuses that these approvals brought about; their numbers."""
    paid = await _reach(connection, approved, "approved")
    await move_totals(connection, {}, await totals_of(connection, paid))
    return paid


async def promise_milestones(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """Record the bonuses, pending like them, that these pending conversions brought about; the caller moves totals."""
    return await _reach(connection, await connection.fetch(SQL["counted_pending"], numbers), "pending")


async def _reach(connection: Connection, rows: Sequence[Any], status: str) -> list[int]:
    last: dict[tuple[int, int, int], Any] = {}
    for row in rows:
        if row["adjusts_conversion_event_id"] is None and row["campaign_milestone_id"] is None:
            last[row["campaign_version_id"], row["partner_id"], row["conversion_event_type_id"]] = row
    if not last:
        return []
    known = {
        tuple(row) for row in await connection.fetch(SQL["has_milestones"], sorted({key[0] for key in last}))
    }
    wanted = sorted(key for key in last if (key[0], key[2]) in known)
    keys = [f"clickledger milestones {version_id} {partner_id}" for version_id, partner_id, _ in wanted]
    await connection.execute(READ["lock_keys"], keys)
    paid = []
    for key in wanted:
        paid += await _pay(connection, key, last[key], status)
    return paid


async def _pay(connection: Connection, key: tuple[int, int, int], row: Any, status: str) -> list[int]:
    event = await connection.fetchval(SQL["event_name"], key[2])
    found = await connection.fetch(SQL["open_milestones"], key[0], key[1], event)
    count = await connection.fetchval(SQL["count_towards"], *key)
    milestones = {
        one["campaign_milestone_id"]: Milestone(
            one["campaign_milestone_id"],
            one["event_type"],
            one["target_count"],
            one["reward_type"],
            one["reward_value"],
        )
        for one in found
    }
    rewards = {one["campaign_milestone_id"]: (one["reward_id"], one["name"]) for one in found}
    paid = []
    for milestone in reached(milestones.values(), event, count, ()):
        number = await _record(connection, row, milestone, *rewards[milestone.milestone_id], status)
        paid += [] if number is None else [number]
    return paid


async def _record(
    connection: Connection, row: Any, milestone: Milestone, reward_id: int, name: str, status: str
) -> int | None:
    """The bonus as a conversion with one touch a model and one credit."""
    currency, partner_id = row["currency"], row["partner_id"]
    value = minor_units(row["event_value"] or Decimal(0), currency)
    amount = bonus(milestone, value, DIGITS[currency])
    told = {"milestone": {"name": name, "target_count": milestone.target_count}}
    added = await connection.fetchrow(
        SQL["add_milestone"],
        row["conversion_event_id"],
        UUID(milestone_id_of(partner_id, milestone.milestone_id)),
        from_minor_units(amount, currency),
        partner_id,
        reward_id,
        milestone.milestone_id,
        orjson.dumps(told).decode(),
        status,
    )
    if added is None:
        return None
    number: int = added["conversion_event_id"]
    version_id = row["campaign_version_id"]
    occurred_us = micros_of(added["occurred_at"])
    touch = Touch(occurred_us, None, partner_id, version_id, None, None, "high")
    splits = [Split(model, [10**SHARE_DIGITS], [amount]) for model in STORED]
    await copy_touches(
        connection, [encode_touches(number, occurred_us, None, DIGITS[currency], [touch], splits)]
    )
    credit = Credit(partner_id, version_id, amount, 1)
    await add_credits(connection, credit_rows(number, currency, [credit]))
    return number
