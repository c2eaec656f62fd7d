"""The block codec: what goes in comes out, old and new versions read each other, bad data becomes a reason."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.events import ClickEvent, decode_block, encode_block

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
EVENTS = st.builds(
    ClickEvent,
    click_id=st.integers(1, (1 << 63) - 1),
    link_id=st.integers(1, 2**31 - 1),
    partner_id=st.none() | st.integers(1, 2**31 - 1),
    campaign_version_id=st.none() | st.integers(1, 2**31 - 1),
    code=TEXT,
    cookie_id=st.none() | st.uuids().map(str),
    window_days=st.integers(0, 400),
    kind=st.integers(0, 3),
    ip=st.none() | st.ip_addresses().map(str),
    user_agent=TEXT,
    referrer=TEXT,
    language=TEXT,
    query=TEXT,
    import_key=st.none() | st.uuids().map(str),
)


@given(st.lists(EVENTS, max_size=20))
def test_blocks_survive_the_stream(events: list[ClickEvent]) -> None:
    """Exactly the same events, in order."""
    assert decode_block(encode_block([tuple(event) for event in events])) == (events, [])


@given(EVENTS)
def test_an_older_door_is_understood(event: ClickEvent) -> None:
    """A door that does not know the last field yet."""
    events, bad = decode_block(encode_block([tuple(event)[:-1]]))
    assert (events, bad) == ([event._replace(import_key=None)], [])


@given(EVENTS)
def test_a_newer_door_is_understood(event: ClickEvent) -> None:
    """Fields this version does not know are left aside."""
    assert decode_block(encode_block([(*event, "new", 1)])) == ([event], [])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not_json"),
        (b"\xff\x00", "not_json"),
        (b"{}", "not_a_block"),
        (b"null", "not_a_block"),
        (b"[1]", "not_an_event"),
        (b"[[]]", "not_an_event"),
    ],
)
def test_bad_blocks_become_a_reason(payload: bytes, reason: str) -> None:
    """Nothing raises, nothing vanishes."""
    events, bad = decode_block(payload)
    assert events == []
    assert [fault.reason for fault in bad] == [reason]


@given(EVENTS, st.integers(0, 12), st.sampled_from([[], {}, -1.5, True]))
def test_one_bad_event_does_not_spoil_its_block(event: ClickEvent, position: int, value: object) -> None:
    """The good ones around it are stored; it is set aside with its payload."""
    row = list(event)
    row[position] = value if position else 0
    events, bad = decode_block(orjson.dumps([list(event), row, list(event)]))
    assert events[0] == events[-1] == event
    assert len(events) + len(bad) == 3


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(payload: bytes) -> None:
    """Whatever somebody wrote into the stream."""
    decode_block(payload)
