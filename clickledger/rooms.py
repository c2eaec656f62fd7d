"""The rooms as children of the supervisor: their commands, their environment, the order in which they stop.

Doors stop first, so that what they captured can still be written; the writer next, then the
attributor, whose outcomes the publisher still hands on; then those that only read.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from clickledger.spawn import spawn
from clickledger.supervisor import Child
from schema.settings import Settings

HANDED_DOWN = ("host", "port", "api_port", "workers", "trusted_proxies")
"""Settings that options of `up` may have changed: children read them from the environment."""

DOOR_STAGE, FLUSHER_STAGE, ATTRIBUTOR_STAGE, PUBLISHER_STAGE, API_STAGE, ENGINE_STAGE = range(6)

# what a room may need to finish its work when asked to stop
_STOP_SECONDS_MAX = {"flusher": 30.0, "attributor": 15.0, "publisher": 10.0, "api": 10.0, "demo": 5.0}
_STAGES = {
    "demo": DOOR_STAGE,
    "flusher": FLUSHER_STAGE,
    "attributor": ATTRIBUTOR_STAGE,
    "publisher": PUBLISHER_STAGE,
    "api": API_STAGE,
}
_DOOR_STOP_SECONDS_MAX = 15.0


def room(name: str, settings: Settings, data_dir: Path) -> Child:
    """The child of any room but the door."""
    launch = _launch(name, settings, data_dir)
    return Child(name, launch, _STAGES[name], stop_seconds_max=_STOP_SECONDS_MAX[name])


def door_workers(settings: Settings, data_dir: Path, door: socket.socket) -> list[Child]:
    """One child per door worker, all accepting from the same listening socket."""
    return [_door_worker(slot, settings, data_dir, door.fileno()) for slot in range(settings.workers)]


def _door_worker(slot: int, settings: Settings, data_dir: Path, descriptor: int) -> Child:
    arguments = ("--fd", str(descriptor), "--slot", str(slot))
    launch = _launch(f"door-{slot}", settings, data_dir, arguments, (descriptor,))
    return Child(f"door-{slot}", launch, DOOR_STAGE, stop_seconds_max=_DOOR_STOP_SECONDS_MAX)


def _launch(
    name: str,
    settings: Settings,
    data_dir: Path,
    arguments: Sequence[str] = (),
    descriptors: Sequence[int] = (),
) -> Callable[[], subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "clickledger.child", name, "--data-dir", str(data_dir), *arguments]
    given = {f"CLICKLEDGER_{field.upper()}": _as_text(getattr(settings, field)) for field in HANDED_DOWN}
    log = data_dir / "logs" / f"{name}.log"
    return lambda: spawn(command, log=log, env=os.environ | given, pass_fds=descriptors)


def _as_text(value: str | int | tuple[str, ...]) -> str:
    """A setting as its variable would have it."""
    return ",".join(value) if isinstance(value, tuple) else str(value)
