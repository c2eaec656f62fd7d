"""The data directory: who holds it, what version it is, and where its engines can be found.

`clickledger up` opens it, holds its lock until it ends (the kernel lets go even after SIGKILL), and writes
`engines.json`, readable by its owner only, from which every other command learns the addresses. Layout: `postgres/`,
`valkey/`, `spool/`, `logs/`, `metrics/`, `lock`, `engines.json`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import Any

import orjson

from clickledger.engines.engine import Engine, free_port
from clickledger.engines.postgres import Postgres
from clickledger.engines.valkey import Valkey
from clickledger.errors import StartError
from schema.settings import ENGINES_FILE

LAYOUT = 1
"""Raised when an older clickledger could no longer read the directory."""


class DataDir:
    """An opened data directory. Its path is absolute and free of symbolic links."""

    def __init__(self, path: Path) -> None:
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path = path.resolve()
            self.path.chmod(0o700)
            (self.path / "logs").mkdir(exist_ok=True)
        except OSError as error:
            raise StartError(f"The data directory {path} cannot be used: {error.strerror}.") from error
        self._lock: int | None = None

    def lock(self) -> None:
        """Hold the directory until this process ends. Raises StartError when another process holds it."""
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.unlock()
            raise StartError(f"Another clickledger is running in {self.path}: stop it first.") from error

    def unlock(self) -> None:
        """Let go of the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def engines(self, *, is_durable: bool = True) -> tuple[Postgres, Valkey]:
        """Both engines on their old ports where those are free, with their old passwords or new ones."""
        known = self.read()
        if known.get("layout", LAYOUT) > LAYOUT:
            raise StartError(f"{self.path} was made by a newer clickledger: use that one.")
        password = str(known.get("password") or secrets.token_urlsafe(24))
        postgres = Postgres(self.path, free_port(known.get("postgres_port")), password, is_durable=is_durable)
        valkey = Valkey(self.path, free_port(known.get("valkey_port")), password, is_durable=is_durable)
        # written before the first start: a kill between initdb and the file would lose the password
        self.write({"password": password, "postgres_port": postgres.port, "valkey_port": valkey.port})
        return postgres, valkey

    def read(self) -> dict[str, Any]:
        """What `engines.json` says, or nothing."""
        try:
            return dict(orjson.loads((self.path / ENGINES_FILE).read_bytes()))
        except (OSError, orjson.JSONDecodeError, ValueError):
            return {}

    def write(self, changes: dict[str, Any]) -> None:
        """Change entries of `engines.json`; an entry set to None goes away. Never leaves half a file."""
        entries = {"layout": LAYOUT} | self.read() | changes
        unfinished = self.path / f"{ENGINES_FILE}.unfinished"
        with contextlib.suppress(FileNotFoundError):
            unfinished.unlink()
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            kept = {name: value for name, value in entries.items() if value is not None}
            file.write(orjson.dumps(kept, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.path / ENGINES_FILE)


def addresses(engines: tuple[Engine, ...]) -> dict[str, str]:
    """The settings these engines answer, by name."""
    names = {"CLICKLEDGER_DATABASE_URL": "database_url", "CLICKLEDGER_REDIS_URL": "redis_url"}
    return {names[engine.setting]: engine.url for engine in engines}
