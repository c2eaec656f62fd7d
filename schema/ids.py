"""Click ids and cookie ids.

A click id is a 63-bit integer that carries its own time: 42 bits of Unix milliseconds (until the year 2109),
10 bits of worker number, 11 bits of sequence. Sorting ids sorts clicks; `clicked_at` is read back from the id,
so a replayed click lands in the same partition and its primary key recognises it. A cookie id is a UUIDv7
(RFC 9562 section 5.7). The door mints both; everybody else only reads them.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

MS_SHIFT = 21
WORKER_SHIFT = 11
SEQUENCE_MAX = (1 << WORKER_SHIFT) - 1
WORKER_MAX = (1 << (MS_SHIFT - WORKER_SHIFT)) - 1
MS_MAX = (1 << (63 - MS_SHIFT)) - 1

LEASED_WORKER_MAX = 959
"""Numbers above it are never leased: ids minted for imported history live there (see `import_click_id`)."""
IMPORT_SLOTS = (WORKER_MAX - LEASED_WORKER_MAX) << WORKER_SHIFT
"""How many imported clicks one millisecond can hold: 131,072."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wall_clock_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


class ClickIdMinter:
    """Mints ids that never repeat for one leased worker number.

    Time inside the ids never runs backwards: while the clock stands still or steps back, the sequence counts on
    and, when it is used up, borrows the next millisecond. `floor_ms` is the last millisecond the previous holder
    of this worker number may have used.
    """

    __slots__ = ("_clock_ns", "_ms", "_next", "_worker_bits")

    def __init__(self, worker: int, clock_ns: Callable[[], int] = time.time_ns, floor_ms: int = 0) -> None:
        if not 0 <= worker <= LEASED_WORKER_MAX:
            raise ValueError(f"worker must be 0..{LEASED_WORKER_MAX}, not {worker}")
        self._clock_ns = clock_ns
        self._worker_bits = worker << WORKER_SHIFT
        self._ms = floor_ms
        self._next = SEQUENCE_MAX + 1  # floor_ms itself is used up

    def mint(self) -> int:
        """The next id, strictly greater than every id minted before it."""
        now = self._clock_ns() // 1_000_000
        if now > self._ms:
            self._ms, self._next = now, 0
        elif self._next > SEQUENCE_MAX:
            self._ms, self._next = self._ms + 1, 0
        sequence = self._next
        self._next = sequence + 1
        return (self._ms << MS_SHIFT) | self._worker_bits | sequence

    @property
    def last_ms(self) -> int:
        """The millisecond of the newest id: what the next holder of this worker number must stay above."""
        return self._ms


def import_click_id(at_ms: int, slot: int) -> int:
    """The id of an imported click of that millisecond; `slot` counts 0..IMPORT_SLOTS-1."""
    return (at_ms << MS_SHIFT) | ((LEASED_WORKER_MAX + 1) << WORKER_SHIFT) + slot % IMPORT_SLOTS


def click_ms(click_id: int) -> int:
    """Unix milliseconds at which the click happened."""
    return click_id >> MS_SHIFT


def clicked_at(click_id: int) -> datetime:
    """When the click happened, UTC, exact to the millisecond."""
    return EPOCH + timedelta(milliseconds=click_id >> MS_SHIFT)


def first_click_id_at(at_ms: int) -> int:
    """The smallest id of that millisecond: turns a period into a range of ids."""
    return at_ms << MS_SHIFT


def parse_click_id(text: str) -> int | None:
    """The id in `text` (its decimal form), or None if it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    value = int(text)
    return value if 0 < value < 1 << 63 else None


_CANONICAL = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


COOKIE_IDS_AT_ONCE = 200
"""Random ends made together: asking the system for each would cost 2 us."""
_VARIANT = bytes(0x80 | octet & 0x3F for octet in range(256))


class CookieIdMinter:
    """Mints UUIDv7s."""

    __slots__ = ("_ends", "_front", "_ms", "_random_bytes")

    def __init__(self, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._random_bytes = random_bytes
        self._ends: list[str] = []
        self._ms = -1
        self._front = ""

    def mint(self, at_ms: int) -> str:
        """A new id of that millisecond in its 36-character form."""
        if at_ms != self._ms:
            digits = f"{at_ms & (1 << 48) - 1:012x}"
            self._ms, self._front = at_ms, f"{digits[:8]}-{digits[8:]}-7"
        if not self._ends:
            self._ends = _random_ends(self._random_bytes(10 * COOKIE_IDS_AT_ONCE))
        return self._front + self._ends.pop()


def _random_ends(octets: bytes) -> list[str]:
    """What follows the version digit of UUIDv7s: each takes ten octets, the third of which carries the variant."""
    marked = bytearray(octets)
    marked[2::10] = octets[2::10].translate(_VARIANT)
    digits = marked.hex()
    starts = range(0, len(digits), 20)
    return [
        f"{digits[at + 1 : at + 4]}-{digits[at + 4 : at + 8]}-{digits[at + 8 : at + 20]}" for at in starts
    ]


def parse_cookie_id(text: str) -> str | None:
    """`text` in canonical form if it is a UUIDv7, else None. A cookie is a hint: foreign values count as none."""
    if len(text) != 36:
        return None
    if _CANONICAL.fullmatch(text):
        return text  # as we minted it, and 2 us less than asking the standard library
    try:
        value = uuid.UUID(text)
    except ValueError:
        return None
    return str(value) if value.version == 7 and value.variant == uuid.RFC_4122 else None
