"""The system under test as the benches start it: Redis, a door, the writer, each a process on a core of choice; the
links they serve, and the account of the clicks they kept.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import redis

from bench.baselines import Server, await_server, pinned
from bench.flush import empty
from bench.kernel import parent
from clickledger.engines.data_dir import DataDir
from clickledger.engines.embedded import running_engines
from schema import keys
from schema.events import FIELD_BLOCK, decode_block
from schema.links import PublishedLink, encode_link
from schema.migrate import migrate
from schema.queries import load_queries

SQL = load_queries("bench", "system.sql")

SHARDS = 2
Engines = tuple[str, str]
"""A database URL and a Redis URL, both on this machine, to use and fill instead of embedded ones."""
PUBLISHED_AT_ONCE = 10_000
SPOOL_S_MAX = 30.0


class Redis(NamedTuple):
    """A running Redis: its address, and the process whose CPU time counts."""

    url: str
    pid: int


def cores() -> tuple[int | None, int | None]:
    """One core for the server, another for everything else; None where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[1]) if len(available) > 1 else (None, None)


@contextmanager
def embedded_redis(folder: Path, core: int | None) -> Iterator[Redis]:
    """The embedded Valkey alone, durable as in production, on one core."""
    _, valkey = DataDir(folder / "engines").engines(is_durable=True)
    valkey.home.parent.mkdir(parents=True, exist_ok=True)
    process = valkey.start()
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    try:
        yield Redis(valkey.url, process.pid)
    finally:
        valkey.stop(process)


@contextmanager
def door(redis_url: str, folder: Path, core: int | None, front_end: str = "fast") -> Iterator[Server]:
    """One door process that is ready."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2048)
        descriptor = listening.fileno()
        command = [sys.executable, "-m", "clickledger.child", "door", "--data-dir", str(folder / "door")]
        settings = {
            "CLICKLEDGER_REDIS_URL": redis_url,
            "CLICKLEDGER_STREAM_SHARDS": str(SHARDS),
            "CLICKLEDGER_LOG_LEVEL": "error",
            "CLICKLEDGER_FRONT_END": front_end,
        }
        command += ["--fd", str(descriptor)]
        with pinned(command, core, pass_fds=(descriptor,), env=os.environ | settings) as process:
            port = listening.getsockname()[1]
            await_server(port, "/-/readyz")
            yield Server(f"http://127.0.0.1:{port}", process.pid)


def publish_links(redis_url: str, links: int) -> None:
    """`l0` … as the publisher would, and their bare destinations for the servers we compare with."""
    with redis.Redis.from_url(redis_url) as client:
        for first in range(0, links, PUBLISHED_AT_ONCE):
            values: dict[str, bytes | str] = {}
            for number in range(first, min(first + PUBLISHED_AT_ONCE, links)):
                destination = f"https://shop.example/p/{number}?utm_source=partner"
                link = PublishedLink(
                    link_id=number + 1, code=f"l{number}", destination=destination, partner_id=1, campaign_id=1,
                    campaign_version_id=1,
                )  # fmt: skip
                values[keys.link(link.code)] = encode_link(link)
                values[f"destination:{link.code}"] = destination
            client.mset(values)
        client.set(keys.PUBLISHED, time.time_ns() // 1_000_000)


def await_spool(folder: Path) -> None:
    """Until what Redis did not take in time has come home: on a busy machine the spool is part of the way."""
    deadline = time.monotonic() + SPOOL_S_MAX
    while any((folder / "door").glob("spool*/*.spool")) and time.monotonic() < deadline:
        time.sleep(0.05)


def take_clicks(redis_url: str) -> int:
    """Count the distinct clicks in the doors' streams, and empty them."""
    seen: set[int] = set()
    with redis.Redis.from_url(redis_url) as client:
        for shard in range(SHARDS):
            for payload in payloads_of(client, keys.clicks(shard)):
                seen.update(click.click_id for click in decode_block(payload)[0])
            client.unlink(keys.clicks(shard))
    return len(seen)


def payloads_of(client: Any, stream: str) -> Iterator[bytes]:
    """Every block of a stream, read in pages."""
    last = b"-"
    while page := client.xrange(stream, last, count=1000):
        for entry_id, fields in page:
            yield fields[FIELD_BLOCK]
            last = b"(" + entry_id


def take_entries(redis_url: str, stream: str) -> int:
    """The same for a server that appends one entry a click."""
    with redis.Redis.from_url(redis_url) as client:
        entries = int(client.xlen(stream))
        client.unlink(stream)
    return entries


class Whole(NamedTuple):
    """Both engines, a migrated ledger that knows the partners of the sample clicks, and where files go."""

    database_url: str
    postgres_pid: int
    redis: Redis
    folder: Path

    def pids(self) -> dict[str, int]:
        """The engines' processes."""
        return {"postgres": self.postgres_pid, "redis": self.redis.pid}


@contextmanager
def whole(engines: Engines | None = None) -> Iterator[Whole]:
    """The embedded engines, durable as in production, in a folder that is gone afterwards; or those named."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if engines is None:
            embedded = stack.enter_context(running_engines(folder, is_durable=True))
            engines = (embedded.postgres.url, embedded.valkey.url)
        database_url, redis_url = engines
        postgres_pid = asyncio.run(_make_ledger(database_url))
        with redis.Redis.from_url(redis_url) as client:
            redis_pid = int(client.info("server")["process_id"])
        yield Whole(database_url, postgres_pid, Redis(redis_url, redis_pid), folder)


async def _make_ledger(database_url: str) -> int:
    """Tables for the sample clicks; the process whose children are PostgreSQL's sessions."""
    await asyncio.to_thread(migrate, database_url)
    connection = await asyncpg.connect(database_url)
    await empty(connection)
    postgres_pid = parent(await connection.fetchval(SQL["session_pid"]))
    await connection.close()
    return postgres_pid


@contextmanager
def writer(system: Whole) -> Iterator[int]:
    """The writer's process, at work; its number."""
    settings = {
        "CLICKLEDGER_DATABASE_URL": system.database_url,
        "CLICKLEDGER_REDIS_URL": system.redis.url,
        "CLICKLEDGER_STREAM_SHARDS": str(SHARDS),
        "CLICKLEDGER_LOG_LEVEL": "error",
    }
    command = [
        sys.executable,
        "-m",
        "clickledger.child",
        "flusher",
        "--data-dir",
        str(system.folder / "writer"),
    ]
    with pinned(command, None, env=os.environ | settings) as process:
        yield process.pid


class Stored:
    """How many clicks are in PostgreSQL, asked over one connection."""

    def __init__(self, database_url: str) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(asyncpg.connect(database_url))

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._connection.close())
        self._runner.close()

    def count(self) -> int:
        """Now, as the writer's watermarks say."""
        return int(self._runner.run(self._connection.fetchval(SQL["count_stored"])))

    def run(self, block: str, *values: object) -> None:
        """Run a block of `system.sql`."""
        self._runner.run(self._connection.execute(SQL[block], *values, timeout=3_600))

    def wait_for(self, clicks: int, seconds_max: float = 600.0) -> float:
        """Until so many are stored; how long that took. Raises TimeoutError."""
        started = time.perf_counter()
        while self.count() < clicks:
            if time.perf_counter() - started > seconds_max:
                raise TimeoutError(f"{self.count()} of {clicks} clicks stored")
            time.sleep(0.02)
        return time.perf_counter() - started
