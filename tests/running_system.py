"""A whole `clickledger up` as a real process, for tests that look at the system from outside.

`start_up` starts one and waits for its greeting; `Up` knows its addresses, its directory and its processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clickledger.engines.engine import free_port
from clickledger.leftovers import leftovers

ROOT = Path(__file__).parent.parent
START_SECONDS_MAX = 90.0
COMMAND_SECONDS_MAX = 900.0
"""A month is long to attribute again on a busy machine; what hangs is ended by the test's own limit."""
STOP_SECONDS_MAX = 60.0


def environment(**settings: object) -> dict[str, str]:
    """The environment of a command under test: no settings but these, our checkout importable."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CLICKLEDGER_")}
    given = {
        f"CLICKLEDGER_{name.upper()}": str(value) for name, value in settings.items() if value is not None
    }
    return clean | {"PYTHONPATH": str(ROOT)} | given


def clickledger(*arguments: str, cwd: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the console script to its end."""
    return subprocess.run(
        [sys.executable, "-m", "clickledger", *arguments],
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )


class Up:
    """A started system. `ports` are chosen once, so that it can be started again in the same place."""

    def __init__(self, data_dir: Path, arguments: Sequence[str] = (), **settings: object) -> None:
        self.data_dir = data_dir
        self.ports = {name: free_port() for name in ("port", "api_port", "metrics_port")}
        self.arguments = arguments
        self.settings = settings
        self.process: subprocess.Popen[str] | None = None
        self.greeting = ""

    door_url = property(lambda self: f"http://127.0.0.1:{self.ports['port']}")
    api_url = property(lambda self: f"http://127.0.0.1:{self.ports['api_port']}")
    metrics_url = property(lambda self: f"http://127.0.0.1:{self.ports['metrics_port']}/metrics")

    def start(self) -> Up:
        """Start and wait for the greeting."""
        self.data_dir.parent.mkdir(exist_ok=True, parents=True)
        output = self.data_dir.with_name(f"{self.data_dir.name}.out")
        with output.open("w") as stdout, output.with_suffix(".err").open("a") as stderr:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "clickledger",
                    "up",
                    "--data-dir",
                    str(self.data_dir),
                    *self.arguments,
                ],
                cwd=self.data_dir.parent,
                env=environment(**self.ports, **self.settings),
                stdout=stdout,
                stderr=stderr,
                text=True,
            )
        wait_until(lambda: self._is_greeted(output), START_SECONDS_MAX, "clickledger up to greet")
        return self

    def stop(self) -> int:
        """Ctrl-C, and its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS_MAX)

    def kill(self) -> None:
        """SIGKILL to the supervisor, whatever state it is in."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self) -> None:
        """SIGKILL to everything, for good."""
        self.kill()
        for pid in self.leftovers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.leftovers(), STOP_SECONDS_MAX, "the system to end")

    @property
    def is_running(self) -> bool:
        """Whether the supervisor is."""
        return self.process is not None and self.process.poll() is None

    @property
    def admin_key(self) -> str:
        """The key the first start printed."""
        found = re.search(r"admin key\s+(\S+)", self.greeting)
        assert found is not None, self.greeting
        return found.group(1)

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name: postgres, valkey, door-0, flusher, attributor, publisher, api."""
        return dict(json.loads((self.data_dir / "engines.json").read_text())["pids"])

    def status(self) -> dict[str, Any]:
        """`clickledger status --json`."""
        done = clickledger(
            "status", "--json", cwd=self.data_dir.parent, data_dir=self.data_dir, **self.settings
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def metrics(self) -> str:
        """The text Prometheus would read."""
        with urllib.request.urlopen(self.metrics_url, timeout=10) as answer:
            return str(answer.read().decode())

    def leftovers(self) -> dict[int, str]:
        """Everything of this system that runs now, engine sessions included."""
        return leftovers(self.data_dir.resolve())

    def _is_greeted(self, output: Path) -> bool:
        assert self.process is not None
        self.greeting = output.read_text()
        if self.process.poll() is not None:
            raise AssertionError(output.with_suffix(".err").read_text())
        return "is running" in self.greeting and self.greeting.endswith("\n")


def wait_until(is_true: Callable[[], object], seconds_max: float, what: str) -> None:
    """Return as soon as it is true; fail after a bound."""
    deadline = time.monotonic() + seconds_max
    while not is_true():
        assert time.monotonic() < deadline, f"waited {seconds_max} s for {what}"
        time.sleep(0.05)
