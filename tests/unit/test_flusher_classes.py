"""Class and uniqueness: by example, and against a naive model that looks at every earlier click."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from flusher.classes import DOUBLE_MS_MAX, UNIQUE_MS, History, judge, set_plain_class, visitors_of
from flusher.draft import Draft
from schema.agents import Agent
from schema.events import KIND_CLICK, KIND_FALLBACK, KIND_HEAD, KIND_PREFETCH, ClickEvent

START = 1_700_000_000_000
HOUR = 3_600_000


def draft(
    at_ms: int, link: int = 1, cookie: str | None = None, visitor: int | None = None, sequence: int = 0
) -> Draft:
    event = ClickEvent(
        (START + at_ms) << 21 | sequence, link, None, None, "a", None, 0, 0, None, "", "", "", ""
    )
    made = Draft(event, "1-0", 0)
    made.cookie_id, made.visitor_hash = cookie, visitor
    made.visitors = visitors_of(made)
    return made


def outcome(*drafts: Draft, history: History | None = None) -> list[tuple[str, bool]]:
    judge(drafts, history or History())
    return [(one.click_class, one.is_unique) for one in drafts]


def test_plain_classes() -> None:
    expected = {(KIND_CLICK, None): "valid", (KIND_CLICK, "bot/"): "bot", (KIND_HEAD, "bot/"): "head"}
    for (kind, rule), name in {**expected, (KIND_PREFETCH, None): "prefetch"}.items():
        one = draft(0)
        one.event, one.agent = one.event._replace(kind=kind), Agent("other", None, None, rule)
        set_plain_class(one)
        assert one.click_class == name
    assert one.class_reason is None


def test_a_fallback_says_so_valid_or_double() -> None:
    """So that it can be told from a click that may earn credit, and from a visitor who took a place of a cap."""
    clicks = [draft(at, cookie="c") for at in (0, 5_000)]
    for click in clicks:
        click.event = click.event._replace(kind=KIND_FALLBACK)
    judge(clicks, History())
    assert [(click.click_class, click.class_reason) for click in clicks] == [
        ("valid", "fallback"),
        ("double", "fallback"),
    ]


def test_a_second_click_within_ten_seconds_is_double() -> None:
    assert outcome(draft(0, cookie="c"), draft(DOUBLE_MS_MAX, cookie="c")) == [
        ("valid", True),
        ("double", False),
    ]
    assert outcome(draft(0, visitor=7), draft(DOUBLE_MS_MAX + 1, visitor=7)) == [
        ("valid", True),
        ("valid", False),
    ]


def test_a_double_does_not_start_ten_seconds_of_its_own() -> None:
    """Ten seconds from the previous *valid* click: nobody is locked out by clicking on."""
    clicks = [draft(at, cookie="c") for at in (0, 9_000, 18_000)]
    assert [name for name, _ in outcome(*clicks)] == ["valid", "double", "valid"]


def test_another_link_is_another_matter() -> None:
    assert outcome(draft(0, 1, "c"), draft(1, 2, "c")) == [("valid", True), ("valid", True)]


def test_unique_again_after_24_hours() -> None:
    assert outcome(draft(0, cookie="c"), draft(UNIQUE_MS - 1, cookie="c"))[1] == ("valid", False)
    assert outcome(draft(0, cookie="c"), draft(UNIQUE_MS, cookie="c"))[1] == ("valid", True)


def test_cookie_or_hash_is_enough() -> None:
    clicks = [
        draft(0, cookie="c", visitor=1),
        draft(20_000, cookie="d", visitor=1),
        draft(40_000, cookie="c"),
    ]
    assert outcome(*clicks) == [("valid", True), ("valid", False), ("valid", False)]


def test_nobody_in_particular_is_always_unique() -> None:
    assert outcome(draft(0), draft(1)) == [("valid", True), ("valid", True)]


def test_a_late_click_is_not_unique_beside_a_later_one() -> None:
    history = History()
    history.add((1, "c"), START + 5 * HOUR)
    assert outcome(draft(0, cookie="c"), history=history) == [("valid", False)]


def test_the_previous_days_hash_is_looked_for_but_not_left_behind() -> None:
    history = History()
    history.add((1, 11), START)
    today = draft(HOUR, visitor=22)
    today.visitor_neighbours = (11,)
    today.visitors = visitors_of(today)
    assert outcome(today, history=history) == [("valid", False)]
    assert history.gaps((1, 11), START + UNIQUE_MS + HOUR // 2) == (UNIQUE_MS + HOUR // 2, UNIQUE_MS)
    assert history.gaps((1, 22), START + UNIQUE_MS + HOUR // 2) == (UNIQUE_MS - HOUR // 2, UNIQUE_MS)
    assert history.gaps((1, 33), START) is None


def test_of_two_clicks_stored_in_the_wrong_order_one_is_double() -> None:
    """Two clicks a moment apart go to two shards, and either may be stored first."""
    for first, second in ((0, 9_000), (9_000, 0)):
        history = History()
        pair = [draft(first, visitor=7), draft(second, visitor=7)]
        judge(pair[:1], history)
        judge(pair[1:], history)
        assert [(one.click_class, one.is_unique) for one in pair] == [("valid", True), ("double", False)]


def test_judging_again_gives_the_same() -> None:
    clicks = [draft(at, cookie="c") for at in (0, 5_000, 20_000)]
    assert outcome(*clicks) == outcome(*clicks)


CLICKS = st.lists(
    st.tuples(
        st.integers(0, 60 * HOUR) | st.integers(0, 40_000),
        st.integers(1, 2),
        st.sampled_from([None, "a", "b"]),
        st.sampled_from([None, 1, 2]),
    ),
    max_size=25,
)


def naive(clicks: list[Draft]) -> list[tuple[str, bool]]:
    """Every click against every earlier valid one."""
    valid: list[Draft] = []
    result = []
    for one in clicks:
        same = [
            one.at_ms - other.at_ms
            for other in valid
            if other.event.link_id == one.event.link_id
            and (
                (one.cookie_id is not None and one.cookie_id == other.cookie_id)
                or (one.visitor_hash is not None and one.visitor_hash == other.visitor_hash)
            )
        ]
        if any(gap <= DOUBLE_MS_MAX for gap in same):
            result.append(("double", False))
        else:
            valid.append(one)
            result.append(("valid", all(gap >= UNIQUE_MS for gap in same)))
    return result


@given(CLICKS)
def test_agrees_with_the_naive_model(clicks: list[tuple[int, int, str | None, int | None]]) -> None:
    drafts = [
        draft(*click, sequence=number) for number, click in enumerate(sorted(clicks, key=lambda c: c[0]))
    ]
    assert outcome(*drafts) == naive(drafts)


@given(CLICKS, st.integers(1, 8))
def test_how_clicks_fall_into_batches_does_not_matter(
    clicks: list[tuple[int, int, str | None, int | None]], size: int
) -> None:
    drafts = [
        draft(*click, sequence=number) for number, click in enumerate(sorted(clicks, key=lambda c: c[0]))
    ]
    whole = outcome(*drafts)
    history = History()
    parts = iter(drafts)
    while batch := list(itertools.islice(parts, size)):
        judge(batch, history)
    assert [(one.click_class, one.is_unique) for one in drafts] == whole
