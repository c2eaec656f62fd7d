"""What an embedded engine is to whoever runs it: a command, a way to ask whether it serves, a way to stop it.

`Postgres` and `Valkey` fill it in. The supervisor runs the command itself and restarts it; tests and benches use
`start` and `stop` directly.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from clickledger.errors import StartError
from clickledger.spawn import spawn

START_SECONDS_MAX = 60.0
"""Replaying a log after a crash can take a while; an engine silent for longer will not come."""
STOP_SECONDS_MAX = 20.0


class Engine(ABC):
    """One embedded engine in `data_dir`, on loopback `port`.

    `is_durable=False` skips every sync: for tests, whose data may be lost.
    """

    name: str
    setting: str
    """The variable that names a server to use instead."""
    stop_signal: signal.Signals

    def __init__(self, data_dir: Path, port: int, password: str, *, is_durable: bool = True) -> None:
        self.home = data_dir / self.name
        self.log = data_dir / "logs" / f"{self.name}.log"
        self.port = port
        self.password = password
        self.is_durable = is_durable

    @abstractmethod
    def prepare(self) -> None:
        """Make or check the files. Raises StartError."""

    @abstractmethod
    def command(self) -> list[str]:
        """What runs the engine in the foreground."""

    @abstractmethod
    def is_serving(self, pid: int) -> bool:
        """Whether process `pid` is this engine and answers now."""

    @abstractmethod
    def version(self) -> str:
        """Of the program."""

    @property
    @abstractmethod
    def url(self) -> str:
        """How a client reaches it, password included."""

    def environment(self) -> dict[str, str]:
        """Ours without what would steer the engine from outside."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))
        }
        return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def start(self) -> subprocess.Popen[bytes]:
        """Launch and wait until it serves. Raises StartError with the path of its log."""
        process = self.launch()
        self.wait_serving(process)
        return process

    def launch(self) -> subprocess.Popen[bytes]:
        """Prepare and run it without waiting. Raises StartError."""
        self.prepare()
        self.log.parent.mkdir(exist_ok=True)
        return spawn(self.command(), log=self.log, death_signal=self.stop_signal, env=self.environment())

    def wait_serving(self, process: subprocess.Popen[bytes], seconds_max: float = START_SECONDS_MAX) -> None:
        """Return when it serves. Raises StartError when it died or stayed silent."""
        deadline = time.monotonic() + seconds_max
        while not self.is_serving(process.pid):
            if process.poll() is not None or time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                raise StartError(f"The embedded {self.name} did not start; its log is {self.log}.")
            time.sleep(0.02)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Stop it cleanly, or by force after a bound."""
        process.send_signal(self.stop_signal)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port(preferred: int | None = None) -> int:
    """A free loopback port: the preferred one if nobody has taken it."""
    for port in (preferred, 0) if preferred else (0,):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise StartError("No loopback port is free.")
