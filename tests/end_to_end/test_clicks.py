"""The main job, whole: a programme applied, ten thousand clicks by real clients, every 302 exactly one row, every
cookie right, every number in the API the one a recount gives.
"""

from __future__ import annotations

import http.client
import json
import random
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import asyncpg
import pytest

from clickledger.demo import BROWSERS, CRAWLERS, REFERRERS
from tests.end_to_end.system_account import apply_programme, assert_books_are_clean, query
from tests.running_system import Up, clickledger, wait_until
from tests.visitors import CLICK_ID

CODES = ("ana-1", "ana-2", "ana/3", "ben-1", "ben-2", "ünï-🎉")
CLICKS = 10_000
CLIENTS = 16
VISITORS_PER_CLIENT = 60


ROWS = """
SELECT c.*, l.short_code FROM clicks c JOIN partner_links l USING (partner_link_id) WHERE click_class <> 'head'
"""


class Answered(NamedTuple):
    """One 302 as its visitor saw it."""

    click_id: int
    code: str
    cookie_id: str | None
    ip: str
    agent: str
    sub1: str | None


@pytest.fixture
def programme_system(request: pytest.FixtureRequest) -> Iterator[Up]:
    """The whole system, believing X-Forwarded-For from this machine, with a programme applied."""
    up: Up = request.getfixturevalue("trusting_system")
    apply_programme(up)
    yield up


class Client:
    """One connection and its visitors, who keep their cookies; a third of the visits are by someone seen before."""

    def __init__(self, port: int, number: int) -> None:
        self._chance = random.Random(number)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._number = number
        self._visitors: list[tuple[str, str, dict[str, str]]] = []

    def click(self, times: int) -> list[Answered]:
        with closing(self._connection):
            return [self._click_once() for _ in range(times)]

    def _click_once(self) -> Answered:
        ip, agent, cookies = self._visitor()
        code = self._chance.choice(CODES)
        sub1 = self._chance.choice((None, "hero", "ä ö"))
        path = "/" + quote(code) + (f"?sub1={quote(sub1)}" if sub1 else "")
        headers = {"User-Agent": agent, "X-Forwarded-For": ip, "Referer": self._chance.choice(REFERRERS)}
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self._connection.request(
            "GET", path, headers={name: value for name, value in headers.items() if value}
        )
        response = self._connection.getresponse()
        response.read()
        assert response.status == 302
        for cookie in response.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            cookies[name] = value
        click_id = int(CLICK_ID.findall(response.getheader("Location") or "")[0])
        return Answered(click_id, code, cookies.get("clk_id"), ip, agent, sub1)

    def _visitor(self) -> tuple[str, str, dict[str, str]]:
        if len(self._visitors) == VISITORS_PER_CLIENT or (self._visitors and self._chance.random() < 0.3):
            return self._chance.choice(self._visitors)
        agent = self._chance.choice(CRAWLERS if self._chance.random() < 0.1 else BROWSERS)
        ip = f"81.{self._number}.{len(self._visitors)}.{self._chance.randint(1, 250)}"
        if self._chance.random() < 0.2:
            ip = f"2001:db8:{self._number:x}:{len(self._visitors):x}::{self._chance.randint(1, 9)}"
        self._visitors.append((ip, agent, {}))
        return self._visitors[-1]


