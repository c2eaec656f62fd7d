"""The one-look reader beside httptools: whatever it accepts, httptools accepts and understands alike."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redirector.usual_get import LINES_MAX, Reader
from redirector.visitor import read_fields

BROWSER = (
    b"GET /spring/sale?utm_source=x&sub1=%C3%A9 HTTP/1.1\r\nHost: go.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux)\r\n"
    b"Accept: */*\r\nAccept-Language: en-GB,en;q=0.9\r\nReferer: https://blog.example/post\r\n"
    b"Cookie: clk_id=01a1f7ba-6819-7280-b09a-a5d076d6392f; other=1\r\nConnection: keep-alive\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n\r\n"
)


class Parsed:
    """One or more requests as httptools reads them."""

    def __init__(self, data: bytes) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.ended: list[bool] = []
        self.parser: Any = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.ended.append(self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1")


def assert_alike(data: bytes) -> bool:
    """Whether the reader took it; if so, it is one GET of a kept connection, and all that counts is the same."""
    found = Reader().read(data)
    if found is None:
        return False
    parsed = Parsed(data)
    url = httptools.parse_url(parsed.url)
    assert parsed.ended == [True]
    assert parsed.parser.get_method() == b"GET"
    assert not parsed.parser.should_upgrade()
    path, query, fields = found
    assert (url.path, url.query or b"") == (b"/" + path.encode(), query)
    assert fields == read_fields(parsed.headers)
    return True


def test_a_browsers_request_is_usual() -> None:
    """As browsers and reverse proxies write it."""
    assert assert_alike(BROWSER)


names = st.sampled_from(
    [b"Host", b"User-Agent", b"user-agent", b"Cookie", b"Accept", b"Referer", b"Connection", b"X-Forwarded-For",
     b"Content-Length", b"Transfer-Encoding", b"Expect", b"Upgrade", b"Purpose", b"Prefer", b"TE", b"A b", b"", b"X\xe9"]
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        [b"keep-alive", b"close", b"0", b"chunked", b"100-continue", b" x", b"x ", b"x\ty", b"\xff", b""]
    ),
    st.binary(max_size=12),
)
lines = st.tuples(names, st.sampled_from([b": ", b":", b" : "]), values).map(b"".join)
targets = st.one_of(
    st.sampled_from(
        [b"/a", b"/", b"//a/b", b"/a?", b"/a?b?c", b"/a#b", b"/%41", b"*", b"http://x/a", b"/a;b=c", b"/a%"]
    ),
    st.binary(max_size=8).map(lambda tail: b"/" + tail),
)
heads = st.builds(
    lambda target, version, lines, rest: b"GET " + target + b" " + version + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + rest,
    targets,
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.1 ", b"http/1.1"]),
    st.lists(lines, max_size=4),
    st.sampled_from([b"\r\n", b"\r\n\r\n", b"\r\nGET /b HTTP/1.1\r\n\r\n", b"\n", b""]),
)  # fmt: skip


@settings(max_examples=600)
@given(heads)
@example(b"GET /a HTTP/1.1\r\n\r\n\r\n\r\n")
@example(b"GET /a HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n")
def test_what_it_takes_httptools_takes_alike(data: bytes) -> None:
    """Made-up heads, most of them broken."""
    assert_alike(data)


@settings(max_examples=600)
@given(st.integers(0, len(BROWSER) - 1), st.binary(max_size=3))
def test_a_damaged_browsers_request(place: int, scar: bytes) -> None:
    """One byte of a good request replaced by up to three others."""
    assert_alike(BROWSER[:place] + scar + BROWSER[place + 1 :])


@pytest.mark.parametrize(
    "data",
    [
        BROWSER + BROWSER,
        BROWSER[:-2],
        BROWSER.replace(b"GET", b"HEAD"),
        BROWSER.replace(b"keep-alive", b"close"),
        BROWSER.replace(b"/spring", b"//spring"),
        BROWSER.replace(b"/sale", b"/s%61le"),
        BROWSER.replace(b"Accept: */*", b"Content-Length: 0"),
        BROWSER.replace(b"Accept: */*", b"Cookie: more=1"),
        b"",
    ],
)
def test_the_unusual_is_left_to_httptools(data: bytes) -> None:
    """Pipelines, pieces, other methods, escapes, bodies, lists in several lines."""
    assert Reader().read(data) is None


def test_memory_is_bounded() -> None:
    """A stranger's ever new lines push out others, and are still read right."""
    reader = Reader()
    for number in range(3 * LINES_MAX):
        found = reader.read(b"GET /a HTTP/1.1\r\nReferer: https://x.example/%d\r\n\r\n" % number)
        assert found is not None and found[2][b"referer"] == f"https://x.example/{number}"
    assert len(reader._known) <= LINES_MAX
