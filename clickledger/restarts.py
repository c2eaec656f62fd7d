"""When to start a dead process again: at once the first time, then ever later, never later than a bound.

Pure: the clock and the dice are arguments. The supervisor keeps one `Backoff` per child.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

DELAY_SECONDS_MIN = 0.1
DELAY_SECONDS_MAX = 10.0
STEADY_SECONDS = 30.0
"""A process that lived this long is healthy: its next death counts as the first."""


@dataclass(slots=True)
class Backoff:
    """How often in a row one child died young."""

    dice: Callable[[], float] = random.random
    deaths: int = 0

    def delay_after(self, lived_seconds: float) -> float:
        """Seconds to wait before the next start of a child that lived that long. Half of it is jitter."""
        self.deaths = 1 if lived_seconds >= STEADY_SECONDS else self.deaths + 1
        # the exponent is bounded too: 2**1100 would not fit a float
        longest: float = min(DELAY_SECONDS_MAX, DELAY_SECONDS_MIN * 2 ** min(self.deaths - 1, 16))
        return longest * (0.5 + 0.5 * self.dice())
