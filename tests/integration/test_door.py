"""What a visitor's request gets, by HTTP against a real door process on a real Redis. The rules are those the README
promises: order of decisions, destinations, cookies, who is asking, hostile input.
"""

from __future__ import annotations

import re
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from redirector.door import REQUEST_HEAD_S_MAX
from schema import keys
from schema.events import (
    KIND_CLICK,
    KIND_FALLBACK,
    KIND_HEAD,
    QUERY_CHARS_MAX,
    REFERRER_CHARS_MAX,
    USER_AGENT_CHARS_MAX,
)
from tests.doors import BROWSER, PATIENT_MS, Door, running_door

DAY_S = 86_400
HOUR_MS = 3_600_000


@pytest.fixture(scope="module", params=["fast", "asgi"])
def module_door(
    request: pytest.FixtureRequest, engines: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """Both front ends must pass everything here."""
    url: str = engines.redis_url  # type: ignore[attr-defined]
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    with running_door(
        url,
        tmp_path_factory.mktemp("door"),
        trusted_proxies="127.0.0.1",
        fallback_url="",
        allowed_schemes="http,https,shopapp",
        front_end=request.param,
        capture_budget_ms=PATIENT_MS,
    ) as door:
        yield door


@pytest.fixture
def door(module_door: Door) -> Door:
    """The shared door with no clicks kept yet. Every test uses codes of its own."""
    for shard in range(2):
        module_door.redis.delete(keys.clicks(shard))
    return module_door


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_a_redirect_has_the_promised_headers(door: Door) -> None:
    """Status, no caching, no indexing, empty body, the click id on the destination."""
    door.publish("plain", "https://shop.example/p?x=1", link_id=7, partner_id=3, campaign_version_id=5)
    reply = door.get("/plain")
    (click,) = door.clicks()
    assert reply.status == 302
    assert reply.location == f"https://shop.example/p?x=1&clk={click.click_id}"
    assert reply.get("cache-control") == "private, no-store"
    assert reply.get("referrer-policy") == "no-referrer-when-downgrade"
    assert reply.get("x-robots-tag") == "noindex"
    assert reply.get("content-length") == "0"
    assert (click.link_id, click.partner_id, click.campaign_version_id, click.kind) == (7, 3, 5, KIND_CLICK)
    assert abs((click.click_id >> 21) - now_ms()) < 5000


def test_unknown_codes_are_404_and_counted_nowhere(door: Door) -> None:
    """An orphan visit is a metric, not a click."""
    assert door.get("/nobody-knows-this").status == 404
    assert door.get("/").status == 404
    assert door.clicks() == []


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({"is_disabled": True, "fallback_url": "https://f.example/"}, 410),
        ({"starts_at_ms": now_ms() + HOUR_MS, "fallback_url": "https://f.example/"}, 404),
        ({"starts_at_ms": now_ms() - HOUR_MS}, 302),
        ({"expires_at_ms": now_ms() - 1}, 410),
        ({"expires_at_ms": now_ms() + HOUR_MS}, 302),
        ({"is_paused": True}, 410),
        ({"max_clicks": 0}, 410),
        ({"redirect_status": 307}, 307),
        ({"redirect_status": 303}, 303),
    ],
)
def test_order_of_decisions(door: Door, terms: dict[str, object], status: int) -> None:
    """Disabled and not started have no fallback; expired, capped and paused are 410 without one."""
    code = f"order-{uuid.uuid4().hex[:8]}"
    door.publish(code, link_id=abs(hash(code)) % 10**9, **terms)
    reply = door.get(f"/{code}")
    assert reply.status == status
    assert ("location" in dict(reply.headers)) == (status < 400)
    assert len(door.clicks()) == (1 if status < 400 else 0)


