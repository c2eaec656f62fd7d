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


class Books:
    """One system for all these tests, with a link to click, and everybody who ever clicked on it."""

    def __init__(self, up: Up) -> None:
        self.up = up
        self._visitors: list[Visitors] = []

    def visitors(self) -> Visitors:
        """Those of one test."""
        self._visitors.append(Visitors(self.up.ports["port"], "ana-1"))
        return self._visitors[-1]

    def assert_settled(self) -> None:
        """Every answered click is a row; rows nobody was answered for belong to broken connections."""
        assert all(visitors.answered for visitors in self._visitors)
        answered = [click_id for visitors in self._visitors for click_id in visitors.answered]
        assert len(set(answered)) == len(answered)
        wait_until(lambda: stored_ids(self.up).issuperset(answered), 60, "every answered click to be stored")
        unanswered = stored_ids(self.up) - set(answered)
        assert len(unanswered) <= sum(visitors.broken for visitors in self._visitors)
        assert_books_are_clean(self.up)


@pytest.fixture(scope="module")
def opened(embedded_system_of_module: Up) -> Books:
    apply_programme(embedded_system_of_module)
    return Books(embedded_system_of_module)


@pytest.fixture
def books(opened: Books, embedded_system: Up) -> Books:
    """The system is whole again, whatever the test before has killed."""
    assert opened.up is embedded_system
    return opened


def kill_in_mid_load(books: Books, name: str) -> Visitors:
    """Visitors click all the time while the process is killed again and again, each time it has come back."""
    with books.visitors() as visitors:
        for _ in range(KILLS):
            time.sleep(LOAD_S / KILLS / 2)
            pid = pid_of(books.up, name)
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: pid_of(books.up, name) != pid, 30, f"{name} to be started again")
            time.sleep(LOAD_S / KILLS / 2)
    return visitors


def pid_of(up: Up, name: str) -> int:
    """Its process. PostgreSQL may die once more while the sessions of the one before are still ending."""
    wait_until(lambda: name in up.pids, 30, f"{name} to run")
    return up.pids[name]


@pytest.mark.parametrize("name", ["flusher", "publisher", "valkey", "postgres"])
def test_visitors_notice_nothing_when_it_is_killed(books: Books, name: str) -> None:
    """The writer, the publisher, Redis, PostgreSQL."""
    visitors = kill_in_mid_load(books, name)
    assert set(visitors.statuses) == {302}
    assert visitors.broken == 0
    books.assert_settled()


def test_a_killed_door_worker_costs_only_its_connections(books: Books) -> None:
    """The visitors it was serving reconnect; what they were answered is kept."""
    visitors = kill_in_mid_load(books, "door-0")
    assert set(visitors.statuses) == {302}
    assert visitors.broken <= KILLS * 4 * 20
    books.assert_settled()


def test_everything_is_killed_at_once(books: Books) -> None:
    """The supervisor and all it started die together; the next start brings home what was captured."""
    up = books.up
    with books.visitors() as visitors:
        time.sleep(2.0)
        for pid in [up.process.pid if up.process else 0, *up.pids.values()]:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: visitors.broken > 4, 10, "the visitors to notice")
    assert up.process is not None
    up.process.wait()
    up.start()
    books.assert_settled()
