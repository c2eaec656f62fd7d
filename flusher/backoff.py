"""How long to wait before trying again: doubling, bounded, with jitter so that writers do not come back together; and the
waiting itself."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

FIRST_S = 0.1
LONGEST_S = 5.0


class Backoff:
    """Counts failures in a row."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._failures = 0

    def failed(self) -> float:
        """One more failure; returns the seconds to wait, half of them left to chance."""
        longest = min(LONGEST_S, FIRST_S * (1 << min(self._failures, 16)))
        self._failures += 1
        return longest * (0.5 + self._chance() / 2)

    def succeeded(self) -> None:
        """Start again from the shortest wait."""
        self._failures = 0


async def pause(is_stopping: asyncio.Event, seconds: float) -> None:
    """Sleep, but not through a stop."""
    try:
        async with asyncio.timeout(seconds):
            await is_stopping.wait()
    except TimeoutError:
        return
