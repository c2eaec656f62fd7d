"""A glance is brought up to date from the journal, or refused when somebody else stored clicks in between."""

from __future__ import annotations

from flusher.classes import History
from flusher.cookies import CookieLife
from flusher.glance import FLUSHES_REMEMBERED, Glance, Journal

LINK = 1


def life(number: int) -> CookieLife:
    return CookieLife(number, None, number, None, None, 0)


def visited(at_ms: int) -> History:
    history = History()
    history.add((LINK, "c"), at_ms)
    return history


def test_nothing_happened() -> None:
    assert Journal().catch_up(Glance(5, {}, History()), 5, set())


def test_own_flushes_are_added_in_order() -> None:
    journal, glance = Journal(), Glance(10, {"c": life(1)}, visited(1_000))
    journal.add(7, 3, {"c": life(0)}, visited(0))  # seen by the glance already
    journal.add(10, 2, {"c": life(2), "d": life(2)}, visited(9_000))
    journal.add(12, 1, {"c": life(3)}, visited(20_000))
    assert journal.catch_up(glance, 13, {"c"})
    assert (glance.stored, glance.lives) == (13, {"c": life(3)})
    assert glance.history.gaps((LINK, "c"), 21_000) == (1_000, 24 * 3_600_000)
    assert glance.history.gaps((LINK, "c"), 5_000) == (4_000, 4_000)


def test_somebody_else_stored_some() -> None:
    journal = Journal()
    journal.add(10, 2, {}, History())
    assert not journal.catch_up(Glance(10, {}, History()), 15, set())
    assert not journal.catch_up(Glance(9, {}, History()), 12, set())


def test_more_flushes_than_are_remembered() -> None:
    journal = Journal()
    for number in range(FLUSHES_REMEMBERED + 1):
        journal.add(number, 1, {}, History())
    assert not journal.catch_up(Glance(0, {}, History()), FLUSHES_REMEMBERED + 1, set())
    assert journal.catch_up(Glance(1, {}, History()), FLUSHES_REMEMBERED + 1, set())


def test_a_remembered_history_does_not_keep_those_before_it_alive() -> None:
    journal, older, newer = Journal(), visited(0), visited(5)
    newer.look_also_in(older)
    journal.add(0, 1, {}, newer)
    assert newer.gaps((LINK, "c"), 1)[0] == 24 * 3_600_000  # type: ignore[index]
