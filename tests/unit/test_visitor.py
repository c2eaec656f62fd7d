"""Reading a visitor: the client address behind trusted proxies, IPv6, text limits, prefetch signals."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redirector.visitor import HOPS_MAX, Visit, fold_address, read_fields
from schema.events import REFERRER_CHARS_MAX, USER_AGENT_CHARS_MAX

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:ffff::/48"))


def visit(*headers: tuple[str, str], peer: str = "10.0.0.1", query: bytes = b"") -> Visit:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return Visit(read_fields(raw), peer, query, trusted=TRUSTED)


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("198.51.100.9", [("x-forwarded-for", "203.0.113.1")], "198.51.100.9"),
        ("10.0.0.1", [("x-forwarded-for", "203.0.113.1")], "203.0.113.1"),
        ("10.0.0.1", [("x-forwarded-for", "6.6.6.6, 203.0.113.1, 10.0.0.2")], "203.0.113.1"),
        ("10.0.0.1", [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.1")], "203.0.113.1"),
        ("10.0.0.1", [("x-forwarded-for", "203.0.113.1:5050")], "203.0.113.1"),
        ("10.0.0.1", [("x-forwarded-for", "[2001:db8::7]:5050")], "2001:db8::7"),
        ("10.0.0.1", [("x-forwarded-for", "2001:db8::7")], "2001:db8::7"),
        ("10.0.0.1", [("x-forwarded-for", "::ffff:203.0.113.1")], "203.0.113.1"),
        ("10.0.0.1", [("x-forwarded-for", "unknown, garbage")], "10.0.0.1"),
        ("10.0.0.1", [("x-forwarded-for", "203.0.113.1, garbage, 10.0.0.3")], "10.0.0.3"),
        ("10.0.0.1", [("x-forwarded-for", "")], "10.0.0.1"),
        ("10.0.0.1", [("x-forwarded-for", "10.0.0.7, 10.0.0.8")], "10.0.0.7"),
        ("10.0.0.1", [("forwarded", "for=6.6.6.6, for=203.0.113.1;proto=https")], "203.0.113.1"),
        ("10.0.0.1", [("forwarded", 'for="[2001:db8::7]:4711"')], "2001:db8::7"),
        ("10.0.0.1", [("forwarded", "for=203.0.113.1"), ("x-forwarded-for", "6.6.6.6")], "203.0.113.1"),
        ("10.0.0.1", [("forwarded", "for=_hidden")], "10.0.0.1"),
        ("::ffff:10.0.0.1", [("x-forwarded-for", "203.0.113.1")], "203.0.113.1"),
        ("2001:db8:ffff::1", [("x-forwarded-for", "203.0.113.1")], "203.0.113.1"),
        ("2001:DB8:0::0:7", [], "2001:db8::7"),
        ("fe80::1%eth0", [], "fe80::1"),
    ],
)
def test_client_address(peer: str, headers: list[tuple[str, str]], expected: str) -> None:
    """The nearest address that no trusted proxy vouches against."""
    assert visit(*headers, peer=peer).ip == expected


def test_a_forged_list_of_hops_is_cut() -> None:
    """Only the nearest hops are walked, so a huge header costs little."""
    hops = ", ".join(["203.0.113.1"] + ["10.0.0.2"] * (HOPS_MAX * 100))
    assert visit(("x-forwarded-for", hops)).ip == "10.0.0.2"


def test_https_is_believed_from_trusted_proxies_only() -> None:
    """It decides whether the cookie is Secure."""
    assert visit(("x-forwarded-proto", "https")).is_https
    assert visit(("forwarded", "for=1.1.1.1;proto=https")).is_https
    assert not visit(("x-forwarded-proto", "https"), peer="198.51.100.9").is_https


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sec-purpose", "prefetch"), ("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"),
        ("purpose", "preview"), ("x-purpose", "preview"), ("x-moz", "prefetch"), ("Sec-Purpose".lower(), "PREFETCH"),
    ],
)  # fmt: skip
def test_prefetch_signals(name: str, value: str) -> None:
    """Every header a browser has used to say it is only guessing."""
    assert visit((name, value)).is_prefetch
    assert not visit((name, "navigate")).is_prefetch


def test_text_is_cut_to_named_limits() -> None:
    """An 8 KB user agent costs 1 KB of stream."""
    found = visit(("user-agent", "x" * 8192), ("referer", "https://" + "y" * 9000))
    assert len(found.user_agent) == USER_AGENT_CHARS_MAX
    assert len(found.referrer) == REFERRER_CHARS_MAX


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_header_bytes_are_text(user_agent: bytes, query: bytes) -> None:
    """No byte a client can send raises, and the query stays ASCII."""
    found = Visit(read_fields([(b"user-agent", user_agent), (b"cookie", user_agent)]), "1.2.3.4", query)
    found.user_agent.encode("utf-8")
    assert found.query.isascii()


@given(st.ip_addresses())
def test_addresses_fold_to_one_form(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Folding is stable and never changes an address but for the mapped form."""
    folded = fold_address(str(address))
    assert folded is not None
    assert fold_address(folded) == folded
    if isinstance(address, ipaddress.IPv4Address):
        assert fold_address(f"::ffff:{address}") == str(address)
