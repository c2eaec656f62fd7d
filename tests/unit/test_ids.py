"""Click ids never repeat and carry their time, whatever the clock does; cookie ids are UUIDv7."""

from __future__ import annotations

import itertools
import uuid
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.ids import (
    IMPORT_SLOTS,
    LEASED_WORKER_MAX,
    MS_MAX,
    ClickIdMinter,
    CookieIdMinter,
    click_ms,
    clicked_at,
    import_click_id,
    parse_click_id,
    parse_cookie_id,
)


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=300), st.integers(0, LEASED_WORKER_MAX))
def test_ids_increase_under_any_clock(times: list[int], worker: int) -> None:
    """Forward, standing still, stepping back by years: strictly increasing, so never repeated."""
    clock = iter(times)
    minter = ClickIdMinter(worker, clock_ns=lambda: next(clock) * 1_000_000)
    ids = [minter.mint() for _ in times]
    assert all(earlier < later for earlier, later in itertools.pairwise(ids))
    assert all((click_id >> 11) & 1023 == worker for click_id in ids)


def test_a_used_up_millisecond_borrows_the_next() -> None:
    """2,048 ids fit a millisecond; the clock standing still does not stop the minter."""
    minter = ClickIdMinter(1, clock_ns=lambda: 1000 * 1_000_000)
    ids = [minter.mint() for _ in range(5000)]
    assert len(set(ids)) == 5000
    assert click_ms(ids[2047]) == 1000
    assert click_ms(ids[2048]) == 1001


def test_the_next_holder_starts_above_the_floor() -> None:
    """A clock that stepped back between two holders of a number repeats nothing."""
    first = ClickIdMinter(7, clock_ns=lambda: 5000 * 1_000_000)
    used = {first.mint() for _ in range(3000)}
    second = ClickIdMinter(7, clock_ns=lambda: 4000 * 1_000_000, floor_ms=first.last_ms)
    assert used.isdisjoint(second.mint() for _ in range(3000))


def _mint_many(worker: int) -> list[int]:
    minter = ClickIdMinter(worker)
    return [minter.mint() for _ in range(20_000)]


def test_concurrent_workers_never_mint_the_same_id() -> None:
    """Four processes at full speed at the same time."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        batches = list(pool.map(_mint_many, range(4)))
    assert len({click_id for batch in batches for click_id in batch}) == 80_000


@given(st.integers(1, MS_MAX), st.integers(0, IMPORT_SLOTS - 1))
def test_import_ids_stay_clear_of_leased_numbers(at_ms: int, slot: int) -> None:
    """Imported history can never collide with a live door, and keeps its time."""
    click_id = import_click_id(at_ms, slot)
    assert click_ms(click_id) == at_ms
    assert (click_id >> 11) & 1023 > LEASED_WORKER_MAX
    assert 0 < click_id < 1 << 63


def test_import_slots_are_distinct() -> None:
    """All 131,072 slots of a millisecond are different ids."""
    assert len({import_click_id(5, slot) for slot in range(IMPORT_SLOTS)}) == IMPORT_SLOTS == 131_072


def test_time_is_read_back_exactly() -> None:
    """To the millisecond."""
    moment = datetime(2026, 11, 20, 10, 0, 0, 123_000, tzinfo=UTC)
    minter = ClickIdMinter(0, clock_ns=lambda: 1_795_168_800_123_999_999)
    assert clicked_at(minter.mint()) == moment


@pytest.mark.parametrize("text", ["", "x", "-1", "1.0", "0", "9" * 20, str(1 << 63), "\u0663", " 1"])
def test_foreign_click_ids_are_none(text: str) -> None:
    """Only the decimal form of a 63-bit number is a click id."""
    assert parse_click_id(text) is None


@given(st.integers(1, (1 << 63) - 1))
def test_click_ids_survive_their_text_form(click_id: int) -> None:
    """What the landing page hands back is the same id."""
    assert parse_click_id(str(click_id)) == click_id


@given(st.integers(0, (1 << 48) - 1))
def test_cookie_ids_are_uuid7(at_ms: int) -> None:
    """RFC 9562 section 5.7: version, variant and time."""
    text = CookieIdMinter().mint(at_ms)
    value = uuid.UUID(text)
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert value.int >> 80 == at_ms
    assert parse_cookie_id(text) == text


def test_cookie_ids_do_not_repeat() -> None:
    """Beyond one gulp of randomness."""
    minter = CookieIdMinter()
    assert len({minter.mint(1) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text", ["", "x" * 36, "b88b939d-1c14-4a3d-a8bb-628b282bf926", "01a1f7ba68197280b09aa5d076d6392f"]
)
def test_foreign_cookie_values_are_none(text: str) -> None:
    """A version 4 UUID is somebody else's."""
    assert parse_cookie_id(text) is None
