"""The supervisor and `clickledger up`: what dies comes back, what is stopped stays stopped, nothing is orphaned."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clickledger import spawn as spawning
from clickledger.restarts import Backoff
from clickledger.spawn import spawn, trim_log
from clickledger.supervisor import Child, Supervisor
from tests.running_system import Up, clickledger, environment, wait_until


@pytest.fixture
def launch(tmp_path: Path) -> Callable[[str], Callable[[], subprocess.Popen[bytes]]]:
    """Makes a `launch` for a shell script."""
    return lambda script: lambda: spawn(["bash", "-c", script], log=tmp_path / "child.log")


def test_a_dead_child_is_started_again(launch, tmp_path: Path) -> None:
    supervisor = Supervisor()
    supervisor.start(Child("toy", launch(f"echo life >> '{tmp_path}/lives'; sleep 0.05"), stage=0))
    supervisor.watch(
        lambda: (tmp_path / "lives").exists() and (tmp_path / "lives").read_text().count("life") >= 3
    )
    supervisor.stop()


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(launch) -> None:
    now = [0.0]
    supervisor = Supervisor(clock=lambda: now[0])
    child = Child("toy", launch("exit 1"), stage=0, backoff=Backoff(dice=lambda: 1.0))
    supervisor.start(child)
    waits = []
    for _ in range(8):
        assert child.process is not None
        child.process.wait()
        supervisor.mend()
        waits.append(child.due_at - now[0])
        assert child.process is None
        now[0] = child.due_at
        supervisor.mend()
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0])
    supervisor.stop()


def test_a_child_that_cannot_be_started_costs_the_others_nothing(launch) -> None:
    starts: list[str] = []

    def flaky() -> subprocess.Popen[bytes]:
        starts.append("asked")
        if len(starts) == 2:
            raise OSError("no more processes")
        return launch("exit 0" if len(starts) == 1 else "sleep 60")()

    supervisor = Supervisor()
    supervisor.start(Child("steady", launch("sleep 60"), stage=0))
    supervisor.start(Child("troubled", flaky, stage=0))
    first = supervisor.pids["steady"]
    supervisor.watch(lambda: len(starts) >= 3)
    assert supervisor.pids["steady"] == first
    supervisor.stop()


def test_stages_stop_in_order_and_a_deaf_child_is_killed(launch, tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    script = f"trap 'echo %s >> {ends}; exit 0' TERM; touch {tmp_path}/%s; while true; do sleep 0.02; done"
    deaf = f"trap '' TERM; touch {tmp_path}/deaf; while true; do sleep 0.02; done"
    supervisor = Supervisor()
    supervisor.start(Child("last", launch(script % ("last", "last")), stage=2))
    supervisor.start(Child("deaf", launch(deaf), stage=1, stop_seconds_max=0.3))
    supervisor.start(Child("first", launch(script % ("first", "first")), stage=0))
    wait_until(
        lambda: all((tmp_path / name).exists() for name in ("last", "deaf", "first")), 10, "the children"
    )
    began = time.monotonic()
    supervisor.stop()
    assert ends.read_text().split() == ["first", "last"]
    assert 0.3 < time.monotonic() - began < 5
    assert supervisor.pids == {}


def test_a_second_request_to_stop_kills(launch, tmp_path: Path) -> None:
    supervisor = Supervisor()
    script = f"trap '' TERM; touch {tmp_path}/deaf; while true; do sleep 0.02; done"
    supervisor.start(Child("deaf", launch(script), stage=0, stop_seconds_max=60))
    wait_until((tmp_path / "deaf").exists, 10, "the child")
    began = time.monotonic()
    supervisor.stop(is_hurried=lambda: True)
    assert time.monotonic() - began < 5


def test_a_log_that_grew_too_long_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawning, "LOG_BYTES_MAX", 10)
    log = tmp_path / "child.log"
    log.write_text("x" * 11)
    trim_log(log)
    assert (tmp_path / "child.log.1").read_text() == "x" * 11
    assert log.read_text() == ""


def test_up_serves_reports_and_stops_cleanly_and_a_second_start_keeps_key_and_data(new_system: Up) -> None:
    status = new_system.status()
    assert status["clicks_stored"] == status["clicks_captured"] == 0
    assert status["partitions_ahead"] >= 2
    assert new_system.admin_key.startswith("clk_admin_")
    assert "clickledger_" in new_system.metrics()
    assert new_system.data_dir.stat().st_mode & 0o777 == 0o700
    assert new_system.stop() == 0
    assert new_system.leftovers() == {}
    new_system.start()
    assert "admin key" not in new_system.greeting
    assert new_system.stop() == 0


def test_a_second_up_in_the_same_place_is_refused(embedded_system: Up) -> None:
    place = embedded_system.data_dir
    done = clickledger("up", "--data-dir", str(place), cwd=place.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith(f"is running in {place.resolve()}: stop it first.")


@pytest.mark.timeout(240)
def test_whatever_is_killed_comes_back(embedded_system: Up) -> None:
    for name in ("valkey", "postgres", "door-0", "flusher", "attributor", "publisher", "api"):
        before = embedded_system.pids
        os.kill(before[name], signal.SIGKILL)
        wait_until(
            lambda name=name, before=before: embedded_system.pids.get(name, before[name]) != before[name],
            30,
            name,
        )
    wait_until(lambda: len(embedded_system.pids) == 7, 30, "all children")
    counted = embedded_system.metrics()
    for name in ("valkey", "postgres", "door-0", "flusher", "attributor", "publisher", "api"):
        assert f'clickledger_restarts_total{{name="{name}"}}' in counted
    wait_until(
        lambda: (
            clickledger(
                "status", cwd=embedded_system.data_dir.parent, data_dir=embedded_system.data_dir
            ).returncode
            == 0
        ),
        30,
        "status",
    )
    assert embedded_system.stop() == 0


@pytest.mark.timeout(240)
def test_a_killed_supervisor_leaves_no_orphan_and_the_next_one_recovers(embedded_system: Up) -> None:
    ports = {name: engine_port(embedded_system, name) for name in ("postgres_port", "valkey_port")}
    embedded_system.kill()
    wait_until(lambda: not embedded_system.leftovers(), 20, "the children to end")
    embedded_system.start()
    assert {name: engine_port(embedded_system, name) for name in ports} == ports
    embedded_system.kill()
    embedded_system.start()  # at once: whatever still lingers is ended first
    assert embedded_system.stop() == 0
    assert embedded_system.leftovers() == {}


@pytest.mark.parametrize("begun", ["valkey", "door-0", "postgres", "api"])
def test_ctrl_c_while_starting_stops_what_was_started(tmp_path: Path, begun: str) -> None:
    """As soon as that one has a log."""
    up = Up(tmp_path / "data")
    process = subprocess.Popen(
        [sys.executable, "-m", "clickledger", "up", "--data-dir", str(up.data_dir)],
        cwd=tmp_path,
        env=environment(**up.ports),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wait_until((up.data_dir / "logs" / f"{begun}.log").exists, 60, "the start")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in said) == (0, False), said
    # what was not ours yet when Ctrl-C came is ended by the kernel, and may take a moment to close its log
    wait_until(lambda: not up.leftovers(), 20, "everything to end")


@pytest.mark.parametrize("setting", ["port", "api_port", "metrics_port"])
def test_a_taken_port_is_refused_in_one_sentence(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = Up(tmp_path).ports | {setting: port}
        done = clickledger("up", cwd=tmp_path, data_dir=tmp_path / "data", **ports)
    assert done.returncode == 2
    assert f"Port {port} on 127.0.0.1 is taken by another program" in done.stderr
    assert f"CLICKLEDGER_{setting.upper()}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "data" / "postgres").exists()


def test_all_bad_settings_are_listed_at_once(tmp_path: Path) -> None:
    done = clickledger("up", cwd=tmp_path, port="http", workers=0)
    assert done.returncode == 2
    assert [line.partition(":")[0] for line in done.stderr.strip().splitlines()] == [
        "CLICKLEDGER_PORT",
        "CLICKLEDGER_WORKERS",
    ]


def test_a_command_without_a_server_says_what_to_do(tmp_path: Path) -> None:
    done = clickledger("status", cwd=tmp_path)
    assert done.returncode == 2
    assert "There is no PostgreSQL to use" in done.stderr
    assert "CLICKLEDGER_DATABASE_URL" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_server_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    done = clickledger(
        "status", cwd=tmp_path, database_url="postgresql://x@127.0.0.1:1/x", redis_url="redis://127.0.0.1:1/0"
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def engine_port(up: Up, name: str) -> int:
    """A port as `engines.json` has it."""
    return int(json.loads((up.data_dir / "engines.json").read_text())[name])
