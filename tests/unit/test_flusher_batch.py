"""Batches fill by rows, bytes and age, with the clock as an argument; the pace of reading follows what is read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flusher.backoff import LONGEST_S, Backoff
from flusher.batch import READ_ENTRIES_MAX, Batch, BatchPolicy, Entry, Pace
from schema.events import BadEvent, ClickEvent

POLICY = BatchPolicy(rows_max=10, age_ms_max=250, bytes_max=1_000)


def entry(rows: int, size: int = 10) -> Entry:
    event = ClickEvent(1, 1, None, None, "a", None, 0, 0, None, "", "", "", "")
    return Entry("1700000000000-0", [event] * rows, [], size)


def test_an_empty_batch_is_never_due() -> None:
    assert not Batch(POLICY).is_due(10**15)


def test_rows_make_it_due() -> None:
    batch = Batch(POLICY)
    batch.add(entry(9), 0)
    assert not batch.is_due(0)
    batch.add(entry(1), 0)
    assert batch.is_due(0)


def test_undecodable_events_count_as_rows() -> None:
    batch = Batch(POLICY)
    batch.add(Entry("1-0", [], [BadEvent("not_an_event", b"")] * 10, 10), 0)
    assert batch.is_due(0)


def test_bytes_make_it_due() -> None:
    batch = Batch(POLICY)
    batch.add(entry(1, 1_000), 0)
    assert batch.is_due(0)


def test_age_counts_from_the_first_entry() -> None:
    batch = Batch(POLICY)
    batch.add(entry(1), 1_000)
    batch.add(entry(1), 1_200)
    assert (batch.wait_ms(1_200), batch.is_due(1_249), batch.is_due(1_250)) == (50, False, True)


def test_a_clock_that_steps_back_does_not_hold_a_batch_for_ever() -> None:
    batch = Batch(POLICY)
    batch.add(entry(1), 1_000_000)
    assert batch.wait_ms(0) == POLICY.age_ms_max


def test_an_entry_knows_when_redis_took_it() -> None:
    assert entry(1).at_ms == 1_700_000_000_000


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 5_000_000)), max_size=200))
def test_the_pace_asks_for_a_sane_number(seen: list[tuple[int, int]]) -> None:
    pace, batch = Pace(), Batch(BatchPolicy(20_000, 250))
    for rows, size in seen:
        pace.saw(entry(rows, size))
        assert 1 <= pace.entries_wanted(batch) <= READ_ENTRIES_MAX


def test_the_pace_follows_large_blocks_down_and_single_clicks_up() -> None:
    pace, batch = Pace(), Batch(BatchPolicy(20_000, 250, bytes_max=32 << 20))
    for _ in range(50):
        pace.saw(entry(1_000, 4 << 20))
    assert pace.entries_wanted(batch) <= 9
    for _ in range(200):
        pace.saw(entry(1, 300))
    assert pace.entries_wanted(batch) == READ_ENTRIES_MAX


def test_backoff_doubles_up_to_its_bound_and_starts_again() -> None:
    backoff = Backoff(chance=lambda: 1.0)
    waits = [backoff.failed() for _ in range(40)]
    assert waits[:3] == [0.1, 0.2, 0.4]
    assert waits[-1] == LONGEST_S
    backoff.succeeded()
    assert backoff.failed() == 0.1
    assert Backoff(chance=lambda: 0.0).failed() == 0.05