@pytest.mark.parametrize("terms", [{"expires_at_ms": 1}, {"is_paused": True}, {"max_clicks": 0}])
def test_closed_links_go_to_their_fallback(door: Door, terms: dict[str, object]) -> None:
    """302 to the fallback, kept as a click, but with no cookie and no click id: it earns nobody credit."""
    code = f"closed-{uuid.uuid4().hex[:8]}"
    door.publish(code, link_id=abs(hash(code)) % 10**9, fallback_url="https://f.example/sorry?x=%20", **terms)
    reply = door.get(f"/{code}?clk=1")
    assert (reply.status, reply.location, reply.cookies) == (302, "https://f.example/sorry?x=%20", {})
    (click,) = door.clicks()
    assert (click.cookie_id, click.kind) == (None, KIND_FALLBACK)


def test_a_click_cap_holds_under_concurrency(door: Door) -> None:
    """Sixty visitors at once, ten places: exactly ten pass. HEAD and crawlers take no place."""
    door.publish("capped", link_id=987_001, max_clicks=10)
    assert door.get("/capped", "HEAD").status == 302
    assert door.get("/capped", User_Agent="Googlebot/2.1 (+http://www.google.com/bot.html)").status == 302
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: door.get("/capped").status, range(60)))
    assert sorted(set(statuses)) == [302, 410]
    assert statuses.count(302) == 10
    assert door.get("/capped", "HEAD").status == 410


def test_an_edit_is_visible_within_a_second(door: Door) -> None:
    """Also a kill switch, and a code that was asked for before it existed."""
    assert door.get("/edited").status == 404
    for expected in ("https://one.example/", "https://two.example/"):
        door.publish("edited", expected)
        deadline = time.monotonic() + 1.0
        while not door.get("/edited").location.startswith(expected):
            assert time.monotonic() < deadline, "the edit took more than a second"
    door.publish("edited", is_disabled=True)
    deadline = time.monotonic() + 1.0
    while door.get("/edited").status != 410:
        assert time.monotonic() < deadline, "the kill switch took more than a second"


def test_everything_may_have_changed(door: Door) -> None:
    """A rebuild announces `*`: every link is asked for again."""
    door.publish("rebuilt", "https://one.example/")
    assert door.get("/rebuilt").location.startswith("https://one.example/")
    door.publish("elsewhere")
    value = door.redis.get(keys.link("rebuilt"))
    door.redis.set(keys.link("rebuilt"), value.replace(b"one.example", b"two.example"))
    door.redis.xadd(keys.LINK_CHANGES, {"c": "*"})
    deadline = time.monotonic() + 1.0
    while not door.get("/rebuilt").location.startswith("https://two.example/"):
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "code", ["spring/sale", "año-nuevo", "日本語", "🎉party", "a.b", "x~y_z-1", "a+b", "a&b=c"]
)
def test_codes_of_any_script(door: Door, code: str) -> None:
    """Percent-encoded as browsers do, with / inside."""
    door.publish(code, link_id=11)
    assert door.get("/" + quote(code)).status == 302
    assert door.get("/" + quote(code, safe="")).status == 302
    assert {click.code for click in door.clicks()} == {code}


def test_codes_are_compared_in_normal_form(door: Door) -> None:
    """A decomposed spelling finds the composed code."""
    door.publish("caf\u00e9")
    assert door.get("/" + quote("cafe\u0301")).status == 302


@pytest.mark.parametrize("tail", ["/", ".", ",", ")", "!", ").", "/!"])
def test_glued_punctuation_is_tolerated(door: Door, tail: str) -> None:
    """The click counts; an exact code wins over the tolerant reading."""
    door.publish("glued")
    assert door.get("/glued" + tail).status == 302
    assert len(door.clicks()) == 1


def test_exact_codes_win_over_tolerance(door: Door) -> None:
    """A code that really ends in punctuation."""
    door.publish("yes", "https://plain.example/")
    door.publish("yes!", "https://loud.example/")
    assert door.get("/yes!").location.startswith("https://loud.example/")


