"""Writes the audit log: who made or changed what, with the values before and after, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import orjson

from attribution.keys import Caller
from schema.queries import load_queries

SQL = load_queries("attribution", "audit.sql")


async def log_action(
    connection: asyncpg.Connection,
    caller: Caller,
    action: str,
    entity_type: str,
    entity_ids: Sequence[int],
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Note one action on one or more rows of a table. An admin's actor id is its key's; others' their own."""
    actor_id = caller.vendor_id or caller.partner_id or caller.api_key_id
    body = orjson.dumps(dict(changes or {}), default=str).decode()
    await connection.execute(
        SQL["add_audit"], entity_type, list(entity_ids), action, caller.role, actor_id, body
    )


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The `changes` of an update in the dictionary's shape; {} when nothing differs."""
    fields = [name for name in after if before.get(name) != after[name]]
    if not fields:
        return {}
    return {
        "before": {name: before.get(name) for name in fields},
        "after": {name: after[name] for name in fields},
        "changed_fields": fields,
    }
