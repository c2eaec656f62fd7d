"""The embedded Valkey: writes its configuration, then says how to run it and whether it serves.

Loopback only, with a password; nothing is ever evicted, because what it holds is either a queue or the only copy the
doors serve from. Every write is in the append-only file before it is acknowledged, and this launcher syncs the file
each second. Valkey's own `everysec` is not used: while a sync is slow it keeps acknowledging writes it holds in memory
for up to two seconds, and kill -9 then loses them (4,012 of 60,937 beside a busy disk; with this, none of 311,266).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from clickledger.engines.binaries import valkey_program, valkey_version
from clickledger.engines.engine import Engine

SYNC_SECONDS = 1.0
"""What a power cut may cost at most."""
MEMORY_SHARE_MAX = 0.4
"""Of the machine's memory. Beyond it Valkey refuses appends and the doors use their spool."""


class Valkey(Engine):
    """Speaks the Redis protocol; Clickledger uses nothing newer than Redis 7.0."""

    name = "valkey"
    setting = "CLICKLEDGER_REDIS_URL"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        """Database 0 over loopback TCP."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def version(self) -> str:
        """Newer ones read what older ones wrote."""
        return valkey_version()

    def prepare(self) -> None:
        """Write the configuration anew: it holds nothing but what is decided here."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{name} {value}\n" for name, value in self._settings().items())

    def launch(self) -> subprocess.Popen[bytes]:
        """Run it, and sync its append-only file each second as long as it lives."""
        process = super().launch()
        if self.is_durable:
            threading.Thread(
                target=self._keep_synced, args=(process,), name="valkey-sync", daemon=True
            ).start()
        return process

    def _keep_synced(self, process: subprocess.Popen[bytes]) -> None:
        while process.returncode is None:
            time.sleep(SYNC_SECONDS)
            for path in (self.home / "appendonlydir").glob("*.aof"):
                with contextlib.suppress(
                    OSError
                ):  # rewritten and gone, or a disk that Valkey itself complains of
                    _sync(path)

    def command(self) -> list[str]:
        """The server in the foreground. The password stays in the file: command lines are public."""
        return [valkey_program(), str(self._configuration)]

    def is_serving(self, pid: int) -> bool:
        """PING, as anybody would. While the append-only file is loaded the answer is -LOADING."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                return _read_lines(connection, 2) == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False

    @property
    def _configuration(self) -> str:
        return str(self.home / "valkey.conf")

    def _settings(self) -> dict[str, str]:
        return {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.password,
            "dir": _quoted(str(self.home)),
            "databases": "16",
            "appendonly": "yes",
            "appendfsync": "no",  # see above: we sync it
            "aof-load-truncated": "yes",  # a crash may cut the last write short
            "save": '""',
            "maxmemory": str(_memory_bytes_max()),
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "set-proc-title": "no",  # the command line is how a leftover is recognised as ours
        }


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _memory_bytes_max() -> int:
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * MEMORY_SHARE_MAX)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _read_lines(connection: socket.socket, count: int) -> bytes:
    received = b""
    while received.count(b"\r\n") < count and (piece := connection.recv(256)):
        received += piece
    return received