def test_head_gets_the_same_headers_without_cookie(door: Door) -> None:
    """And is recorded as what it is."""
    door.publish("headed")
    got, head = door.get("/headed"), door.get("/headed", "HEAD")
    assert head.status == 302
    assert head.cookies == {}
    names = [name for name, _ in got.headers if name != "set-cookie"]
    assert [name for name, _ in head.headers] == names
    assert [click.kind for click in door.clicks()] == [KIND_CLICK, KIND_HEAD]


def test_other_methods(door: Door) -> None:
    """OPTIONS says what there is; the rest is refused; nothing is kept."""
    door.publish("methods")
    options = door.get("/methods", "OPTIONS")
    assert (options.status, options.get("allow")) == (204, "GET, HEAD, OPTIONS")
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
        assert door.get("/methods", method).status == 405
    assert door.clicks() == []


def test_prefetch_is_refused_and_not_kept_by_browsers(door: Door) -> None:
    """The real navigation that follows is the click."""
    door.publish("prefetched")
    for headers in ({"Sec_Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X_Moz": "prefetch"}):
        reply = door.get("/prefetched", **headers)
        assert (reply.status, reply.cookies) == (503, {})
        assert reply.get("cache-control") == "no-store"
        assert reply.get("vary") == "Sec-Purpose"
    assert door.clicks() == []
    assert door.get("/prefetched").status == 302


def test_the_cookie_is_set_and_returned(door: Door) -> None:
    """A new visitor gets a UUIDv7 for the campaign's window; a returning one keeps it, and its longer life."""
    door.publish("long", window_days=90, link_id=21)
    door.publish("short", window_days=7, link_id=22)
    first = door.get("/long")
    value, _, attributes = first.cookies["clk_id"].partition("; ")
    assert uuid.UUID(value).version == 7
    assert attributes == f"Path=/; Max-Age={90 * DAY_S}; HttpOnly; SameSite=Lax"
    until = first.cookies["clk_id_until"].partition(";")[0]
    second = door.get("/short", Cookie=f"other=1; clk_id={value}; clk_id_until={until}")
    assert second.cookies["clk_id"].startswith(f"{value}; Path=/; Max-Age=")
    assert 89 * DAY_S < int(second.cookies["clk_id"].split("Max-Age=")[1].split(";")[0]) <= 90 * DAY_S
    assert [click.cookie_id for click in door.clicks()] == [value, value]


def test_foreign_cookies_are_replaced(door: Door) -> None:
    """A malformed or foreign value is no identity; of two valid ones the first counts."""
    door.publish("foreign")
    mine, other = "01a1f7ba-6819-7280-b09a-a5d076d6392f", "01a1f7ba-6819-7280-b09a-000000000000"
    fresh = door.get("/foreign", Cookie="clk_id=../../etc/passwd").cookies["clk_id"][:36]
    assert uuid.UUID(fresh).version == 7
    assert door.get("/foreign", Cookie=f"clk_id={mine}; clk_id={other}").cookies["clk_id"].startswith(mine)


def test_the_cookie_is_secure_behind_tls(door: Door) -> None:
    """As told by a trusted proxy."""
    door.publish("tls")
    assert "; Secure" in door.get("/tls", X_Forwarded_Proto="https").cookies["clk_id"]
    assert "; Secure" not in door.get("/tls").cookies["clk_id"]


def test_known_bots_get_no_cookie_but_are_kept(door: Door) -> None:
    """They are redirected like everybody."""
    door.publish("botted")
    reply = door.get(
        "/botted", User_Agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    )
    assert (reply.status, reply.cookies) == (302, {})
    (click,) = door.clicks()
    assert (click.kind, click.cookie_id) == (KIND_CLICK, None)


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("nonsense", "127.0.0.1"),
    ],
)
def test_client_address_behind_a_trusted_proxy(door: Door, forwarded: str, expected: str) -> None:
    """The walk from the right, IPv6 and mapped IPv4 included."""
    door.publish("proxied")
    door.get("/proxied", X_Forwarded_For=forwarded)
    assert [click.ip for click in door.clicks()] == [expected]


