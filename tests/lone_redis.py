"""A Redis of a test's own, to be killed, frozen, filled and started again without anybody else noticing.

It is the embedded Valkey, or Debian's redis-server where the suite runs against named servers.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from clickledger.engines.binaries import valkey_program
from clickledger.engines.engine import free_port


class LoneRedis:
    """One server process with an append-only file in `directory`; the port stays the same over restarts."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        named = bool(os.environ.get("CLICKLEDGER_TEST_REDIS_URL"))
        self._program = (shutil.which("redis-server") if named else None) or valkey_program()
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it (again) and wait until it answers."""
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self._directory,
            "appendonly": "yes",
            "save": "",
        }
        arguments = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen([self._program, *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
                return self.process
            except redis.RedisError:
                time.sleep(0.02)
        raise AssertionError("Redis did not start")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(timeout=10)

    def freeze(self) -> None:
        """It holds its connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self.process.send_signal(signal.SIGCONT)

    def lose_everything(self) -> None:
        """Killed, and its disk with it."""
        self.kill()
        shutil.rmtree(self._directory)
        self._directory.mkdir()


@contextmanager
def lone_redis(directory: Path) -> Iterator[LoneRedis]:
    """One that is gone at the end of the block."""
    server = LoneRedis(directory)
    try:
        yield server
    finally:
        server.thaw()
        if server.process.poll() is None:
            server.kill()
