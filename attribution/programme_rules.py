"""A campaign's rules as a programme names them: in the order of the file, a changed one as a new row. `apply` calls it."""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson

from attribution.faults import Fault, Refused
from attribution.outcomes import Ledger
from attribution.programme_fields import CommissionRule
from attribution.versions import SQL

TABLE = "commission_rules"


async def apply_rules(ledger: Ledger, version_id: int, rules: list[CommissionRule], path: str) -> None:
    """Make the rules of a version those listed. Raises Refused naming a rule that cannot be.

    Rules are tried in the order of their numbers, so whatever stands behind a new or changed rule is written anew.
    """
    rows = await ledger.connection.fetch(SQL["rules_of_version"], version_id)
    stored = {row["name"]: row for row in rows}
    last = 0
    for place, rule in enumerate(rules):
        row = stored.pop(rule.name, None)
        after = _values(rule)
        before = None if row is None else _stored(row, is_valid_from_given=rule.valid_from is not None)
        if row is not None and before == after and row["commission_rule_id"] > last:
            last = row["commission_rule_id"]
            ledger.left("rule", rule.name)
            continue
        if row is not None:
            await ledger.connection.execute(SQL["delete_rule"], row["commission_rule_id"])
        kept_from = row["valid_from"] if row is not None and before == after else None
        last = await _add(ledger, version_id, rule, after, kept_from, f"{path}.rules[{place}]")
        if before is None:
            await ledger.created("rule", TABLE, last, rule.name, after)
        elif row is not None and before == after:
            await ledger.changed(
                "rule", TABLE, last, rule.name, {"order": row["commission_rule_id"]}, {"order": last}
            )
        else:
            await ledger.changed("rule", TABLE, last, rule.name, before, after)
    for name, row in stored.items():
        number = row["commission_rule_id"]
        await ledger.connection.execute(SQL["delete_rule"], number)
        await ledger.changed("rule", TABLE, number, name, {"is_deleted": False}, {"is_deleted": True})


async def _add(
    ledger: Ledger, version_id: int, rule: CommissionRule, values: dict[str, Any], kept_from: Any, place: str
) -> int:
    try:
        number: int = await ledger.connection.fetchval(
            SQL["add_rule"],
            version_id,
            rule.name,
            values["description"],
            values["active"],
            orjson.dumps(values["conditions"]).decode(),
            orjson.dumps(values["actions"]).decode(),
            values["valid_from"] or kept_from,
            values["valid_until"],
        )
    except asyncpg.CheckViolationError as error:
        raise Refused([Fault(f"{place}.valid_until", "has passed, and no valid_from is given")]) from error
    return number


def _values(rule: CommissionRule) -> dict[str, Any]:
    return {
        "description": rule.description,
        "active": rule.active,
        "conditions": rule.conditions.model_dump(mode="json", exclude_none=True),
        "actions": rule.actions.model_dump(mode="json", exclude_none=True),
        "valid_from": rule.valid_from,
        "valid_until": rule.valid_until,
    }


def _stored(row: asyncpg.Record, *, is_valid_from_given: bool) -> dict[str, Any]:
    """A stored rule in the same shape; a beginning the file does not state is not compared."""
    return {
        "description": row["description"],
        "active": row["active"],
        "conditions": orjson.loads(row["conditions"]),
        "actions": orjson.loads(row["actions"]),
        "valid_from": row["valid_from"] if is_valid_from_given else None,
        "valid_until": row["valid_until"],
    }
