"""Keeps named processes running: starts them, starts again what dies, stops them in order.

`clickledger up` and `clickledger door` give it their children. A death is one structured log line and one count
of `clickledger_restarts_total`. It never gives up: each child has its own bounded backoff, so a database that will
not start costs the doors nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog
from prometheus_client import multiprocess

from clickledger.errors import StartError
from clickledger.restarts import Backoff
from schema.metrics import RESTARTS

POLL_SECONDS = 0.1
"""How long a dead child can go unnoticed."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Child:
    """One process to keep running. Children of the lowest `stage` are asked to stop first, together."""

    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    stage: int
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds_max: float = 10.0
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Owns the children. `on_pids` is told every change of who runs; `clock` counts seconds."""

    def __init__(
        self,
        on_pids: Callable[[dict[str, int]], None] = lambda pids: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.children: list[Child] = []
        self._on_pids = on_pids
        self._clock = clock

    def start(self, child: Child) -> None:
        """Start a new child and keep it running from now on. Raises what its launch raises."""
        self._run(child)
        self.children.append(child)
        self._on_pids(self.pids)

    def adopt(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        """Keep a child running that was started already."""
        child.process, child.started_at = process, self._clock()
        self.children.append(child)
        self._on_pids(self.pids)

    @property
    def pids(self) -> dict[str, int]:
        """The process of each living child."""
        return {child.name: child.process.pid for child in self.children if child.process and child.is_alive}

    def watch(self, is_over: Callable[[], bool], each_turn: Callable[[], None] = lambda: None) -> None:
        """Restart what dies until `is_over` says so."""
        while not is_over():
            self.mend()
            each_turn()
            time.sleep(POLL_SECONDS)

    def mend(self) -> None:
        """Notice every death, start again what is due."""
        before = self.pids
        for child in self.children:
            if child.process is not None and not child.is_alive:
                self._note_death(child)
            if child.process is None and self._clock() >= child.due_at:
                self._start_again(child)
        if self.pids != before or any(child.process is None for child in self.children):
            self._on_pids(self.pids)

    def stop(self, is_hurried: Callable[[], bool] = lambda: False) -> None:
        """Stop stage after stage; whoever does not end within its bound, or once hurried, is killed."""
        for stage in sorted({child.stage for child in self.children}):
            self._stop_together([child for child in self.children if child.stage == stage], is_hurried)
        self.children.clear()
        self._on_pids({})

    def _run(self, child: Child) -> None:
        child.process, child.started_at = child.launch(), self._clock()
        _log.info("started", child=child.name, pid=child.process.pid)

    def _note_death(self, child: Child) -> None:
        assert child.process is not None
        lived = self._clock() - child.started_at
        delay = child.backoff.delay_after(lived)
        child.due_at = self._clock() + delay
        _log.warning(
            "died",
            child=child.name,
            pid=child.process.pid,
            status=child.process.returncode,
            lived_seconds=round(lived, 1),
            restart_in_seconds=round(delay, 2),
        )
        child.process = None
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            multiprocess.mark_process_dead(child.name)  # type: ignore[no-untyped-call]

    def _start_again(self, child: Child) -> None:
        RESTARTS.labels(child.name).inc()
        try:
            self._run(child)
        except (StartError, OSError) as error:
            delay = child.backoff.delay_after(0)
            child.due_at = self._clock() + delay
            _log.error("not_started", child=child.name, error=str(error), restart_in_seconds=round(delay, 2))

    def _stop_together(self, children: list[Child], is_hurried: Callable[[], bool]) -> None:
        asked_at = self._clock()
        for child in _living(children):
            _send(child, child.stop_signal)
        while waiting := _living(children):
            for child in waiting:
                if is_hurried() or self._clock() - asked_at > child.stop_seconds_max:
                    _log.warning("killed", child=child.name, after_seconds=round(self._clock() - asked_at, 1))
                    _send(child, signal.SIGKILL)
            time.sleep(POLL_SECONDS / 4)
        for child in children:
            status = child.process.returncode if child.process else None
            _log.info("stopped", child=child.name, status=status)


def _living(children: Iterable[Child]) -> list[Child]:
    return [child for child in children if child.is_alive]


def _send(child: Child, number: signal.Signals) -> None:
    assert child.process is not None
    with contextlib.suppress(ProcessLookupError):
        child.process.send_signal(number)
