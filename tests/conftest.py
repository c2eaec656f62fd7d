"""The engines every test may ask for, one fresh database and one empty Redis per test, and whole systems.

Embedded engines are started once per test process, unless CLICKLEDGER_TEST_DATABASE_URL (a superuser's) and
CLICKLEDGER_TEST_REDIS_URL name servers. The schema is migrated once a run, on embedded engines; a test gets a copy of
the database, a system a copy of the whole data directory.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis

from clickledger.engines.data_dir import DataDir
from clickledger.engines.embedded import running_engines
from clickledger.engines.engine import free_port
from clickledger.engines.postgres import DATABASE
from schema.settings import Settings
from tests.running_system import Up

MEMORY = Path("/dev/shm")
MEMORY_FREE_MIN = 6 << 30
_NAMED_DATABASE = os.environ.get("CLICKLEDGER_TEST_DATABASE_URL")
_NAMED_REDIS = os.environ.get("CLICKLEDGER_TEST_REDIS_URL")
_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Directories of tests are made in memory where there is plenty.

    A thousand databases made and dropped on ext4 leave it looking for inodes that were not deleted lately: after some
    minutes nine tenths of the processors' time went there.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_FREE_MIN:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


class Engines(NamedTuple):
    """The servers of this test process: where databases are made, and its own Redis database."""

    database_url: str
    redis_url: str


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own CLICKLEDGER_* variables must not reach what is tested."""
    for name in [name for name in os.environ if name.startswith("CLICKLEDGER_")]:
        if not name.startswith("CLICKLEDGER_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def first_directory(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A data directory as the first start leaves it, but without a key: made once a run, for all test processes."""
    from schema.migrate import migrate

    base = tmp_path_factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / "first_directory"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            unfinished = place.with_suffix(".unfinished")
            with running_engines(unfinished, is_durable=False) as embedded:
                migrate(embedded.postgres.url)
            # a copy finds ports of its own
            DataDir(unfinished).write({"postgres_port": None, "valkey_port": None})
            unfinished.rename(place)
    return place


@pytest.fixture(scope="session")
def engines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Engines]:
    """Named servers, or embedded ones that skip every sync."""
    if _NAMED_DATABASE and _NAMED_REDIS:
        number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
        yield Engines(_NAMED_DATABASE, _redis_database(_NAMED_REDIS, number))
        return
    place = tmp_path_factory.mktemp("engines") / "data"
    shutil.copytree(request.getfixturevalue("first_directory"), place)
    with running_engines(place, is_durable=False) as embedded:
        yield Engines(embedded.postgres.url_of("postgres"), embedded.valkey.url)


@pytest.fixture(scope="session")
def migrated_template(engines: Engines) -> Iterator[str]:
    """The name of a migrated database, copied for each test."""
    if not (_NAMED_DATABASE and _NAMED_REDIS):
        yield DATABASE
        return
    from schema.migrate import migrate

    name = f"clickledger_template_{os.getpid()}"
    _run_sql(engines.database_url, f'CREATE DATABASE "{name}"')
    migrate(_with_database(engines.database_url, name))
    yield name
    _run_sql(engines.database_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def empty_database_url(engines: Engines) -> Iterator[str]:
    """A database with nothing in it."""
    yield from _database(engines.database_url, "template1")


@pytest.fixture
def database_url(engines: Engines, migrated_template: str) -> Iterator[str]:
    """A freshly migrated database of this test alone."""
    yield from _database(engines.database_url, migrated_template)


@pytest.fixture
def redis_url(engines: Engines) -> str:
    """An empty Redis database."""
    with redis.Redis.from_url(engines.redis_url) as client:
        client.flushdb()
    return engines.redis_url


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings for one test: its database, its Redis, its directory, free ports."""
    return Settings(
        _env_file=None,
        database_url=database_url,
        redis_url=redis_url,
        data_dir=tmp_path,
        port=free_port(),
        api_port=free_port(),
        metrics_port=free_port(),
    )


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Up]:
    """A whole `clickledger up`, started, on embedded engines of its own or on the named servers."""
    yield from _started(_prepared(request, tmp_path / "data", **_named_servers(request)))


@pytest.fixture
def new_system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Up]:
    """The same in an empty directory, or on an empty database: it has made and migrated everything itself."""
    yield from _started(Up(tmp_path / "data", **_named_servers(request)))


@pytest.fixture
def trusting_system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Up]:
    """The same with two door workers that believe this machine's X-Forwarded-For."""
    servers = _named_servers(request)
    settings = {"workers": 2, "trusted_proxies": "127.0.0.1"} | servers
    yield from _started(_prepared(request, tmp_path / "data", **settings))


@pytest.fixture(scope="module")
def embedded_system_of_module(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Up]:
    """The same, always on embedded engines, in a path with spaces."""
    data_dir = tmp_path_factory.mktemp("system") / "a path with spaces" / "data"
    yield from _started(_prepared(request, data_dir))


@pytest.fixture
def embedded_system(embedded_system_of_module: Up) -> Up:
    """One for all tests of a file, for those that kill: it must be whole again after each, or starts again here."""
    if not embedded_system_of_module.is_running:
        embedded_system_of_module.start()
    return embedded_system_of_module


def _named_servers(request: pytest.FixtureRequest) -> dict[str, str]:
    if not (_NAMED_DATABASE and _NAMED_REDIS):
        return {}
    wanted = {"database_url": "empty_database_url", "redis_url": "redis_url"}
    return {name: request.getfixturevalue(fixture) for name, fixture in wanted.items()}


def _prepared(request: pytest.FixtureRequest, data_dir: Path, **settings: object) -> Up:
    """A system that need not make its engines' files first."""
    if "database_url" not in settings:
        shutil.copytree(request.getfixturevalue("first_directory"), data_dir)
    return Up(data_dir, **settings)


def _started(up: Up) -> Iterator[Up]:
    try:
        yield up.start()
    finally:
        up.end()


def _database(server: str, template: str) -> Iterator[str]:
    name = f"clickledger_test_{os.getpid()}_{next(_numbers)}"
    # copying files takes less than half as long here as logging every page
    _run_sql(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    yield _with_database(server, name)
    _run_sql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _with_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _redis_database(url: str, number: int) -> str:
    parts = urlsplit(url)
    first = int(parts.path.strip("/") or 0)
    return parts._replace(path=f"/{first + number}").geturl()


def _run_sql(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url, timeout=30)
        try:
            await connection.execute(statement)
        finally:
            await connection.close(timeout=10)

    asyncio.run(run())
