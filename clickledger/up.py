"""`clickledger up`: the whole system on one machine.

Comes in: settings and a data directory that is already ours. It takes the ports, starts the engines that no
setting names and the doors between them, migrates, starts the other rooms, says where they are, and keeps them
running until Ctrl-C or SIGTERM, which drains and stops everything: door, writer, attributor, publisher, API, engines.
"""

from __future__ import annotations

import socket
import time

import structlog
from rich.console import Console

from clickledger import __version__
from clickledger.engines.data_dir import DataDir, addresses
from clickledger.engines.embedded import make_database
from clickledger.engines.engine import STOP_SECONDS_MAX, Engine
from clickledger.engines.postgres import Postgres
from clickledger.engines.valkey import Valkey
from clickledger.errors import StartError
from clickledger.first_start import first_admin_key, migrate_patiently
from clickledger.metrics_server import serve_metrics
from clickledger.ports import answers, listen, local
from clickledger.rooms import ENGINE_STAGE, door_workers, room
from clickledger.spawn import trim_log
from clickledger.stopping import StopRequest
from clickledger.supervisor import Child, Supervisor
from schema.settings import Settings

READY_SECONDS_MAX = 30.0
LOG_TRIM_SECONDS = 60.0
LOOPBACK = ("127.0.0.1", "::1")
"""Where demo visits come from; trusted as a proxy during a demo, so that their made-up addresses count."""

_log = structlog.get_logger()


class Up:
    """One running system. `directory` must be locked and free of leftovers."""

    def __init__(self, settings: Settings, directory: DataDir, console: Console) -> None:
        self.settings = settings
        self.directory = directory
        self.console = console
        self.door: socket.socket | None = None
        self.request = StopRequest()
        self.supervisor = Supervisor(on_pids=lambda pids: directory.write({"pids": pids}))
        self._trim_at = 0.0

    def run(self, *, is_sample: bool, is_demo: bool) -> None:
        """Until stopped. Raises StartError where something is in the way; nothing is left running then."""
        if is_demo:
            trusted = (*self.settings.trusted_proxies, *LOOPBACK)
            self.settings = self.settings.model_copy(update={"trusted_proxies": trusted})
        try:
            self._take_ports()
            self._start_engines_and_doors()
            self._migrate()
            links = self._load_sample() if is_sample or is_demo else []
            self._start_rooms(is_demo=is_demo)
            self._greet(links)
            self.request.only_note()
            self.supervisor.watch(self.request.is_asked, self._trim_logs)
        except KeyboardInterrupt:
            pass
        finally:
            self.request.only_note()
            if self.door is not None:
                self.door.close()
            self.supervisor.stop(self.request.is_hurried)

    def _take_ports(self) -> None:
        """Every port, or a clear sentence, before anything is started. The API's is only tried."""
        given = self.settings
        serve_metrics(given.metrics_port)
        listen(given.host, given.api_port, "CLICKLEDGER_API_PORT").close()
        self.door = listen(given.host, given.port, "CLICKLEDGER_PORT")

    def _start_engines_and_doors(self) -> None:
        """Redis and the doors first: nobody who clicks waits for PostgreSQL to be made, recovered or migrated."""
        assert self.door is not None
        postgres, valkey = self._choose_engines()
        if valkey is not None:
            self._start_engine(valkey)
        for child in door_workers(self.settings, self.directory.path, self.door):
            self.supervisor.start(child)
        if postgres is not None:
            self._start_engine(postgres)
            make_database(postgres)

    def _choose_engines(self) -> tuple[Postgres | None, Valkey | None]:
        """Those no setting names; afterwards the settings and the directory name both servers."""
        own_postgres, own_valkey = self.directory.engines()
        postgres = own_postgres if self.settings.database_url is None else None
        valkey = own_valkey if self.settings.redis_url is None else None
        engines = tuple(engine for engine in (postgres, valkey) if engine is not None)
        versions = {engine.name: engine.version() for engine in engines}
        found = addresses(engines)
        self.directory.write({"database_url": None, "redis_url": None, "versions": versions} | found)
        self.settings = self.settings.model_copy(update=found)
        return postgres, valkey

    def _start_engine(self, engine: Engine) -> None:
        child = Child(engine.name, engine.launch, ENGINE_STAGE, engine.stop_signal, STOP_SECONDS_MAX)
        self.supervisor.adopt(child, engine.start())

    def _migrate(self) -> None:
        assert self.settings.database_url is not None
        migrate_patiently(self.settings.database_url)

    def _load_sample(self) -> list[str]:
        from clickledger.sample import load_sample

        return load_sample(self.settings)

    def _start_rooms(self, *, is_demo: bool) -> None:
        for name in ("api", "flusher", "publisher", "attributor", *(("demo",) if is_demo else ())):
            self.supervisor.start(room(name, self.settings, self.directory.path))
        self._await("door", self.settings.port, "/-/healthz", "door-0")
        self._await("API", self.settings.api_port, "/-/readyz", "api")

    def _await(self, what: str, port: int, path: str, log: str) -> None:
        """Return when the room answers; it may be restarted meanwhile."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        self.supervisor.watch(lambda: answers(self.settings.host, port, path) or time.monotonic() > deadline)
        if time.monotonic() > deadline:
            file = self.directory.path / "logs" / f"{log}.log"
            raise StartError(
                f"The {what} did not become ready in {READY_SECONDS_MAX:.0f} s; its log is {file}."
            )

    def _greet(self, links: list[str]) -> None:
        """Say where everything is. The first key is made only now: it is shown once, and a start may fail."""
        assert self.settings.database_url is not None
        key = first_admin_key(self.settings.database_url)
        api = f"http://{local(self.settings.host)}:{self.settings.api_port}"
        lines = [
            f"Clickledger {__version__} is running; Ctrl-C stops it.",
            f"  door      {self.settings.door_url}/",
            f"  API       {api}/  (documentation at {api}/docs)",
        ]
        if self.settings.metrics_port:
            lines.append(f"  metrics   http://127.0.0.1:{self.settings.metrics_port}/metrics")
        lines.append(f"  data      {self.directory.path}  (logs in logs/)")
        if key:
            lines.append(f"  admin key {key}  (shown this once: keep it)")
        if links:
            lines += ["Links to click:", *(f"  {link}" for link in links)]
        self.console.print("\n".join(lines))

    def _trim_logs(self) -> None:
        if time.monotonic() >= self._trim_at:
            self._trim_at = time.monotonic() + LOG_TRIM_SECONDS
            for log in (self.directory.path / "logs").glob("*.log"):
                trim_log(log)