def test_the_click_carries_what_the_visitor_said(door: Door) -> None:
    """User agent, referrer, language, query; cut to named limits, never an error."""
    door.publish("said")
    door.get("/said?sub1=a&utm_source=b", Referer="https://blog.example/x", Accept_Language="de-AT,de;q=0.9")
    long = {"User_Agent": "u" * 8192, "Referer": "r" * 9000, "Accept_Language": "l" * 500}
    assert door.get("/said?q=" + "x" * 20_000, **long).status == 302
    short, cut = door.clicks()
    assert (short.user_agent, short.referrer) == (BROWSER, "https://blog.example/x")
    assert (short.language, short.query) == ("de-AT,de;q=0.9", "sub1=a&utm_source=b")
    assert len(cut.user_agent) == USER_AGENT_CHARS_MAX
    assert len(cut.referrer) == REFERRER_CHARS_MAX
    assert len(cut.query) == QUERY_CHARS_MAX


def test_destinations_over_http(door: Door) -> None:
    """The visitor's parameters are appended, tracking stays protected, macros are filled."""
    door.publish("dest", "https://shop.example/p?utm_source=own&r=%2Fx%20y&v#frag", link_id=9, partner_id=4)
    location = door.get("/dest?utm_source=evil&clk=1&sub1=s%201&b=%zz").location
    (click,) = door.clicks()
    assert location == (
        f"https://shop.example/p?utm_source=own&r=%2Fx%20y&v&clk={click.click_id}&sub1=s%201&b=%zz#frag"
    )
    door.publish(
        "macros",
        "https://shop.example/{code}?p={partner_id}&l={link_id}&s={sub1}&c={country}&d={device}&n={nope}",
        link_id=9,
        partner_id=4,
        forward_query="off",
    )
    location = door.get("/macros?sub1=%26x", X_Forwarded_For="81.2.69.142").location
    assert location.startswith("https://shop.example/macros?p=4&l=9&s=%26x&c=GB&d=desktop&n=&clk=")


def test_rules_choose_the_destination(door: Door) -> None:
    """Country, device, language, dates, splits; the first that holds."""
    to = "https://{}.example/".format
    door.publish(
        "ruled",
        "https://default.example/",
        rules=[
            {"when": {"until": "2020-01-01T00:00:00Z"}, "to": to("past")},
            {"when": {"country": ["GB"], "device": ["mobile"]}, "to": to("gbmobile")},
            {"when": {"country": ["GB"]}, "to": to("gb")},
            {
                "when": {"language": ["de"]},
                "split": [{"weight": 1, "to": to("de")}, {"weight": 0, "to": to("no")}],
            },
        ],
    )
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1"
    gb = "81.2.69.142"
    assert door.get("/ruled", X_Forwarded_For=gb, User_Agent=phone).location.startswith(to("gbmobile"))
    assert door.get("/ruled", X_Forwarded_For=gb).location.startswith(to("gb"))
    assert door.get("/ruled", Accept_Language="de-DE").location.startswith(to("de"))
    assert door.get("/ruled", Accept_Language="fr").location.startswith(to("default"))


def test_splits_follow_weights_and_stick_to_the_cookie(door: Door) -> None:
    """Three to one over many visitors; one visitor always sees the same side."""
    ways = [{"weight": 3, "to": "https://a.example/"}, {"weight": 1, "to": "https://b.example/"}]
    door.publish("split", rules=[{"split": ways}])
    sides = [door.get("/split").location[:17] for _ in range(200)]
    assert 0.6 < sides.count("https://a.example") / 200 < 0.9
    cookie = door.get("/split").cookies["clk_id"][:36]
    assert len({door.get("/split", Cookie=f"clk_id={cookie}").location[:17] for _ in range(10)}) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/%",
        "/a%2",
        "/%zz",
        "/%ff%fe",
        "/%00",
        "/%0d%0aX-Evil:%201",
        "/..%2f..%2fetc",
        "/" + "x" * 9000,
        "//",
        "/-/nothing",
        "/.well-known/x",
    ],
)
def test_malformed_paths_are_an_orderly_404(door: Door, path: str) -> None:
    """Never a 500, never a header of theirs."""
    reply = door.get(path)
    assert reply.status == 404
    assert reply.get("x-evil") is None


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /\xff\xfe HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET",
        b"\x00\x01\x02",
        b"GET /x HTTP/9.9",
        b"get / http/1.1",
    ],
)
def test_malformed_requests_are_an_orderly_400(door: Door, request_line: bytes) -> None:
    """The connection is answered or closed; the door lives on."""
    answer = door.raw(request_line + b"\r\nHost: x\r\n\r\n")
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"404")
    assert door.get("/-/healthz").status == 200


