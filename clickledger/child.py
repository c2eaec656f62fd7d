"""One room in one process: `python -m clickledger.child NAME --data-dir DIR [--fd N --slot K]`.

The supervisor starts it; settings arrive in the environment, the door's listening socket as an inherited file
descriptor. The data directory stands on the command line so that a leftover can be recognised. Rooms are imported
only when asked for: the door's process never loads a PostgreSQL driver.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from clickledger.metrics_server import take_place
from schema.logs import set_up_logs
from schema.settings import Settings, load_settings

ROOMS = {
    "flusher": "flusher.writer:run_flusher",
    "attributor": "attribution.attributor:run_attributor",
    "publisher": "redirector.publisher:run_publisher",
    "api": "attribution.api.app:run_api",
    "demo": "clickledger.demo:run_demo",
}
"""Where each room begins. Named, not imported: a process loads one of them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the named room until SIGTERM."""
    parser = argparse.ArgumentParser(prog="clickledger.child")
    parser.add_argument("name")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--fd", type=int)
    parser.add_argument("--slot", type=int, default=0)
    given = parser.parse_args(arguments)
    take_place(given.name)
    settings = load_settings(data_dir=given.data_dir)
    set_up_logs(given.name, settings.log_level)
    end_quietly_on_sigterm()
    with contextlib.suppress(KeyboardInterrupt):
        if given.fd is not None:
            run_door_worker(settings, given.fd, given.slot)
        else:
            run_room(given.name, settings)


def end_quietly_on_sigterm() -> None:
    """Make status 0 the answer to SIGTERM before a room listens for it, and after.

    uvicorn raises the signal again once it has stopped gracefully; without a handler that would look like a death.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))


def run_door_worker(settings: Settings, descriptor: int, slot: int) -> None:
    """One door worker on the shared listening socket."""
    from redirector.door import run_door

    run_door(settings, socket.socket(fileno=descriptor), slot)


def run_room(name: str, settings: Settings) -> None:
    """Any room that needs no socket from outside."""
    module, _, function = ROOMS[name].partition(":")
    run: Callable[[Settings], None] = getattr(importlib.import_module(module), function)
    run(settings)


if __name__ == "__main__":
    main()
