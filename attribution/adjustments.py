"""Refunds and chargebacks: each becomes an adjustment row with touches and credits of its own; nothing paid changes.

The attributor calls `apply_refunds` with reports whose conversion is settled. `readjust` writes existing adjustments
again when late clicks changed a conversion that nobody has approved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from attribution import lifecycle
from attribution.conversion_rows import REFUNDED, exact_json
from attribution.family import Family, Step, step
from attribution.moments import micros_of, month_start
from attribution.pricing import Result, frozen_weights
from attribution.refunds import Refund, is_full, refunded_of
from attribution.terms import SQL as READ
from attribution.terms import Connection
from attribution.totals import SQL as POST
from attribution.totals import move_totals, totals_of
from attribution.touch_rows import Touch, encode_touches
from attribution.writing import add_credits, ask_dependents, copy_touches, credit_rows
from schema.conversions import adjustment_id_of
from schema.money import DIGITS, from_minor_units, minor_units
from schema.queries import load_queries

SQL = load_queries("attribution", "adjustments.sql")


class Member(NamedTuple):
    """An adjustment row to write touches and credits for."""

    number: int
    root: Any
    occurred_at: Any
    step: Step


async def claim_refunds(connection: Connection, limit: int) -> list[int]:
    """Settled conversions with refunds that wait, locked."""
    return [row[0] for row in await connection.fetch(SQL["claim_refunds"], limit)]


async def refuse_refunds(connection: Connection, number: int, reason: str) -> None:
    """Set the waiting refunds of one conversion aside: they cannot be worked out."""
    await connection.execute(SQL["refuse_refunds"], number, reason)


async def apply_refunds(connection: Connection, numbers: Sequence[int]) -> int:
    """Apply every waiting report of these settled, locked conversions; how many."""
    refunds: dict[int, list[Any]] = {number: [] for number in numbers}
    for row in await connection.fetch(SQL["refunds_of"], numbers):
        refunds[row["conversion_event_id"]].append(row)
    for month in {month_start(row["occurred_at"]) for rows in refunds.values() for row in rows}:
        await connection.execute(POST["ensure_partitions"], month)
    families = await _load(connection, numbers)
    before = await totals_of(
        connection, [row["conversion_event_id"] for rows in families.values() for row in rows]
    )
    settled: list[tuple[int, str, str | None]] = []
    touched: list[int] = []
    for number, rows in families.items():
        family = await _family(connection, rows)
        settled += await _apply_all(connection, rows, family, refunds[number])
        touched.append(number)
    if settled:
        await connection.execute(SQL["settle_refunds"], *map(list, zip(*settled, strict=True)))
    after = await _load(connection, touched)
    members = [row["conversion_event_id"] for rows in after.values() for row in rows]
    await _have_rejected_seen(connection, families, after)
    await move_totals(connection, before, await totals_of(connection, members))
    return len(settled)


async def _have_rejected_seen(connection: Connection, before: Any, after: Any) -> None:
    """A conversion refunded in full no longer counts as revenue: what came later may be priced otherwise."""
    gone = [
        number
        for number, rows in after.items()
        if rows[0]["status"] == "rejected" and before[number][0]["status"] != "rejected"
    ]
    await ask_dependents(connection, gone)


async def _load(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Any]]:
    """Each conversion's row and those of its adjustments."""
    families: dict[int, list[Any]] = {}
    for row in await connection.fetch(SQL["families"], numbers):
        families.setdefault(row["root"], []).append(row)
    return families


async def _family(connection: Connection, rows: Sequence[Any]) -> Family:
    """The family as its touches say."""
    root = rows[0]
    currency = root["currency"]
    numbers = [row["conversion_event_id"] for row in rows]
    moments = [row["occurred_at"] for row in rows]
    touches: dict[tuple[int, int], Touch] = {}
    held: dict[str, dict[tuple[int, int], int]] = {}
    for row in await connection.fetch(READ["live_touches"], numbers, moments, None):
        key = micros_of(row["occurred_at"]), row["click_id"] or 0
        touches.setdefault(key, touch_of(row))
        values = held.setdefault(row["attribution_type"], {})
        values[key] = values.get(key, 0) + minor_units(row["touch_value"], currency)
    order = sorted(touches)
    journey = [touches[key] for key in order]
    return family_of(
        root, journey, {model: [values.get(key, 0) for key in order] for model, values in held.items()}
    )


def touch_of(row: Any) -> Touch:
    """A stored touch."""
    return Touch(
        micros_of(row["occurred_at"]),
        row["click_id"],
        row["partner_id"],
        row["campaign_version_id"],
        row["partner_link_id"],
        row["cookie_id"],
        row["attribution_confidence"],
    )


def family_of(root: Any, journey: Sequence[Touch], held: dict[str, list[int]]) -> Family:
    """A conversion's row, its journey and what the touches hold."""
    terms = exact_json(root["terms"]) or {}
    weights, split_by = frozen_weights(journey, terms) if journey else ({}, {})
    currency = root["currency"]
    return Family(
        minor_units(root["event_value"] or Decimal(0), currency),
        minor_units(root["commission_amount"] or Decimal(0), currency),
        root["commission_type"] == "flat" and terms.get("flat_refund", "keep") == "keep",
        root["attribution_type"],
        journey,
        weights,
        split_by,
        {name: held.get(name, [0] * len(journey)) for name in weights},
    )


