"""The engines every test may ask for, and one fresh database and one empty Redis per test.

Embedded engines are started once per test process, unless CLICKLEDGER_TEST_DATABASE_URL (a superuser's) and
CLICKLEDGER_TEST_REDIS_URL name servers. The schema is migrated once into a template; a test gets a copy of it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis

from clickledger.engines.embedded import running_engines
from clickledger.engines.engine import free_port
from schema.settings import Settings
from tests.running_system import Up, wait_until

_NAMED_DATABASE = os.environ.get("CLICKLEDGER_TEST_DATABASE_URL")
_NAMED_REDIS = os.environ.get("CLICKLEDGER_TEST_REDIS_URL")
_numbers = itertools.count(1)


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
def engines(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Engines]:
    """Named servers, or embedded ones that skip every sync."""
    if _NAMED_DATABASE and _NAMED_REDIS:
        number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
        yield Engines(_NAMED_DATABASE, _redis_database(_NAMED_REDIS, number))
        return
    with running_engines(tmp_path_factory.mktemp("engines"), is_durable=False) as embedded:
        yield Engines(embedded.postgres.url_of("postgres"), embedded.valkey.url)


@pytest.fixture(scope="session")
def migrated_template(engines: Engines) -> Iterator[str]:
    """The name of a migrated database, copied for each test."""
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
    yield from _started(Up(tmp_path / "data", **_named_servers(request)))


@pytest.fixture
def trusting_system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Up]:
    """The same with two door workers that believe this machine's X-Forwarded-For."""
    servers = _named_servers(request)
    yield from _started(Up(tmp_path / "data", workers=2, trusted_proxies="127.0.0.1", **servers))


@pytest.fixture
def embedded_system(tmp_path: Path) -> Iterator[Up]:
    """The same, always on embedded engines, in a path with spaces: for tests that kill engines."""
    yield from _started(Up(tmp_path / "a path with spaces" / "data"))


def _named_servers(request: pytest.FixtureRequest) -> dict[str, str]:
    if not (_NAMED_DATABASE and _NAMED_REDIS):
        return {}
    wanted = {"database_url": "empty_database_url", "redis_url": "redis_url"}
    return {name: request.getfixturevalue(fixture) for name, fixture in wanted.items()}


def _started(up: Up) -> Iterator[Up]:
    try:
        yield up.start()
    finally:
        up.kill()
        wait_until(lambda: not up.leftovers(), 30, "the system to end")


def _database(server: str, template: str) -> Iterator[str]:
    name = f"clickledger_test_{os.getpid()}_{next(_numbers)}"
    _run_sql(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
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
