"""kill -9 of every process of a running system in mid-load. The account is always the same: 302s sent = rows stored,
each once, the books clean; visitors of a known link see no error unless their own connection's worker was killed.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.end_to_end.system_account import apply_programme, assert_books_are_clean, stored_ids
from tests.running_system import Up, wait_until
from tests.visitors import Visitors

LOAD_S = 6.0
KILLS = 3


@pytest.fixture
def up(embedded_system: Up) -> Up:
    """A system on engines of its own, with a link to click."""
    apply_programme(embedded_system)
    return embedded_system


def kill_in_mid_load(up: Up, name: str) -> Visitors:
    """Visitors click all the time while the process is killed again and again, each time it has come back."""
    with Visitors(up.ports["port"], "ana-1") as visitors:
        for _ in range(KILLS):
            time.sleep(LOAD_S / KILLS / 2)
            pid = up.pids[name]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: up.pids.get(name, pid) != pid, 30, f"{name} to be started again")
            time.sleep(LOAD_S / KILLS / 2)
    return visitors


def assert_account_is_settled(up: Up, visitors: Visitors) -> None:
    """Every answered click is a row; rows nobody was answered for belong to broken connections."""
    assert len(set(visitors.answered)) == len(visitors.answered) > 0
    wait_until(lambda: stored_ids(up).issuperset(visitors.answered), 60, "every answered click to be stored")
    unanswered = stored_ids(up) - set(visitors.answered)
    assert len(unanswered) <= visitors.broken
    assert_books_are_clean(up)


@pytest.mark.parametrize("name", ["flusher", "publisher", "valkey", "postgres"])
def test_visitors_notice_nothing_when_it_is_killed(up: Up, name: str) -> None:
    """The writer, the publisher, Redis, PostgreSQL."""
    visitors = kill_in_mid_load(up, name)
    assert set(visitors.statuses) == {302}
    assert visitors.broken == 0
    assert_account_is_settled(up, visitors)


def test_a_killed_door_worker_costs_only_its_connections(up: Up) -> None:
    """The visitors it was serving reconnect; what they were answered is kept."""
    visitors = kill_in_mid_load(up, "door-0")
    assert set(visitors.statuses) == {302}
    assert visitors.broken <= KILLS * 4 * 20
    assert_account_is_settled(up, visitors)


def test_everything_is_killed_at_once(up: Up) -> None:
    """The supervisor and all it started die together; the next start brings home what was captured."""
    with Visitors(up.ports["port"], "ana-1") as visitors:
        time.sleep(2.0)
        for pid in [up.process.pid if up.process else 0, *up.pids.values()]:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: visitors.broken > 4, 10, "the visitors to notice")
    assert up.process is not None
    up.process.wait()
    up.start()
    assert_account_is_settled(up, visitors)
