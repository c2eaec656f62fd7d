"""Destinations keep their bytes, carry the click id once, and no visitor can bend them elsewhere."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redirector.destination import Destination, ForwardQuery
from schema.urls import compose_full_url, destination_fault, name_of, pairs_of, split_url, url_text

CLICK = 3764719950466383872


def follow(url: str, query: str = "", forward: ForwardQuery = "append", **macros: str) -> str:
    return Destination(url, "clk", forward).fill(CLICK, query, lambda name: macros.get(name, ""))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example", f"https://a.example?clk={CLICK}"),
        ("https://a.example/", f"https://a.example/?clk={CLICK}"),
        ("https://a.example/p?x=1", f"https://a.example/p?x=1&clk={CLICK}"),
        ("https://a.example/p?", f"https://a.example/p?clk={CLICK}"),
        ("https://a.example/p#top", f"https://a.example/p?clk={CLICK}#top"),
        ("https://a.example/p?x=1#a?b=c", f"https://a.example/p?x=1&clk={CLICK}#a?b=c"),
        ("https://a.example/?valueless&x=", f"https://a.example/?valueless&x=&clk={CLICK}"),
        ("https://a.example/?x=1&x=2&x=1", f"https://a.example/?x=1&x=2&x=1&clk={CLICK}"),
        ("https://a.example/?a&&b", f"https://a.example/?a&&b&clk={CLICK}"),
        ("https://a.example/%2F%2f%20?q=%41+b", f"https://a.example/%2F%2f%20?q=%41+b&clk={CLICK}"),
        ("https://a.example/?q=%zz%", f"https://a.example/?q=%zz%&clk={CLICK}"),
        ("https://a.example/?clk=old&x=1", f"https://a.example/?clk={CLICK}&x=1"),
        ("https://a.example/?c%6Ck=old&x=1&clk=2", f"https://a.example/?clk={CLICK}&x=1"),
        ("https://a.example/go/{click_id}?x=1", f"https://a.example/go/{CLICK}?x=1"),
        ("https://a.example/?subid={click_id}", f"https://a.example/?subid={CLICK}"),
        ("https://a.example/#/{click_id}", f"https://a.example/#/{CLICK}"),
        ("https://a.example/?u={unknown}x", f"https://a.example/?u=x&clk={CLICK}"),
        ("https://a.example/?u={}{A}{1}", f"https://a.example/?u={{}}{{A}}{{1}}&clk={CLICK}"),
        ("https://user:pw@a.example:8443/p", f"https://user:pw@a.example:8443/p?clk={CLICK}"),
        ("https://[2001:db8::1]/p", f"https://[2001:db8::1]/p?clk={CLICK}"),
        ("https://a.example/ü?ö=ä", f"https://a.example/%C3%BC?%C3%B6=%C3%A4&clk={CLICK}"),
    ],
)
def test_stored_bytes_are_preserved(url: str, expected: str) -> None:
    """Nothing already encoded is decoded and encoded again; fragments stay at the end; one click id."""
    assert follow(url) == expected


@pytest.mark.parametrize(
    ("query", "forward", "expected"),
    [
        ("sub1=a&q=%20x", "append", f"x=1&clk={CLICK}&sub1=a&q=%20x"),
        ("x=evil&y=2", "append", f"x=1&clk={CLICK}&y=2"),
        ("%78=evil", "append", f"x=1&clk={CLICK}"),
        ("clk=evil&c%6ck=evil", "append", f"x=1&clk={CLICK}"),
        ("y=2", "off", f"x=1&clk={CLICK}"),
        ("x=2&clk=evil&z", "override", f"clk={CLICK}&x=2&z"),
        ("y=2&z=3", ["z"], f"x=1&clk={CLICK}&z=3"),
        ("x=2", ["x"], f"x=1&clk={CLICK}"),
        ("a={click_id}", "append", f"x=1&clk={CLICK}&a=%7Bclick_id%7D"),
        ("a=1#frag", "append", f"x=1&clk={CLICK}&a=1%23frag"),
        ("&&", "append", f"x=1&clk={CLICK}"),
        ("y=" + "z" * 9000, "append", f"x=1&clk={CLICK}"),
    ],
)
def test_visitor_queries_are_forwarded_as_the_link_says(
    query: str, forward: ForwardQuery, expected: str
) -> None:
    """append, off, override, allow-list; the click id is always protected."""
    assert follow("https://a.example/p?x=1", query, forward) == f"https://a.example/p?{expected}"


def test_macros_are_filled_and_encoded() -> None:
    """A value can add neither a parameter nor a header."""
    url = "https://a.example/{code}/x?p={partner_id}&s={sub1}"
    assert follow(url, code="a/b", partner_id="7", sub1="1&admin=1\r\nX: y#") == (
        f"https://a.example/a%2Fb/x?p=7&s=1%26admin%3D1%0D%0AX%3A%20y%23&clk={CLICK}"
    )


@pytest.mark.parametrize("value", [".", ".."])
def test_a_macro_cannot_climb_the_path(value: str) -> None:
    """Browsers resolve dot segments even when percent-encoded, so such a value is dropped."""
    assert follow("https://a.example/shop/{sub1}/x", sub1=value).startswith("https://a.example/shop//x?")


SAFE = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="{}#?")
FOLLOWABLE = st.builds(
    lambda path, query, fragment: f"https://shop.example/{path}{query}{fragment}",
    st.text(SAFE, max_size=20),
    st.one_of(st.just(""), st.text(SAFE, max_size=40).map("?".__add__)),
    st.one_of(st.just(""), st.text(SAFE, max_size=10).map("#".__add__)),
)


@given(
    FOLLOWABLE,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    st.sampled_from(["append", "off", "override"]),
)
def test_no_visitor_reaches_scheme_host_or_path(url: str, query: str, forward: str) -> None:
    """Whatever the visitor sends, only the query can differ, and the header stays printable ASCII."""
    location = follow(url, query, forward)
    before, after = split_url(url), split_url(location)
    assert after.head == before.head
    assert after.fragment == before.fragment
    assert all("\x21" <= char <= "\x7e" for char in location)
    assert [pair for pair in pairs_of(after.query) if name_of(pair) == "clk"] == [f"clk={CLICK}"]


@given(FOLLOWABLE, st.text(max_size=60))
def test_append_keeps_every_stored_byte(url: str, query: str) -> None:
    """The stored query stands unchanged in the answer, unless it brought a click id of its own."""
    stored = split_url(url).query
    if stored and not any(name_of(pair) == "clk" for pair in stored.split("&")):
        assert (split_url(follow(url, query)).query or "").startswith(stored)


@given(st.text(max_size=60))
def test_splitting_loses_nothing(url: str) -> None:
    """split_url and url_text are inverses."""
    assert url_text(split_url(url)) == url


def test_link_parameters_are_appended_unless_there() -> None:
    """First mention wins; macros in values are left for the door."""
    url = compose_full_url(
        "https://a.example/p?utm_source=own&a=%20#f",
        {"utm_source": "blog", "utm_medium": "é b"},
        {"utm_medium": "no", "placement": "x{sub1}y", "empty": ""},
    )
    assert url == "https://a.example/p?utm_source=own&a=%20&utm_medium=%C3%A9%20b&placement=x{sub1}y&empty=#f"


def test_international_hosts_become_ascii() -> None:
    """A header can carry nothing else."""
    assert compose_full_url("https://exämple.com/ü", {}) == "https://xn--exmple-cua.com/%C3%BC"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x",
        "//evil.example", "/relative", "", "shop.example/p", "ftp://a.example/", "https://", "https:///p",
        "https://a.example/\r\nX: y", "https://a.example/\x00", " https://a.example", "https://{sub1}.example/",
        "https://a.example:x/", "https://[::1/", "https://a.example/" + "x" * 9000,
    ],
)  # fmt: skip
def test_bad_destinations_are_refused(url: str) -> None:
    """With a sentence for the author."""
    assert destination_fault(url, frozenset({"http", "https"}))


def test_app_schemes_need_the_allow_list() -> None:
    """Only where the deployment says so."""
    assert destination_fault("shopapp://product/1", frozenset({"http", "https"}))
    assert destination_fault("shopapp://product/1", frozenset({"https", "shopapp"})) is None
    assert destination_fault("javascript:alert(1)", frozenset({"javascript"}))


@given(FOLLOWABLE, st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text(max_size=10), max_size=4))
def test_composing_twice_changes_nothing(url: str, parameters: dict[str, str]) -> None:
    """Saving a link again keeps its destination."""
    parameters = {name: value.encode("utf-8", "ignore").decode() for name, value in parameters.items()}
    once = compose_full_url(url, parameters)
    assert compose_full_url(once, parameters) == once
    assert urlsplit(once).netloc == "shop.example"
    assert all(
        name in {unquote(name_of(pair)) for pair in pairs_of(split_url(once).query)} for name in parameters
    )
