"""What a door takes: from its process's start to its first good answer, and its memory with a million links known and a
hundred thousand of them asked for.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.generator import Asked, saturate
from bench.kernel import cpu_seconds, memory_mb
from bench.system import cores, door, embedded_redis, publish_links, take_clicks

BARS = {"ready_s": 1.0, "memory_mb": 300.0}
"""A door shall be ready in less time, and take less memory."""


def run(links: int = 1_000_000, hot: int = 100_000, starts: int = 5, seconds: float = 5.0) -> dict[str, Any]:
    """Measure; `hot` links are asked for in turn until each has been at least twice."""
    core, other_core = cores()
    ready_s: list[float] = []
    ready_cpu_s: list[float] = []
    with tempfile.TemporaryDirectory() as name, embedded_redis(Path(name), other_core) as store:
        publish_links(store.url, links)
        while len(ready_s) < starts:
            started = time.perf_counter()
            with door(store.url, Path(name) / str(len(ready_s)), core) as server:
                ready_s.append(time.perf_counter() - started)
                ready_cpu_s.append(cpu_seconds(server.pid))
                at_start_mb = memory_mb(server.pid)
                if len(ready_s) == starts:
                    answered = _ask_twice(server.url, store.url, hot, seconds, other_core)
                    serving_mb = memory_mb(server.pid)
    return {
        "links": links,
        "hot": hot,
        "starts": starts,
        "ready_s": round(statistics.median(ready_s), 3),
        "ready_cpu_s": round(statistics.median(ready_cpu_s), 2),
        "memory_at_start_mb": round(at_start_mb, 1),
        "memory_mb": round(serving_mb, 1),
        "answered": answered,
        "bars": BARS,
    }


def _ask_twice(url: str, redis_url: str, hot: int, seconds: float, core: int | None) -> int:
    """Ask for every hot link twice or more; how many requests that were."""
    answered = 0
    while answered < 2 * hot:
        answered += saturate(url, Asked(hot), seconds=seconds, connections=64, core=core).answered
        take_clicks(redis_url)
    return answered