def drive(up: Up) -> list[Answered]:
    clients = [Client(up.ports["port"], number) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        batches = list(pool.map(lambda client: client.click(CLICKS // CLIENTS), clients))
    return [answered for batch in batches for answered in batch]


def api(up: Up, path: str) -> Any:
    request = urllib.request.Request(up.api_url + path, headers={"Authorization": f"Bearer {up.admin_key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_ten_thousand_clicks_are_ten_thousand_rows(programme_system: Up) -> None:
    """Mixed agents, addresses, referrers, returning cookies, sixteen clients at once."""
    up = programme_system
    answered = drive(up)
    ids = {click.click_id for click in answered}
    assert len(ids) == len(answered) == CLICKS
    wait_until(
        lambda: query(up, "SELECT count(*) >= 10000 AS all FROM clicks WHERE click_class <> 'head'")[0][
            "all"
        ],
        30,
        "the rows",
    )
    rows = query(up, ROWS)
    assert len(rows) == CLICKS
    by_id = {row["click_id"]: row for row in rows}
    assert by_id.keys() == ids
    for click in answered:
        row = by_id[click.click_id]
        assert (row["short_code"], row["sub1"], row["user_agent"]) == (click.code, click.sub1, click.agent)
        assert str(row["cookie_id"]) == str(click.cookie_id)
    assert {row["click_class"] for row in rows} == {"valid", "bot", "double"}
    assert_bots_are_bots(answered, by_id)
    assert_cookies_are_right(up, rows)
    assert_numbers_are_right(up, rows)
    assert_books_are_clean(up)


def assert_bots_are_bots(answered: list[Answered], by_id: dict[int, asyncpg.Record]) -> None:
    """Every crawler, and no browser, is classed as one; truncated addresses and countries are stored."""
    for click in answered:
        row = by_id[click.click_id]
        assert (row["click_class"] == "bot") == (click.agent in CRAWLERS)
        assert row["ip_address"].network.prefixlen == (48 if ":" in click.ip else 24)
    assert sum(row["country_code"] is not None for row in by_id.values()) > CLICKS / 2


def assert_cookies_are_right(up: Up, rows: list[asyncpg.Record]) -> None:
    """First and last click of every cookie are those a recount of its valid clicks gives, partners included."""
    journeys: dict[Any, list[asyncpg.Record]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["click_id"]):
        if row["click_class"] == "valid" and row["cookie_id"] is not None:
            journeys[row["cookie_id"]].append(row)
    stored = {row["cookie_id"]: row for row in query(up, "SELECT * FROM cookies")}
    assert stored.keys() == journeys.keys()
    for cookie_id, clicks in journeys.items():
        cookie = stored[cookie_id]
        assert (cookie["first_click_id"], cookie["last_click_id"]) == (
            clicks[0]["click_id"],
            clicks[-1]["click_id"],
        )
        assert (cookie["first_partner_id"], cookie["last_partner_id"]) == (
            clicks[0]["partner_id"],
            clicks[-1]["partner_id"],
        )


def assert_numbers_are_right(up: Up, rows: list[asyncpg.Record]) -> None:
    """The API's totals and series are a recount of the rows."""
    for code in CODES:
        mine = [row for row in rows if row["short_code"] == code]
        classes = Counter(row["click_class"] for row in mine)
        stats = api(up, f"/v1/links/{quote(code)}/stats?interval=hour")
        totals = stats["totals"]
        filtered = {name: count for name, count in totals["filtered"].items() if name != "head"}
        assert totals["clicks"] == classes["valid"]
        assert filtered == {name: count for name, count in classes.items() if name != "valid"}
        assert totals["gross"] == totals["clicks"] + sum(totals["filtered"].values())
        assert totals["unique"] == sum(row["is_unique"] for row in mine)
        assert sum(point["clicks"] for point in stats["series"]) == totals["clicks"]


def test_a_click_is_seen_within_two_seconds(programme_system: Up) -> None:
    """From its 302 to a number in the API, on an idle system, and an edit of the link within one."""
    up = programme_system
    with closing(http.client.HTTPConnection("127.0.0.1", up.ports["port"], timeout=10)) as connection:
        connection.request("GET", "/ana-1", headers={"User-Agent": BROWSERS[0]})
        assert connection.getresponse().status == 302
    clicked = time.monotonic()
    wait_until(
        lambda: api(up, "/v1/links/ana-1/stats")["totals"]["clicks"] == 1, 2.0, "the click to be counted"
    )
    assert time.monotonic() - clicked < 2.0


def test_past_clicks_are_imported_once(programme_system: Up, tmp_path: Path) -> None:
    """With their past times, through the same stream, repeatable, bad lines named."""
    up = programme_system
    file = tmp_path / "history.csv"
    lines = [
        f"ana-1,2019-0{month}-15T12:00:00Z,id-{month},81.2.69.{month},v{month % 3}" for month in range(1, 10)
    ]
    lines += ["nobody,2019-01-01T00:00:00Z,id-x,,", "ana-2,tomorrow,id-y,,"]
    file.write_text("\n".join(["code,clicked_at,import_id,ip,cookie_id", *lines]) + "\n")
    for _ in range(2):
        done = clickledger("clicks", "import", str(file), cwd=tmp_path, data_dir=up.data_dir, **up.settings)
        assert done.returncode == 1
        assert "line 11: code: is not a published link" in done.stdout
        assert "line 12: clicked_at:" in done.stdout
        wait_until(lambda: up.status()["clicks_stored"] >= 9, 10, "the history to be stored")
        time.sleep(1.0)
    rows = query(
        up, "SELECT clicked_at, cookie_id FROM clicks WHERE clicked_at < '2020-01-01' ORDER BY clicked_at"
    )
    assert [row["clicked_at"].month for row in rows] == list(range(1, 10))
    assert len({row["cookie_id"] for row in rows}) == 3
    assert_books_are_clean(up)