async def _apply_all(
    connection: Connection, rows: list[Any], family: Family, reports: Sequence[Any]
) -> list[tuple[int, str, str | None]]:
    """Apply the waiting reports of one conversion in the order in which they happened."""
    root, currency = rows[0], rows[0]["currency"]
    known = [_refund(row, currency) for row in reports if row["state"] == "applied"]
    refunded = refunded_of(family.value, known)
    settled: list[tuple[int, str, str | None]] = []
    for report in reports:
        if report["state"] != "waiting":
            continue
        if report["currency"] not in (None, currency):
            settled.append((report["refund_report_id"], "refused", f"the conversion is in {currency}"))
            continue
        known.append(_refund(report, currency))
        now = refunded_of(family.value, known)
        full = is_full(family.value, now, known)
        done = step(family, now, is_full=full)
        await _write(connection, root, report, done, refunded - now, now, is_full=full)
        family, refunded = done.family, now
        settled.append((report["refund_report_id"], "applied", None))
    return settled


def _refund(row: Any, currency: str) -> Refund:
    amount = None if row["amount"] is None else minor_units(row["amount"], currency)
    return Refund(row["occurred_at"], row["refund_id"], row["reason"], amount)


async def _write(
    connection: Connection, root: Any, report: Any, done: Step, change: int, refunded: int, *, is_full: bool
) -> None:
    """The adjustment row, and what it means for the others of its family."""
    rows = (await _load(connection, [root["conversion_event_id"]]))[root["conversion_event_id"]]
    live = [row for row in rows if row["status"] != "rejected"]
    is_over = is_full and not any(row["status"] == "paid" for row in live)
    is_dropped = root["status"] == "rejected" and root["rejection_reason"] != REFUNDED
    status = "rejected" if is_over or is_dropped else _status(rows[0], live)
    currency = root["currency"]
    body = {
        "refund": {
            "reason": report["reason"],
            "refunded": str(from_minor_units(refunded, currency)),
            "is_full": is_full,
        }
    }
    number = await connection.fetchval(
        SQL["add_adjustment"],
        root["conversion_event_id"],
        UUID(adjustment_id_of(str(root["conversion_id"]), report["refund_id"])),
        status,
        from_minor_units(change, currency),
        from_minor_units(done.amount, currency),
        report["refund_id"],
        report["occurred_at"],
        orjson.dumps(body).decode(),
    )
    assert number is not None, "a report is applied once"
    await write_members(connection, [Member(number, root, report["occurred_at"], done)])
    if is_over:
        gone = [row["conversion_event_id"] for row in live]
        await connection.fetch(SQL["reject_refunded"], gone)
        await lifecycle.note(connection, "reject", gone, reason=REFUNDED)
    if status == "approved":
        await lifecycle.take_snapshots(connection, [number])


def _status(root: Any, live: Sequence[Any]) -> str:
    """An adjustment goes with its conversion: approved from the start where that is."""
    if live:
        return "approved" if any(row["status"] in ("approved", "paid") for row in live) else "pending"
    return "approved" if root["approved_at"] is not None else "pending"


async def write_members(connection: Connection, members: Iterable[Member]) -> None:
    """Touches and credits of adjustments."""
    pieces: list[bytes] = []
    earned = []
    for member in members:
        currency, done = member.root["currency"], member.step
        occurred_us = micros_of(member.occurred_at)
        touches = done.family.touches
        pieces.append(
            encode_touches(member.number, occurred_us, None, DIGITS[currency], touches, done.splits)
        )
        earned += credit_rows(member.number, currency, done.credits)
    await copy_touches(connection, pieces)
    await add_credits(connection, earned)


async def adjustments_of(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """The numbers of all adjustments of these conversions."""
    families = await _load(connection, numbers) if numbers else {}
    return [row["conversion_event_id"] for rows in families.values() for row in rows[1:]]


async def readjust(connection: Connection, stale: Sequence[Result]) -> None:
    """Write the adjustments of conversions anew whose journey changed."""
    if not stale:
        return
    families = await _load(connection, [one.decision.conversion.number for one in stale])
    members: list[Member] = []
    for one in stale:
        rows = families[one.decision.conversion.number]
        family = family_of(
            rows[0], one.decision.touches, {split.model: list(split.values) for split in one.splits}
        )
        for row in rows[1:]:
            refund = exact_json(row["metadata"])["refund"]
            refunded = minor_units(Decimal(refund["refunded"]), row["currency"])
            done = step(family, refunded, is_full=refund["is_full"])
            members.append(Member(row["conversion_event_id"], rows[0], row["occurred_at"], done))
            family = done.family
    if not members:
        return
    numbers = [member.number for member in members]
    await connection.execute(POST["retire_touches"], numbers, [member.occurred_at for member in members])
    await connection.execute(POST["retire_credits"], numbers)
    await connection.execute(POST["readjust"], *map(list, zip(*map(_readjusted, members), strict=True)))
    await write_members(connection, members)


def _readjusted(member: Member) -> tuple[Any, ...]:
    root = member.root
    return (
        member.number,
        from_minor_units(member.step.amount, root["currency"]),
        *(
            root["partner_id"],
            root["campaign_version_id"],
            root["attribution_type"],
            root["attribution_state"],
        ),
        *(root["click_id"], root["clicked_at"], root["commission_type"], root["commission_value"]),
    )
