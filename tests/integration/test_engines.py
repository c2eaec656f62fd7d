"""The embedded engines: they start anywhere, survive anything, and keep their secrets."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis

from clickledger.engines import binaries
from clickledger.engines.data_dir import DataDir
from clickledger.engines.embedded import running_engines
from clickledger.errors import StartError
from tests.running_system import environment


def query(url: str, statement: str) -> object:
    """The one value a statement returns."""

    async def run() -> object:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close(timeout=5)

    return asyncio.run(run())


def test_fixture_engines_serve(empty_database_url: str, redis_url: str) -> None:
    assert int(str(query(empty_database_url, "SHOW server_version_num"))) >= 150000
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_data_survives_a_restart_and_a_kill_in_a_path_with_spaces(tmp_path: Path) -> None:
    home = tmp_path / "a path, with spaces"
    with running_engines(home) as engines:
        assert query(engines.postgres.url, "SHOW timezone") == "UTC"
        assert query(engines.postgres.url, "SHOW data_checksums") == "on"
        query(engines.postgres.url, "CREATE TABLE kept AS SELECT 1 AS value")
    directory = DataDir(home)
    postgres, valkey = directory.engines()
    postgres_process, valkey_process = postgres.start(), valkey.start()
    with redis.Redis.from_url(valkey.url) as client:
        client.set("kept", "2")
    for process in (postgres_process, valkey_process):
        process.kill()
        process.wait()
    with running_engines(home) as engines:
        assert query(engines.postgres.url, "SELECT value FROM kept") == 1
        with redis.Redis.from_url(engines.valkey.url) as client:
            assert client.get("kept") == b"2"


def test_directories_stay_closed_and_secrets_with_their_owner(tmp_path: Path) -> None:
    home = tmp_path / "data"
    with running_engines(home, is_durable=False) as engines:
        assert home.stat().st_mode & 0o777 == 0o700
        assert (home / "postgres").stat().st_mode & 0o777 == 0o700
        assert (home / "engines.json").stat().st_mode & 0o777 == 0o600
        assert (home / "valkey" / "valkey.conf").stat().st_mode & 0o777 == 0o600
        wrong = engines.postgres.url.replace(engines.postgres.password, "guess")
        with pytest.raises(asyncpg.InvalidPasswordError):
            query(wrong, "SELECT 1")
        with redis.Redis(port=engines.valkey.port) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_a_second_instance_is_refused_in_one_sentence(tmp_path: Path) -> None:
    first, second = DataDir(tmp_path), DataDir(tmp_path)
    first.lock()
    with pytest.raises(StartError, match="Another clickledger is running in"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_data_of_another_postgres_major_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("17\n")
    postgres, _ = DataDir(tmp_path).engines()
    with pytest.raises(StartError, match=r"was made by PostgreSQL 17 and the embedded one is 18"):
        postgres.prepare()


def test_a_postmaster_pid_of_a_reused_number_is_no_obstacle(tmp_path: Path) -> None:
    with running_engines(tmp_path, is_durable=False):
        pass
    port = DataDir(tmp_path).read()["postgres_port"]
    for name in ("postmaster.pid", f".s.PGSQL.{port}.lock"):
        (tmp_path / "postgres" / name).write_text(f"1\n{tmp_path}/postgres\n")
    with running_engines(tmp_path, is_durable=False) as engines:
        assert query(engines.postgres.url, "SELECT 1") == 1


def test_an_engine_that_will_not_start_names_its_log(tmp_path: Path) -> None:
    _, valkey = DataDir(tmp_path).engines()
    valkey.port = 1 << 20
    with pytest.raises(StartError, match=r"did not start; its log is .*valkey\.log"):
        valkey.start()
    assert (tmp_path / "logs" / "valkey.log").stat().st_size > 0


def test_engines_stop_cleanly(tmp_path: Path) -> None:
    postgres, valkey = DataDir(tmp_path).engines(is_durable=False)
    for engine, status in ((postgres, 0), (valkey, 0)):
        process = engine.start()
        process.send_signal(engine.stop_signal)
        assert process.wait(20) == status
    assert postgres.stop_signal is signal.SIGINT


@pytest.fixture
def as_root_without_namespaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that blocks user namespaces."""
    if os.geteuid() != 0:
        pytest.skip("only root needs a way around being root")
    works = binaries._works
    monkeypatch.setattr(binaries, "_works", lambda prefix: prefix[0] != "unshare" and works(prefix))
    binaries.postgres_prefix.cache_clear()
    yield
    binaries.postgres_prefix.cache_clear()


def test_root_needs_no_namespace_and_may_change_its_way(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    home = tmp_path / "data"
    with running_engines(home, is_durable=False) as engines:
        query(engines.postgres.url, "CREATE TABLE kept AS SELECT 1 AS value")
    request.getfixturevalue("as_root_without_namespaces")
    with running_engines(home, is_durable=False) as engines:
        assert query(engines.postgres.url, "SELECT value FROM kept") == 1
        assert (home / "postgres").stat().st_uid == binaries.NOBODY
        assert home.stat().st_mode & 0o777 == 0o700
    binaries.postgres_prefix.cache_clear()
    request.getfixturevalue("monkeypatch").undo()
    with running_engines(home, is_durable=False) as engines:
        assert query(engines.postgres.url, "SELECT value FROM kept") == 1
        assert (home / "postgres").stat().st_uid == 0


def test_root_without_any_way_is_told_so(
    monkeypatch: pytest.MonkeyPatch, as_root_without_namespaces: None
) -> None:
    monkeypatch.setattr(binaries, "_works", lambda prefix: False)
    with pytest.raises(StartError, match="PostgreSQL refuses to run as root"):
        binaries.postgres_prefix()


def test_an_ordinary_user_runs_them_too() -> None:
    """As root we become one; run by an ordinary user, every other test shows it."""
    if os.geteuid() != 0:
        pytest.skip("we are an ordinary user")
    script = (
        "import sys; from pathlib import Path; from clickledger.engines.embedded import running_engines\n"
        "with running_engines(Path(sys.argv[1])) as engines: print(engines.postgres.url)"
    )
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*become, sys.executable, "-c", ""], capture_output=True, check=False).returncode != 0:
        pytest.skip("an ordinary user cannot reach this Python")
    with tempfile.TemporaryDirectory() as place:
        shutil.chown(place, 65534, 65534)
        done = subprocess.run(
            [*become, sys.executable, "-c", script, f"{place}/data"],
            cwd="/",
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("postgresql://")
