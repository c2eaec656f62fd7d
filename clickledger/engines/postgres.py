"""The embedded PostgreSQL: makes its data directory once, then says how to run it and whether it serves.

It listens on 127.0.0.1 and, where the path is short enough, on a socket inside the data directory; both want the
SCRAM password. All settings are on the command line, so a data directory holds data and nothing to maintain.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from clickledger.engines.binaries import postgres_owner, postgres_prefix, postgres_program, postgres_version
from clickledger.engines.engine import Engine
from clickledger.errors import StartError

USER = "clickledger"
DATABASE = "clickledger"
SOCKET_PATH_BYTES_MAX = 107
"""`sun_path` of unix(7) without its closing NUL."""

_SETTINGS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",  # statements here are short; compiling them costs more than it saves
    "log_line_prefix": "%m [%p] %a ",
    "log_checkpoints": "off",
    "password_encryption": "scram-sha-256",
}


class Postgres(Engine):
    """Its data directory holds data only: settings are on the command line."""

    name = "postgres"
    setting = "CLICKLEDGER_DATABASE_URL"
    stop_signal = signal.SIGINT  # fast shutdown: ends sessions, writes a checkpoint

    @property
    def url(self) -> str:
        """As the owner of everything, over loopback TCP."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The same for another database of this server."""
        # saying that there is no TLS saves its handshake, and drivers from looking for keys in a home not theirs
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def version(self) -> str:
        """Its first number is what a data directory depends on."""
        return postgres_version()

    def prepare(self) -> None:
        """Run initdb unless that was done; refuse the data of another major version."""
        version_file = self.home / "PG_VERSION"
        if not version_file.exists():
            self._initialise()
        found, ours = version_file.read_text().strip(), self.version().split(".")[0]
        if found != ours:
            raise StartError(
                f"{self.home} was made by PostgreSQL {found} and the embedded one is {ours}: "
                f"dump it with the clickledger version that made it, or name a server in {self.setting}."
            )
        self._take_ownership()
        self._forget_reused_pid()

    def command(self) -> list[str]:
        """The postmaster in the foreground."""
        settings = _SETTINGS | {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": self._socket_directory(),
        }
        if not self.is_durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        pairs = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*postgres_prefix(), postgres_program("postgres"), "-D", str(self.home), *pairs]

    def is_serving(self, pid: int) -> bool:
        """What pg_ctl looks at: line 1 of postmaster.pid is the process, line 8 its state."""
        lines = self._pid_file_lines()
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def _initialise(self) -> None:
        """initdb into a temporary name, then rename: a kill half-way leaves nothing that looks finished."""
        unfinished = self.home.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, postgres_owner(), -1)
        self.log.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=unfinished.parent) as secret, self.log.open("ab") as log:
            secret.write(self.password)
            secret.flush()
            os.chown(secret.name, postgres_owner(), -1)
            done = subprocess.run(
                self._initdb(unfinished, secret.name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                check=False,
            )
        if done.returncode != 0:
            raise StartError(f"The embedded postgres could not make its files; its log is {self.log}.")
        unfinished.rename(self.home)

    def _initdb(self, into: Path, password_file: str) -> list[str]:
        options = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += ["--auth=scram-sha-256", "--data-checksums", f"--pwfile={password_file}"]
        # one sync of the file system instead of one for each of a thousand files
        options += ["--sync-method=syncfs"] if self.is_durable else ["--no-sync"]
        initdb = postgres_program("initdb")
        return [*postgres_prefix(), initdb, "-D", str(into), "-U", USER, *options]

    def _socket_directory(self) -> str:
        """The data directory, or '' (TCP only) where its path would not fit or would be read as a list."""
        path = f"{self.home}/.s.PGSQL.{self.port}"
        fits = len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX and not set(path) & set(",\"'\\")
        return str(self.home) if fits else ""

    def _take_ownership(self) -> None:
        """Root may run it in a namespace today and as `nobody` tomorrow: the owner must follow."""
        owner = postgres_owner()
        if os.geteuid() == 0 and self.home.stat().st_uid != owner:
            for path in (self.home, *self.home.rglob("*")):
                os.chown(path, owner, -1, follow_symlinks=False)

    def _forget_reused_pid(self) -> None:
        """Remove lock files left by a crash when their number now belongs to another program or a process not reaped yet.

        PostgreSQL would take that program for itself and refuse. Where the number is free, or the process is a
        PostgreSQL of this directory, the file stays and PostgreSQL judges it, shared memory included.
        """
        lines = self._pid_file_lines()
        if lines and not _is_postgres_in(self.home, lines[0].strip()):
            for lock in (self.home / "postmaster.pid", *self.home.glob(".s.PGSQL.*.lock")):
                lock.unlink(missing_ok=True)

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.home / "postmaster.pid").read_text().split("\n")
        except OSError:
            return []


def _is_postgres_in(home: Path, pid: str) -> bool:
    process = Path("/proc") / pid
    try:
        return not process.exists() or process.joinpath("cwd").readlink() == home
    except OSError:
        return False