def test_headers_cannot_be_injected(door: Door) -> None:
    """Control bytes in code, query, referrer and agent never reach a response header."""
    door.publish("inject", "https://shop.example/{sub1}?r={sub2}")
    reply = door.get("/inject?sub1=%0d%0aSet-Cookie:%20x=1&sub2=%0aX-Evil:1&%0d%0aY=1")
    assert reply.status == 302
    assert "x-evil" not in dict(reply.headers)
    assert all("x=1" not in value for name, value in reply.headers if name == "set-cookie")
    assert "\r" not in reply.location


def test_large_headers_are_survived(door: Door) -> None:
    """64 KB of them."""
    door.publish("large")
    assert door.get("/large", **{f"X_Pad_{number}": "y" * 8000 for number in range(8)}).status == 302


def test_pipelined_requests_are_answered_in_order(door: Door) -> None:
    """Two requests in one packet."""
    door.publish("pipe1", "https://one.example/")
    door.publish("pipe2", "https://two.example/")
    head = b" HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\n"
    answer = door.raw(b"GET /pipe1" + head + b"\r\nGET /pipe2" + head + b"Connection: close\r\n\r\n")
    assert answer.count(b"302 Found") == 2
    assert answer.index(b"one.example") < answer.index(b"two.example")


USUAL_REQUESTS = [
    b"GET /same" + target + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\n" + more + b"\r\n"
    for target in (b"", b"?sub1=b&x=1", b"?q=%20%", b"/")
    for more in (
        b"",
        b"Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n",
        b"Cookie: clk_id=01a1f7ba-6819-7280-b09a-a5d076d6392f; clk_id_until=4000000000\r\n",
        b"Cookie: a=b\r\nCookie: clk_id=01a1f7ba-6819-7280-b09a-a5d076d6392f\r\n",
        b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nReferer: https://blog.example/\r\n",
    )
]
"""As browsers send them, one after the other on a connection: what the fast front end answers by itself."""


def test_both_front_ends_answer_with_the_same_bytes(redis_url: str, tmp_path: Path) -> None:
    """Line by line, but for the ids and the clock."""
    head = b"HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\n"
    requests = [
        b"GET /same " + head + b"Connection: close\r\n\r\n",
        b"GET /same?sub1=a%20b&x=1 "
        + head
        + b"Cookie: clk_id=01a1f7ba-6819-7280-b09a-a5d076d6392f\r\nConnection: close\r\n\r\n",
        b"GET /same HTTP/1.0\r\nUser-Agent: Mozilla/5.0\r\n\r\n",
        b"GET /same "
        + head
        + b"\r\nGET /same "
        + head
        + b"\r\nGET /none "
        + head
        + b"Connection: close\r\n\r\n",
        b"GET /same " + head + b"Content-Length: 3\r\nConnection: close\r\n\r\nabc",
        b"GET /same " + head + b"Connection: upgrade, close\r\nUpgrade: h2c\r\n\r\n",
        b"GET /s%61me " + head + b"Connection: close\r\n\r\n",
        b"GET http://go.example/same " + head + b"Connection: close\r\n\r\n",
        b"GET /same#top " + head + b"Connection: close\r\n\r\n",
    ]
    answers: list[list[bytes]] = []
    for front_end in ("fast", "asgi"):
        with running_door(redis_url, tmp_path / front_end, front_end=front_end) as door:
            door.publish("same", "https://shop.example/p?x=2")
            door.get("/same")
            told = [door.raw(request) for request in requests]
            told.append(door.in_turn(*USUAL_REQUESTS))
            answers.append([_without_ids(answer) for answer in told])
    assert all(answer.startswith(b"HTTP/1.1 ") for answer in answers[0])
    assert answers[0] == answers[1]


