"""Ctrl-C, SIGTERM and SIGHUP, turned into something the ignition can ask about.

While a command is still starting, a signal interrupts it as Ctrl-C always does; once it runs, the signal is only
noted, and the supervisor's loop sees it.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any


class StopRequest:
    """Installs itself as the handler of the three signals. Make it in the main thread."""

    def __init__(self) -> None:
        self._count = 0
        self._is_interrupting = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)
        sys.unraisablehook = _say_unless_asked

    def only_note(self) -> None:
        """From now on signals no longer interrupt."""
        self._is_interrupting = False

    def is_asked(self) -> bool:
        """Whether to stop."""
        return self._count > 0

    def is_hurried(self) -> bool:
        """Whether somebody asked again: no more draining."""
        return self._count > 1

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._is_interrupting:
            self._is_interrupting = False
            raise KeyboardInterrupt


def _say_unless_asked(unraisable: Any) -> None:
    """What Python says of an exception it cannot pass on. An interrupt that falls into logging's handler at a fork is
    one; it was noted, and the loop sees it."""
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)
