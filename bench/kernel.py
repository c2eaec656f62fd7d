"""What the kernel knows about a process: the CPU time it and its children used, and its memory."""

from __future__ import annotations

import os
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its descendants, ended ones included; 10 ms fine."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    ticks = sum(
        map(int, stat.rpartition(") ")[2].split()[11:15])
    )  # utime, stime, and those of reaped children
    return ticks * _TICK_S + sum(map(cpu_seconds, children(pid)))


def children(pid: int) -> list[int]:
    """Processes it started that run now."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def parent(pid: int) -> int:
    """The process that started it."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


def memory_mb(pid: int) -> float:
    """Resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
