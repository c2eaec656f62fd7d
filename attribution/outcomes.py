"""What `apply` did to each thing the programme names, gathered in the order of the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import asyncpg

from attribution.audit import difference, log_action
from attribution.keys import ADMIN

Action = Literal["created", "changed", "left"]


class Outcome(NamedTuple):
    """One thing and what became of it; `detail` says which fields changed."""

    action: Action
    kind: str
    name: str
    detail: str = ""


class Ledger:
    """The connection of one apply and the list of what it did; every creation and change is audited."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.outcomes: list[Outcome] = []

    async def created(self, kind: str, table: str, number: int, name: str, after: Mapping[str, Any]) -> None:
        """Note and audit a new row."""
        self.outcomes.append(Outcome("created", kind, name))
        await log_action(self.connection, ADMIN, "create", table, [number], {"after": dict(after)})

    async def changed(
        self,
        kind: str,
        table: str,
        number: int,
        name: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> None:
        """Note and audit a changed row."""
        change = difference(before, after)
        self.outcomes.append(Outcome("changed", kind, name, ", ".join(change.get("changed_fields", ()))))
        await log_action(self.connection, ADMIN, "update", table, [number], change)

    def left(self, kind: str, name: str) -> None:
        """Note that nothing had to be done."""
        self.outcomes.append(Outcome("left", kind, name))

    def counts(self) -> Counter[Action]:
        """How many were created, changed, left."""
        return Counter(outcome.action for outcome in self.outcomes)
