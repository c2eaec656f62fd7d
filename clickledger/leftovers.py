"""Finds and ends what a killed `clickledger up` may have left running in its data directory.

The kernel tells children that their parent died (see `spawn`), so normally there is nothing, or an engine that is
still writing its last checkpoint. Called by `up` once it holds the directory's lock; a process counts as ours only
if it is one of our programs and works in exactly this directory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import structlog

PATIENCE_SECONDS = 10.0
"""For a clean end; after that, SIGKILL."""

_log = structlog.get_logger()


def end_leftovers(data_dir: Path) -> None:
    """Return when nothing of ours runs in `data_dir` any more."""
    found = leftovers(data_dir)
    for pid, name in found.items():
        _log.warning("ended_leftover", child=name, pid=pid)
        _send(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while pids := leftovers(data_dir):
        if time.monotonic() > deadline:
            for pid in pids:
                _send(pid, signal.SIGKILL)
        time.sleep(0.05)


def leftovers(data_dir: Path) -> dict[int, str]:
    """Process id -> what it is, for every process of ours in that data directory but ourselves."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    named = ((pid, _name_in(data_dir, pid)) for pid in pids if pid != os.getpid())
    return {pid: name for pid, name in named if name is not None}


def _name_in(data_dir: Path, pid: int) -> str | None:
    """What process `pid` is in `data_dir`, or None if it is not ours, or gone."""
    process = Path("/proc") / str(pid)
    try:
        if process.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return None
        words = process.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
        program = process.joinpath("comm").read_text().strip()
        # a PostgreSQL session renames itself, but its working directory stays
        if program == "postgres" and process.joinpath("cwd").readlink() == data_dir / "postgres":
            return "postgres"
    except OSError:
        return None
    if program == "valkey-server" and str(data_dir / "valkey" / "valkey.conf") in words:
        return "valkey"
    if words[1:3] == ["-m", "clickledger.child"] and str(data_dir) in words:
        return words[3]
    return None


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