def test_a_request_that_does_not_come_whole_in_time_is_closed(redis_url: str, tmp_path: Path) -> None:
    """A silent connection and half a head hold no place for ever; one that was just answered is kept."""
    with ExitStack() as stack:
        waiting: list[tuple[socket.socket, float]] = []
        for front_end in ("fast", "asgi"):
            door = stack.enter_context(running_door(redis_url, tmp_path / front_end, front_end=front_end))
            door.publish("late")
            for head in (b"", b"GET /late HTTP/1.1\r\nHost: x\r\n", b"GET /late HTTP/1.1\r\n\r\n"):
                connection = stack.enter_context(
                    socket.create_connection(("127.0.0.1", door.port), timeout=60)
                )
                connection.sendall(head)
                waiting.append((connection, time.monotonic()))
        for connection, began in waiting:
            while connection.recv(4096):
                pass
            assert time.monotonic() - began > REQUEST_HEAD_S_MAX - 1


def _without_ids(answer: bytes) -> bytes:
    """An answer without what differs from click to click."""
    return re.sub(rb"clk=\d+|clk_id=[0-9a-f-]{36}|clk_id_until=\d+|date: [^\r]+|Max-Age=\d+", b"", answer)


def test_fixed_paths(door: Door) -> None:
    """Small answers that are not links."""
    assert door.get("/-/healthz").body == b"ok\n"
    assert door.get("/robots.txt").status == 200
    assert door.get("/favicon.ico").status == 204
    assert door.get("/.well-known/gpc.json").body.startswith(b'{"gpc":true')


def test_app_schemes_by_setting(door: Door) -> None:
    """A destination that opens an app."""
    door.publish("app", "shopapp://product/7?x=1")
    assert door.get("/app").location.startswith("shopapp://product/7?x=1&clk=")


def test_a_graceful_stop_exits_zero(redis_url: str, tmp_path: Path) -> None:
    """In-flight requests are answered; the worker number's reserved time is given back."""
    with running_door(redis_url, tmp_path, capture_budget_ms=PATIENT_MS) as door:
        door.publish("bye")
        assert door.get("/bye").status == 302
        assert door.stop() == 0
    with running_door(redis_url, tmp_path, capture_budget_ms=PATIENT_MS) as door:
        assert door.get("/bye").status == 302
        first, second = door.clicks()
        assert (first.click_id >> 11) & 1023 == (second.click_id >> 11) & 1023


def test_case_insensitive_codes(redis_url: str, tmp_path: Path) -> None:
    """By setting; codes are folded when saved and when asked for."""
    with running_door(redis_url, tmp_path, code_case="insensitive") as door:
        door.publish("summer")
        assert door.get("/SuMMer").status == 302


def test_untrusted_peers_cannot_forge_their_address(redis_url: str, tmp_path: Path) -> None:
    """The default trusts nobody; the landing page and cookie names are settings."""
    settings = {"cookie_name": "cid", "landing_url": "https://brand.example/"}
    with running_door(redis_url, tmp_path, capture_budget_ms=PATIENT_MS, **settings) as door:
        door.publish("forged")
        reply = door.get("/forged", X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https")
        assert [click.ip for click in door.clicks()] == ["127.0.0.1"]
        assert set(reply.cookies) == {"cid", "cid_until"}
        assert "Secure" not in reply.cookies["cid"]
        assert door.get("/").location == "https://brand.example/"
