"""The writer killed, or its engines gone, at the worst moments: nothing is lost, nothing is stored twice.

No switches in the writer: a row lock in PostgreSQL holds it between COPY and COMMIT, and a proxy that will not pass
its acknowledgement holds it between COMMIT and XACK.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from flusher_bed import append, click, connect, drain, entries, flusher, rows, store, value

from schema import keys
from schema.settings import Settings


def until(is_so: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def check_stored_once(settings: Settings, clicks: int) -> None:
    assert value(settings, "SELECT count(*) FROM clicks") == clicks
    assert value(settings, "SELECT count(DISTINCT click_id) FROM clicks") == clicks
    assert value(settings, "SELECT sum(clicks_stored)::int FROM writer_watermarks") == clicks
    assert value(settings, "SELECT count(*) FROM cookies") == clicks
    assert entries(settings) == 0
    with connect(settings) as client:
        assert client.xpending(keys.clicks(0), keys.FLUSHER_GROUP)["pending"] == 0


def test_killed_between_copy_and_commit(settings: Settings) -> None:
    store(settings, click())
    lock = subprocess.Popen(
        [sys.executable, "-c", LOCK_WATERMARK, str(settings.database_url)], stdout=subprocess.PIPE
    )
    assert lock.stdout is not None
    assert lock.stdout.readline() == b"locked\n"
    append(settings, *(click() for _ in range(300)))
    waiting = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND query LIKE '%writer_watermarks%' AND pid <> pg_backend_pid()"""
    with flusher(settings) as process:
        until(lambda: value(settings, waiting))
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
    lock.kill()
    lock.wait(timeout=10)
    lock.stdout.close()
    until(lambda: value(settings, waiting) == 0)
    assert value(settings, "SELECT count(*) FROM clicks") == 1
    drain(settings)
    check_stored_once(settings, 301)


LOCK_WATERMARK = """
import asyncio, asyncpg, sys
async def hold():
    connection = await asyncpg.connect(sys.argv[1])
    async with connection.transaction():
        await connection.execute("SELECT FROM writer_watermarks WHERE shard = 0 FOR UPDATE")
        sys.stdout.write("locked\\n")
        sys.stdout.flush()
        await asyncio.sleep(60)
asyncio.run(hold())
"""


class Proxy:
    """Passes TCP on to Redis until told otherwise: `hold_at` withholds from those bytes on, `cut` hangs up."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        user, at, _ = parts.netloc.rpartition("@")
        port = self._listener.getsockname()[1]
        self.url = parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
        self.hold_at: bytes | None = None
        self.held = threading.Event()
        self.is_refusing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Hang up on everybody, and on all who come, until `is_refusing` is reset."""
        self.is_refusing = True
        for end in self._open:
            _shut(end)

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.is_refusing:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._open += [near, far]
            threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_watched: bool) -> None:
        try:
            while chunk := source.recv(65_536):
                if is_watched and self.hold_at is not None and self.hold_at in chunk:
                    self.held.set()
                    return
                sink.sendall(chunk)
        except OSError:
            pass
        _shut(sink)


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        end.close()


@pytest.fixture
def proxy(settings: Settings) -> Iterator[Proxy]:
    made = Proxy(str(settings.redis_url))
    yield made
    made.close()


def test_killed_between_commit_and_acknowledgement(settings: Settings, proxy: Proxy) -> None:
    append(settings, *(click() for _ in range(300)))
    proxy.hold_at = b"XDEL"
    with flusher(settings, proxy.url) as process:
        assert proxy.held.wait(30)
        assert value(settings, "SELECT count(*) FROM clicks") == 300
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
    assert entries(settings) == 1
    append(settings, *(click() for _ in range(10)))
    drain(settings)
    check_stored_once(settings, 310)


def test_redis_away_and_back(settings: Settings, proxy: Proxy) -> None:
    with flusher(settings, proxy.url) as process:
        append(settings, click())
        until(lambda: entries(settings) == 0)
        for _ in range(2):
            proxy.cut()
            append(settings, *(click() for _ in range(20)))
            time.sleep(0.5)
            proxy.is_refusing = False
            until(lambda: entries(settings) == 0)
        assert process.poll() is None
    check_stored_once(settings, 41)


def test_postgresql_away_and_back(settings: Settings, engines: object) -> None:
    database = urlsplit(str(settings.database_url)).path.strip("/")
    server = settings.model_copy(update={"database_url": getattr(engines, "database_url")})  # noqa: B009
    with flusher(settings.model_copy(), None) as process:
        append(settings, click())
        until(lambda: entries(settings) == 0)
        rows(server, f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        rows(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database)
        for _ in range(20):
            append(settings, click())
            time.sleep(0.05)
        assert entries(settings) == 20
        rows(server, f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
        until(lambda: entries(settings) == 0)
        assert process.poll() is None
    check_stored_once(settings, 21)


def test_told_to_stop_it_drains_first(settings: Settings) -> None:
    with flusher(settings) as process:
        append(settings, click())
        until(lambda: entries(settings) == 0)
        for _ in range(50):
            append(settings, *(click() for _ in range(20)))
        process.terminate()
        assert process.wait(timeout=20) == 0
    check_stored_once(settings, 1_001)
