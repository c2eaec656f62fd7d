"""From click to commission, whole: a programme applied, a visitor's clicks through the door, sales reported as a shop
reports them, who earned what and why asked of the API, refunds, and clean books at the end.
"""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.doors import BROWSER
from tests.end_to_end.system_account import apply_programme, assert_books_are_clean, query
from tests.running_system import Up, clickledger, wait_until
from tests.visitors import CLICK_ID

MODELS = ("first_click", "last_click", "linear", "time_decay", "position_based")
JOURNEY = ("summer-a", "summer-b", "summer-a2")


class Answer(NamedTuple):
    """Status and body of an answer, and its headers."""

    status: int
    body: Any
    headers: http.client.HTTPMessage


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """One request on a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        sent = None if body is None else json.dumps(body)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, sent, names)
        response = connection.getresponse()
        text = response.read()
        is_json = "json" in (response.getheader("Content-Type") or "")
        return Answer(response.status, json.loads(text) if is_json else text, response.headers)


class Shop:
    """The system with its programme, and a vendor's key."""

    def __init__(self, up: Up) -> None:
        self.up = up
        self.vendors = {
            row["name"]: row["vendor_id"] for row in query(up, "SELECT name, vendor_id FROM vendors")
        }
        self.partners = {
            row["name"]: row["partner_id"] for row in query(up, "SELECT name, partner_id FROM partners")
        }
        self.key = self.make_key("vendor", "--vendor-id", str(self.vendors["Shop"]))
        wait_until(lambda: self.sell(transaction_id="KEY?").status != 401, 10, "the key to reach the door")

    def make_key(self, role: str, *more: str) -> str:
        made = clickledger(
            "keys", "create", "--role", role, *more,
            cwd=self.up.data_dir.parent, data_dir=self.up.data_dir, **self.up.settings,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        return next(word for word in made.stdout.split() if word.startswith("clk_"))

    def click(self, code: str, cookies: dict[str, str], agent: str = BROWSER) -> str:
        """One click of a visitor, who keeps the cookies; its id."""
        sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
        answer = ask(
            self.up.ports["port"], "GET", f"/{code}", User_Agent=agent, **({"Cookie": sent} if sent else {})
        )
        assert answer.status == 302
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            cookies[name] = value
        return str(CLICK_ID.findall(answer.headers["Location"])[0])

    def report(self, path: str, body: Any, wait: int = 10) -> Answer:
        return ask(
            self.up.ports["port"], "POST", path, body,
            Authorization=f"Bearer {self.key}", Prefer=f"wait={wait}", Content_Type="application/json",
        )  # fmt: skip

    def sell(self, **body: Any) -> Answer:
        return self.report("/-/conversions", body)

    def api(self, method: str, path: str, body: Any = None, key: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {key or self.key}", "Content_Type": "application/json"}
        return ask(self.up.ports["api_port"], method, path, body, **headers)

    def refund(self, transaction: str, amount: str | None, refund_id: str) -> None:
        """Report a refund and wait until it is applied."""
        answer = self.report(
            "/-/refunds", {"transaction_id": transaction, "amount": amount, "refund_id": refund_id}, wait=0
        )
        assert answer.status == 202, answer.body
        sql = f"SELECT 1 FROM refund_reports WHERE refund_id = '{refund_id}' AND state = 'applied'"
        wait_until(lambda: query(self.up, sql), 20, "the refund")


@pytest.fixture
def shop(system: Up) -> Iterator[Shop]:
    """The whole system with the programme of this test."""
    apply_programme(system, Path(__file__).with_name("sales.yaml"), "/summer-b")
    yield Shop(system)


def test_from_click_to_commission(shop: Shop) -> None:
    cookies: dict[str, str] = {}
    clicks = [shop.click(code, cookies) for code in JOURNEY]
    sold = shop.sell(transaction_id="ORD-1", amount="100.00", currency="USD", click_id=clicks[-1])
    assert sold.status == 200, sold.body
    told = sold.body
    a, b = shop.partners["Blog A"], shop.partners["Blog B"]
    assert (told["outcome"], told["status"], told["confidence"]) == ("attributed", "pending", "high")
    assert told["commission"]["amount"] == "10.00" and told["attribution_model"] == "linear"
    assert [touch["click_id"] for touch in told["touches"]["linear"]] == clicks
    assert [touch["value"] for touch in told["touches"]["position_based"]] == ["4.00", "2.00", "4.00"]
    assert told["credits"] == [{"partner_id": a, "amount": "6.67"}, {"partner_id": b, "amount": "3.33"}]

    again = shop.sell(transaction_id="ORD-1", amount="100.00", currency="USD", click_id=clicks[-1])
    assert again.status == 200 and again.body["outcome"] == "duplicate"
    assert again.body["conversion_id"] == told["conversion_id"]
    assert shop.sell(transaction_id="ORD-1", amount="99.00", currency="USD").status == 409

    path = f"/v1/conversions/{told['conversion_id']}"
    assert {name: shop.api("GET", path).body[name] for name in told} == told
    why = shop.api("GET", f"{path}/explain").body
    assert [(one["click_id"], one["is_in"]) for one in why["candidates"]] == [
        (click, True) for click in clicks
    ]
    assert [one["why"] for rate in why["rates"] for one in rate["considered"] if one["is_winner"]]
    everyone_sees_their_own(shop, path, told)

    shop.refund("ORD-1", "33.33", "R-1")
    assert [one["commission"] for one in shop.api("GET", path).body["adjustments"]] == ["-3.33"]
    shop.refund("ORD-1", None, "R-2")
    body = shop.api("GET", path).body
    assert body["outcome"] == "rejected" and body["reason"] == "refund"
    sums = query(
        shop.up,
        "SELECT attribution_type, sum(touch_value) AS value FROM touches WHERE NOT is_deleted GROUP BY 1",
    )
    assert {row["attribution_type"]: row["value"] for row in sums} == dict.fromkeys(MODELS, 0)
    assert_books_are_clean(shop.up)


def everyone_sees_their_own(shop: Shop, path: str, told: Any) -> None:
    """The other vendor nothing, a partner its part and no decision, the vendor and the admin everything."""
    rival = shop.make_key("vendor", "--vendor-id", str(shop.vendors["Rival"]))
    partner = shop.make_key("partner", "--partner-id", str(shop.partners["Blog B"]))
    for url in (path, f"{path}/explain"):
        assert shop.api("GET", url, key=rival).status == 404
    assert shop.api("POST", f"{path}/approve", key=rival).status == 404
    assert shop.api("POST", f"{path}/approve", key=partner).status == 403
    own = shop.api("GET", path, key=partner).body
    assert own["commission"]["amount"] == "3.33" and own["credits"] == told["credits"][1:]
    report = shop.api("GET", "/v1/attribution").body
    assert report["totals"]["credit"] == dict.fromkeys(MODELS, "10.00")
    assert shop.api("GET", "/v1/attribution", key=rival).body["rows"] == []


def test_what_is_approved_is_adjusted_never_changed(shop: Shop) -> None:
    cookies: dict[str, str] = {}
    click = shop.click("summer-b", cookies)
    told = shop.sell(transaction_id="ORD-2", amount="600.00", currency="USD", click_id=click).body
    assert told["commission"]["amount"] == "135.00"  # 15 %, times 1.5 for a big basket
    path = f"/v1/conversions/{told['conversion_id']}"
    assert shop.api("POST", f"{path}/approve").body["status"] == "approved"
    assert shop.api("POST", f"{path}/approve").status == 409
    shop.refund("ORD-2", "100.00", "R-1")
    body = shop.api("GET", path).body
    assert body["commission"]["amount"] == "135.00" and body["status"] == "approved"
    assert [(one["commission"], one["status"]) for one in body["adjustments"]] == [("-22.50", "approved")]
    assert_books_are_clean(shop.up)


def test_the_order_of_arrival_changes_nothing(shop: Shop) -> None:
    """Ten visitors' sales, reported in any order, some before others, eight at a time and each twice, come to the same
    credits as each alone would."""
    chance = random.Random(3)
    sales = []
    for number in range(10):
        cookies: dict[str, str] = {}
        clicks = [
            shop.click(code, cookies, f"{BROWSER} Build/{number}") for code in JOURNEY[: number % 3 + 1]
        ]
        at = datetime.now(UTC) + timedelta(seconds=1)
        sales.append(
            {"transaction_id": f"ORD-{number}", "amount": "33.33", "currency": "USD", "click_id": clicks[0],
             "occurred_at": at.isoformat()}
        )  # fmt: skip
    both = [*sales, *sales]
    chance.shuffle(both)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: shop.sell(**one), both))
    assert {answer.status for answer in answers} == {200}
    assert sum(answer.body["outcome"] == "duplicate" for answer in answers) == 10
    a, b = shop.partners["Blog A"], shop.partners["Blog B"]
    expected = {0: {a: "3.33"}, 1: {a: "2.50", b: "2.50"}, 2: {a: "2.22", b: "1.11"}}
    for answer in answers:
        if answer.body["outcome"] != "duplicate":
            credit = {one["partner_id"]: one["amount"] for one in answer.body["credits"]}
            assert credit == expected[int(answer.body["transaction_id"].removeprefix("ORD-")) % 3]
    assert (
        query(shop.up, "SELECT count(*) AS sales FROM conversion_events WHERE event_value > 0")[0]["sales"]
        == 10
    )
    assert_books_are_clean(shop.up)
