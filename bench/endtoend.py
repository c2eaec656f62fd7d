"""The rate this machine sustains from click to ledger: a door, a writer, both engines and the generator share all its
cores; the rate rises until the writer falls behind.

Each step sends clicks at a constant rate and then waits for the last of them to be stored: that wait is the lag. A step
is sustained when all of it was answered within its time and the lag stayed under a second, so at most that second of work
can have been hidden in the queue. In the end clicks stored are counted against redirects sent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bench.generator import Asked, pace
from bench.kernel import cpu_seconds
from bench.pace import Paced
from bench.system import Engines, Stored, door, publish_links, whole, writer

LINKS = 1_000
LAG_S_MAX = 1.0
RISE = 1.2
WARM_UP_S = 3.0
OVERTIME_MAX = 1.02
"""How much longer than its time a step may take to have everything answered."""


def run(
    seconds: float = 20.0,
    first_per_s: int = 5_000,
    steps_max: int = 20,
    connections: int = 64,
    engines: Engines | None = None,
) -> dict[str, Any]:
    """Measure; a row for each rate, the highest one sustained, and clicks stored for each redirect sent."""
    with whole(engines) as system, Stored(system.database_url) as stored, writer(system) as writer_pid:
        publish_links(system.redis.url, LINKS)
        with door(system.redis.url, system.folder, None) as server:
            pids = {"door": server.pid, "writer": writer_pid} | system.pids()
            ask = partial(pace, server.url, Asked(LINKS), connections=connections, core=None)
            sent = ask(rate=first_per_s, seconds=min(WARM_UP_S, seconds)).answered
            stored.wait_for(sent)
            steps: list[dict[str, Any]] = []
            while len(steps) < steps_max and (not steps or is_sustained(steps[-1], seconds)):
                rate = first_per_s * RISE ** len(steps)
                steps.append(_step(partial(ask, rate=rate, seconds=seconds), stored, sent, pids))
                sent += steps[-1]["answered"]
            kept = stored.count()
    good = [step["per_s"] for step in steps if is_sustained(step, seconds)]
    return {
        "seconds": seconds,
        "connections": connections,
        "sustained_per_s": max(good, default=0),
        "is_limit_reached": len(good) < len(steps),
        "sent": sent,
        "stored": kept,
        "stored_of_sent": round(kept / sent, 6),
        "steps": steps,
    }


def is_sustained(step: dict[str, Any], seconds: float) -> bool:
    """Whether the system kept up with that rate."""
    is_in_time = step["seconds"] < OVERTIME_MAX * seconds + 0.1
    return is_in_time and step["lag_s"] < LAG_S_MAX and not step["failed"]


def _step(ask: Callable[[], Paced], stored: Stored, before: int, pids: dict[str, int]) -> dict[str, Any]:
    """One rate: what visitors waited, how far the ledger was behind, what each process used for a click."""
    used = {name: cpu_seconds(pid) for name, pid in pids.items()}
    seen = ask()
    lag_s = stored.wait_for(before + seen.answered)
    cpu_us = {name: 1e6 * (cpu_seconds(pid) - used[name]) / seen.answered for name, pid in pids.items()}
    return {
        "per_s": round(seen.per_second),
        "seconds": round(seen.seconds, 2),
        "p50_ms": round(seen.p50_ms, 2),
        "p99_ms": round(seen.p99_ms, 2),
        "lag_s": round(lag_s, 2),
        "answered": seen.answered,
        "failed": seen.failed,
        "generator_late": round(seen.late / seen.sent, 4),
        **{f"{name}_us": round(us, 1) for name, us in cpu_us.items()},
    }
