"""Starts one process that cannot outlive its parent.

Comes in: a command, a log file, the signal the kernel sends it when the parent dies (even by SIGKILL). Goes out: a
`Popen`. The engines and the supervisor start everything through here. Processes get their own session, so that
Ctrl-C in a terminal reaches the supervisor alone and it can stop them in order.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LOG_BYTES_MAX = 16 * 1024 * 1024
"""A log is moved to `<name>.log.1` when it grows beyond this."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    death_signal: signal.Signals = signal.SIGKILL,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command`, output appended to `log`. Call from the main thread: the kernel watches the thread."""
    trim_log(log)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            pass_fds=pass_fds,
            start_new_session=True,
            preexec_fn=_tie_to(os.getpid(), death_signal),
        )


def trim_log(log: Path) -> None:
    """Move a log that grew too long aside. Its writers append, so copying and cutting loses no line's place."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES_MAX:
            log.with_suffix(".log.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)


def _tie_to(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    """What the new process does before it becomes the command."""

    def tie() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # the parent died before the kernel was told to watch it
            os._exit(1)

    return tie
