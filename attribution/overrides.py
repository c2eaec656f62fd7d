"""A partner's own rates as a programme names them: kept, ended, replaced or begun. `enrol` calls it.

A rate that has priced conversions is never rewritten. One that is left out of the file ends now. One that gives way to a
rate with an earlier beginning is soft-deleted, and stands anew for the time before: conversions stay as they were priced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from attribution.faults import Fault, Refused
from attribution.outcomes import Ledger
from attribution.programme_fields import Override, ProgrammePartner, listed_overrides
from attribution.versions import SQL

TABLE = "partner_campaign_overrides"


async def apply_overrides(
    ledger: Ledger, version_id: int, partner_id: int, partner: ProgrammePartner, path: str
) -> None:
    """Make the partner's rates those listed. Raises Refused naming a rate that cannot be."""
    rows = await ledger.connection.fetch(SQL["overrides_of_partner"], version_id, partner_id)
    kept: set[int] = set()
    fresh: list[tuple[str, Override]] = []
    for place, override in listed_overrides(partner):
        number = next((_number(row) for row in rows if _number(row) not in kept and _is(row, override)), None)
        if number is None:
            fresh.append((f"{path}.{place}", override))
        else:
            kept.add(number)
            ledger.left("override", _title(partner, override.event))
    gone = [row for row in rows if _number(row) not in kept and not row["is_ended"]]
    for row in gone:
        await _end(ledger, row, partner, [override for _, override in fresh])
    replaced = {row["event"]: row for row in reversed(gone)}
    for place, override in fresh:
        number = await _add(ledger, version_id, partner_id, override, place)
        before, after = replaced.pop(override.event, None), _body(override)
        if before is None:
            await ledger.created("override", TABLE, number, _title(partner, override.event), after)
        else:
            title = _title(partner, override.event)
            await ledger.changed("override", TABLE, number, title, _stored_body(before), after)


def _number(row: asyncpg.Record) -> int:
    number: int = row["partner_campaign_override_id"]
    return number


def _is(row: asyncpg.Record, override: Override) -> bool:
    """Whether the row says what the file says; a beginning the file does not state is not compared."""
    stored = (row["event"], row["commission_type"], row["commission_value"], row["notes"], row["valid_until"])
    is_same = stored == (override.event, override.type, override.value, override.notes, override.valid_until)
    return is_same and override.valid_from in (None, row["valid_from"])


async def _end(
    ledger: Ledger, row: asyncpg.Record, partner: ProgrammePartner, fresh: Sequence[Override]
) -> None:
    """End a rate now, or when the one that follows it began."""
    successors = [override for override in fresh if override.event == row["event"]]
    given = [override.valid_from for override in successors if override.valid_from is not None]
    begins = min(given, default=row["now"])
    if row["is_begun"] and begins >= row["now"]:
        await ledger.connection.execute(SQL["end_override"], _number(row))
    else:
        await ledger.connection.execute(SQL["delete_override"], _number(row))
        if begins > row["valid_from"]:
            await ledger.connection.execute(SQL["repeat_override"], _number(row), begins)
    if not successors:
        title = _title(partner, row["event"])
        await ledger.changed("override", TABLE, _number(row), title, {"is_ended": False}, {"is_ended": True})


async def _add(ledger: Ledger, version_id: int, partner_id: int, override: Override, place: str) -> int:
    type_id = None
    if override.event is not None:
        type_id = await ledger.connection.fetchval(SQL["event_type_by_name"], override.event)
        if type_id is None:
            raise Refused([Fault(f"{place}.event", f"{override.event} is no known event type")])
    try:
        number: int = await ledger.connection.fetchval(
            SQL["add_override"], partner_id, version_id, type_id, override.type, override.value,
            override.notes, override.valid_from, override.valid_until,
        )  # fmt: skip
    except asyncpg.ExclusionViolationError as error:
        raise Refused([Fault(f"{place}.valid_from", "lies in the validity of another rate")]) from error
    except asyncpg.CheckViolationError as error:
        raise Refused([Fault(f"{place}.valid_until", "has passed, and no valid_from is given")]) from error
    return number


def _body(override: Override) -> dict[str, Any]:
    return {
        "type": override.type,
        "value": override.value,
        "notes": override.notes,
        "valid_from": override.valid_from,
        "valid_until": override.valid_until,
    }


def _stored_body(row: asyncpg.Record) -> dict[str, Any]:
    """The same of a row."""
    return {
        "type": row["commission_type"],
        "value": row["commission_value"],
        "notes": row["notes"],
        "valid_from": row["valid_from"],
        "valid_until": row["valid_until"],
    }


def _title(partner: ProgrammePartner, event: str | None) -> str:
    return f"{partner.email} ({event or 'all events'})"
