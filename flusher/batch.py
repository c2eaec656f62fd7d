"""When a batch is full, and how much to read next. Pure: entries come in, the clock is an argument.

The writer's loop adds each stream entry it reads to a `Batch` and flushes when `is_due`; `Pace` turns what
entries have looked like lately into how many to ask for, so that one read neither overfills memory nor trickles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from schema.events import BadEvent

BATCH_BYTES_MAX = 32 << 20
"""Of payload; decoded and enriched it takes about five times as much."""
READ_ENTRIES_MAX = 2_000


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """A batch is flushed when it reaches any of these."""

    rows_max: int
    age_ms_max: int
    bytes_max: int = BATCH_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream entry, decoded: clicks, or reports of conversions. `bytes` is the length of its payload."""

    entry_id: str
    events: list[Any]
    bad: list[BadEvent]
    bytes: int

    @property
    def at_ms(self) -> int:
        """When Redis took the entry, by its own clock."""
        return int(self.entry_id.partition("-")[0])

    @property
    def rows(self) -> int:
        """Clicks in it, the undecodable ones counted."""
        return len(self.events) + len(self.bad)


@dataclass(slots=True)
class Batch:
    """Entries gathered for one flush, in stream order."""

    policy: BatchPolicy
    is_replay: bool = False
    entries: list[Entry] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    opened_ms: int = 0

    def add(self, entry: Entry, now_ms: int) -> None:
        """Take one more entry; the first one starts the clock."""
        if not self.entries:
            self.opened_ms = now_ms
        self.entries.append(entry)
        self.rows += entry.rows
        self.bytes += entry.bytes

    def is_full(self) -> bool:
        """Whether it may take no further entry."""
        return self.rows >= self.policy.rows_max or self.bytes >= self.policy.bytes_max

    def is_due(self, now_ms: int) -> bool:
        """Whether it must be flushed now."""
        return bool(self.entries) and (self.is_full() or self.wait_ms(now_ms) == 0)

    def wait_ms(self, now_ms: int) -> int:
        """How long it may still wait for more. A clock that stepped back counts as no time passed."""
        return max(0, self.policy.age_ms_max - max(0, now_ms - self.opened_ms))


@dataclass(slots=True)
class Pace:
    """What an entry holds on average lately: one click when idle, hundreds under load."""

    rows: float = 100.0
    bytes: float = 64_000.0

    def saw(self, entry: Entry) -> None:
        """Let one entry into the averages."""
        self.rows += (max(1, entry.rows) - self.rows) / 8
        self.bytes += (max(1, entry.bytes) - self.bytes) / 8

    def entries_wanted(self, batch: Batch) -> int:
        """How many entries fill the rest of that batch, about."""
        rows = (batch.policy.rows_max - batch.rows) / self.rows
        size = (batch.policy.bytes_max - batch.bytes) / self.bytes
        return max(1, min(math.ceil(min(rows, size)), READ_ENTRIES_MAX))
