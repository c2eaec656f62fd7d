"""The lifecycle of attributed conversions: approve with proof, reject, lift a hold, approve what is due by itself.

The API calls `approve`, `reject` and `lift_hold` on a connection of the engine (tenants may not write what these
write) after it has looked whether the caller may see the conversion; the attributor calls `approve_due`. What the
lifecycle does not allow comes back as a value and is audited too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from attribution.keys import Caller
from attribution.milestone_bonus import pay_milestones
from attribution.terms import Connection
from attribution.totals import move_totals, totals_of
from attribution.writing import ask_dependents
from schema.queries import load_queries

SQL = load_queries("attribution", "lifecycle.sql")

SYSTEM = Caller("system")


class Answer(NamedTuple):
    """Whether it was done; where not, a closed word for why and a sentence for the caller."""

    is_done: bool
    reason: str = ""
    detail: str = ""


DONE = Answer(True)
BELONGS = Answer(False, "adjustment", "An adjustment goes with the conversion it adjusts.")


async def approve(connection: Connection, number: int, caller: Caller, *, lifts_hold: bool = False) -> Answer:
    """Approve one conversion with its pending adjustments. A held one only with `lifts_hold`: somebody looked."""
    async with connection.transaction():
        row = await _locked(connection, number)
        answer = _may_approve(row, lifts_hold=lifts_hold)
        if answer.is_done:
            await _approve(connection, [row], caller)
        else:
            await _note_refusal(connection, number, row, "approve", caller, answer)
        return answer


async def reject(connection: Connection, number: int, caller: Caller, reason: str) -> Answer:
    """Reject one pending or approved conversion with its adjustments, for good."""
    async with connection.transaction():
        row = await _locked(connection, number)
        answer = DONE
        if row is None:
            answer = Answer(False, "unknown", "There is no such conversion.")
        elif row["adjusts_conversion_event_id"] is not None:
            answer = BELONGS
        elif row["status"] not in ("pending", "approved"):
            answer = Answer(False, "lifecycle", f"The conversion is {row['status']} and stays so.")
        if answer.is_done:
            await _reject(connection, number, row["status"], caller, reason)
        else:
            await _note_refusal(connection, number, row, "reject", caller, answer)
        return answer


async def lift_hold(connection: Connection, number: int, caller: Caller) -> Answer:
    """Let a held conversion be approved like any other."""
    async with connection.transaction():
        row = await _locked(connection, number)
        if row is None or not row["is_held"]:
            return Answer(False, "not_held", "The conversion is not held.")
        await connection.execute(SQL["lift_hold"], number)
        await note(connection, "release", [number], caller, {"before": {"hold_reason": row["hold_reason"]}})
        return DONE


async def approve_due(connection: Connection, limit: int) -> int:
    """Approve conversions whose hold period has passed and that nothing keeps; how many."""
    async with connection.transaction():
        numbers = [row[0] for row in await connection.fetch(SQL["claim_due"], limit)]
        rows = await connection.fetch(SQL["for_decision"], numbers) if numbers else []
        await _approve(connection, rows, SYSTEM)
    return len(numbers)


async def take_snapshots(connection: Connection, numbers: Sequence[int]) -> None:
    """The proof of what each partner was promised, at the moment of approval."""
    if numbers:
        await connection.execute(SQL["add_snapshots"], numbers)


async def note(
    connection: Connection,
    action: str,
    numbers: Sequence[int],
    caller: Caller = SYSTEM,
    changes: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """An audit row for each of these conversions."""
    if numbers:
        body = orjson.dumps(dict(changes or {}), default=str).decode()
        actor_id = caller.vendor_id or caller.partner_id or caller.api_key_id
        await connection.execute(SQL["note"], numbers, action, caller.role, actor_id, body, reason)


async def _locked(connection: Connection, number: int) -> Any:
    return await connection.fetchrow(SQL["for_decision"], [number])


def _may_approve(row: Any, *, lifts_hold: bool) -> Answer:
    if row is None:
        return Answer(False, "unknown", "There is no such conversion.")
    if row["adjusts_conversion_event_id"] is not None:
        return BELONGS
    if row["status"] != "pending":
        return Answer(False, "lifecycle", f"The conversion is {row['status']} already.")
    if row["attribution_state"] != "attributed":
        return Answer(
            False, "not_attributed", "Nobody earned the conversion, so there is nothing to approve."
        )
    if row["is_held"] and not lifts_hold:
        return Answer(False, "held", f"The conversion is held: {row['hold_reason']}.")
    if row["is_too_early"]:
        return Answer(False, "hold_period", "The hold period of its campaign has not passed.")
    return DONE


async def _approve(connection: Connection, rows: Sequence[Any], caller: Caller) -> None:
    """Approve locked conversions that may be."""
    if not rows:
        return
    numbers = [row["conversion_event_id"] for row in rows]
    adjusting = await connection.fetch(SQL["adjustments_of"], numbers, ["pending"])
    every = [*numbers, *(row[0] for row in adjusting)]
    await connection.execute(SQL["approve"], every)
    await take_snapshots(connection, every)
    changes = {"before": {"status": "pending"}, "after": {"status": "approved"}, "changed_fields": ["status"]}
    await note(connection, "approve", every, caller, changes)
    for number in await pay_milestones(connection, rows):
        await take_snapshots(connection, [number])
        await note(connection, "create", [number], caller, {"after": {"status": "approved"}}, "milestone")


async def _reject(connection: Connection, number: int, status: str, caller: Caller, reason: str) -> None:
    adjusting = await connection.fetch(SQL["adjustments_of"], [number], ["pending", "approved"])
    every = [number, *(row[0] for row in adjusting)]
    before = await totals_of(connection, every)
    await connection.execute(SQL["reject"], every, reason)
    changes = {"before": {"status": status}, "after": {"status": "rejected"}, "changed_fields": ["status"]}
    await note(connection, "reject", every, caller, changes, reason)
    await ask_dependents(connection, [number])
    await move_totals(connection, before, await totals_of(connection, every))


async def _note_refusal(
    connection: Connection, number: int, row: Any, action: str, caller: Caller, answer: Answer
) -> None:
    if row is not None:
        before = {"before": {"status": row["status"]}, "after": {"status": row["status"]}}
        await note(connection, f"{action}_refused", [number], caller, before, answer.detail)
