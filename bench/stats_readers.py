"""Readers of the stats bench: so many at once, each asking again as soon as it has its answer, over connections kept open.

What they wait is told by percentiles; what it costs by the processor time of the API and of PostgreSQL, which says more
than a clock where other work shares the machine.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from bench.stats_data import SQL

READERS = 8
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Asked:
    """Where the API is, its process, and a connection to look for PostgreSQL's."""

    def __init__(self, port: int, key: str, pid: int, connection: asyncpg.Connection) -> None:
        self._port = port
        self._key = key
        self._pid = pid
        self._connection = connection

    async def measure(self, path: str, seconds: float, readers: int = READERS) -> dict[str, Any]:
        """Milliseconds waited and worked for an answer; `{reader}` in the path is the number of a reader from 1 on."""
        await self._ask(path, min(seconds, 1.0), readers)
        backends = [row["pid"] for row in await self._connection.fetch(SQL["api_backends"])]
        api_s, postgres_s = _cpu_s([self._pid]), _cpu_s(backends)
        taken = await self._ask(path, seconds, readers)
        return {
            "answers": len(taken),
            "p50_ms": round(percentile(taken, 50), 1),
            "p99_ms": round(percentile(taken, 99), 1),
            "api_cpu_ms": round((_cpu_s([self._pid]) - api_s) * 1000 / len(taken), 2),
            "postgresql_cpu_ms": round((_cpu_s(backends) - postgres_s) * 1000 / len(taken), 2),
        }

    async def _ask(self, path: str, seconds: float, readers: int) -> list[float]:
        ends = time.perf_counter() + seconds
        each = (self._read(path.format(reader=number), ends) for number in range(1, readers + 1))
        return [milliseconds for one in await asyncio.gather(*each) for milliseconds in one]

    async def _read(self, path: str, ends: float) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        request = f"GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {self._key}\r\n\r\n".encode()
        taken: list[float] = []
        while not taken or time.perf_counter() < ends:
            started = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            taken.append((time.perf_counter() - started) * 1000)
        writer.close()
        return taken


def percentile(taken: Sequence[float], place: int) -> float:
    """The value that `place` of a hundred do not exceed."""
    return sorted(taken)[min(len(taken) - 1, len(taken) * place // 100)]


def _cpu_s(pids: Sequence[int]) -> float:
    """Seconds these processes have worked, user and system; 0 for what does not run on this machine."""
    return sum(_cpu_of(pid) for pid in pids)


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
