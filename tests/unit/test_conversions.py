"""Conversion ids and blocks: the same report always has the same id, different ones never; nothing bad raises."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.conversions import (
    adjustment_id_of,
    conversion_id_of,
    decode_reports,
    milestone_id_of,
    unnumbered_conversion_id_of,
)


def event(**fields: Any) -> dict[str, Any]:
    return {
        "kind": "conversion", "v": 1, "report_id": "r", "vendor_id": 1, "received_ms": 1, "occurred_ms": 1,
        "conversion_id": "c", "event": "sale", "amount": "1.00", "currency": "USD",
    } | fields  # fmt: skip


def test_an_id_is_for_ever() -> None:
    """Stored ids outlive every version of this code: the value itself is the promise."""
    assert conversion_id_of(7, "sale", "ORD-1") == "ee33c37d-1446-5a0c-92b4-ee7e619ab774"


@given(
    st.tuples(st.integers(1, 2**31 - 1), st.text(), st.text()),
    st.tuples(st.integers(1, 2**31 - 1), st.text(), st.text()),
)
def test_different_reports_have_different_ids(one: tuple[int, str, str], other: tuple[int, str, str]) -> None:
    assert (conversion_id_of(*one) == conversion_id_of(*other)) == (one == other)


@given(st.integers(1, 2**31), st.text())
def test_ids_are_those_of_the_standard(vendor_id: int, text: str) -> None:
    made = conversion_id_of(vendor_id, "sale", text)
    name = orjson.dumps(["transaction", vendor_id, "sale", text]).decode()
    assert made == str(uuid.uuid5(uuid.UUID("0a6f1f0c-4f5d-5b0e-8a53-6d0f5e0c7c11"), name))


def test_kinds_of_ids_never_meet() -> None:
    ids = {
        conversion_id_of(1, "sale", "1"),
        unnumbered_conversion_id_of(1, "sale", 1, None, "1.00", 1),
        unnumbered_conversion_id_of(1, "sale", None, "1", "1.00", 1),
        adjustment_id_of("1", "1"),
        milestone_id_of(1, 1),
    }
    assert len(ids) == 5
    with_click = unnumbered_conversion_id_of(1, "sale", 1, None, "1.00", 1)
    assert unnumbered_conversion_id_of(1, "sale", 1, "a cookie too", "1.00", 1) == with_click


@pytest.mark.parametrize(
    ("payload", "reasons"),
    [
        (b"\xff", ["not_json"]),
        (b"{}", ["not_a_block"]),
        (b"[1, null, {}, []]", ["not_an_event"] * 4),
        (orjson.dumps([event(kind="gift")]), ["not_an_event"]),
        (orjson.dumps([event(v=2)]), ["not_an_event"]),
        (orjson.dumps([event(vendor_id="1")]), ["bad_number"]),
        (orjson.dumps([event(vendor_id=True)]), ["bad_number"]),
        (orjson.dumps([event(), event(amount=1.0)]), ["bad_text"]),
        (orjson.dumps([event(kind="refund")]), ["bad_text"]),
    ],
)
def test_what_is_no_event_comes_back_with_a_reason(payload: bytes, reasons: list[str]) -> None:
    _, bad = decode_reports(payload)
    assert [fault.reason for fault in bad] == reasons


def test_a_later_versions_fields_are_no_fault() -> None:
    events, bad = decode_reports(orjson.dumps([event(added_later=[1])]))
    assert events == [event(added_later=[1])] and not bad
