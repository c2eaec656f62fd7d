"""Reported objects and postbacks as values: nothing anybody sends raises, and what is signed cannot be changed."""

from __future__ import annotations

import string
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redirector.intake.answers import Fault
from redirector.intake.credentials import Vendor
from redirector.intake.fields import Fields, moment_ms
from redirector.intake.outcomes import seconds_preferred
from redirector.intake.postback import is_signed, read_postback, signature_of, signed_text
from redirector.intake.reports import (
    CONVERSION_FIELDS,
    Desk,
    conversion_of,
    lead_of,
    refund_of,
)
from schema.conversions import decode_reports
from schema.ids import CookieIdMinter

NOW_MS = 1_795_000_000_000
DESK = Desk(Vendor(1, default_currency="USD"), NOW_MS, CookieIdMinter().mint)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
NAMES = sorted(CONVERSION_FIELDS | {"refund_id", "reason", "external_lead_id", "email", "commission"})


@given(st.sampled_from([conversion_of, refund_of, lead_of]), st.dictionaries(st.sampled_from(NAMES), JSON))
def test_any_object_is_an_event_or_faulty(build: Any, body: dict[str, Any]) -> None:
    faults: list[Fault] = []
    event = build(Fields(body, faults), DESK)
    if not faults:
        events, bad = decode_reports(orjson.dumps([event]))
        assert (len(events), bad) == (1, [])


@given(st.binary(max_size=300))
def test_any_query_is_read(query: bytes) -> None:
    given_ = read_postback(query)
    conversion_of(Fields(given_.fields, []), DESK)
    is_signed(query, given_.signature or "", ("secret",))


@given(st.text(min_size=1).filter(lambda text: text.strip() == text), st.booleans())
def test_a_value_arrives_as_it_was_sent(text: str, is_form: bool) -> None:
    query = urlencode({"txn": text}) if is_form else f"txn={quote(text)}"
    assert read_postback(query.encode()).fields["transaction_id"] == text


PAIRS = st.lists(
    st.tuples(
        st.text(string.ascii_lowercase, min_size=1, max_size=4), st.text(string.ascii_letters, max_size=4)
    ),
    min_size=1,
    max_size=6,
)


@given(PAIRS.filter(lambda pairs: all(name != "sig" for name, _ in pairs)), st.randoms())
def test_a_signature_holds_for_any_order_and_no_other_parameters(
    pairs: list[tuple[str, str]], random: Any
) -> None:
    query = urlencode(pairs).encode()
    signature = signature_of(query, "secret")
    shuffled = [*pairs, ("sig", signature)]
    random.shuffle(shuffled)
    assert is_signed(urlencode(shuffled).encode(), signature, ("other", "secret"))
    assert not is_signed(query + b"&more=1", signature, ("secret",))
    assert not is_signed(query, signature, ("other",))
    assert not is_signed(query, signature, ())


def test_what_is_signed() -> None:
    assert signed_text(b"txn=1&sig=abc&amount=2&&b=%20") == b"amount=2&b=%20&txn=1"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01t00:00:01.999999999z", 1999),
        ("1970-01-01 01:00:00+01:00", 0),
        ("1970-01-01T00:00:00", None),
        ("1970-01-01", None),
        ("1970-W01-1T00:00:00Z", None),
        ("1970-02-30T00:00:00Z", None),
        ("１970-01-01T00:00:00Z", None),
        ("0", None),
    ],
)
def test_moments(text: str, ms: int | None) -> None:
    assert moment_ms(text) == ms


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (b"wait=5", 5), (b"respond-async, wait=10", 10), (b"wait=99", 10), (b'Wait="3"', 3), (b"wait=2; x=1", 2),
        (b"wait", 0), (b"wait=", 0), (b"wait=1.5", 0), (b"return=minimal", 0), (b"\xff", 0), (b"await=5", 0),
    ],
)  # fmt: skip
def test_prefer(prefer: bytes, seconds: int) -> None:
    assert seconds_preferred(prefer) == seconds
