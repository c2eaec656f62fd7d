"""Locust scenarios against any deployment: visitors who follow links, marketers who read stats, vendors who report sales.

`--host` is the door. Links are those `--codes` names, or all that the API shows to `--api-key`; marketers need that key,
vendors one of a vendor (`--vendor-key`), and whoever has none stays at home. Visitors are the demo's: popularity by
Zipf's law, returning ones with their cookies, crawlers; they follow no redirect, so no shop is loaded.

    locust -f bench/locustfile.py --host http://127.0.0.1:8080 --api-key KEY --vendor-key KEY
    … --headless --users 200 --spawn-rate 50 --run-time 60s

The first opens a page to start and watch on port 8089; several cores want `--processes -1`.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import Request, urlopen

from locust import FastHttpUser, between, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser

from clickledger.demo import BROWSERS, CRAWLERS, LANGUAGES, REFERRERS

CRAWLER_SHARE = 0.08
RETURNING_SHARE = 0.35
DOUBTFUL_SHARE = 0.05
"""Of sales: reported a second time, as shops do that got no answer."""
CLICKS_REMEMBERED = 10_000
BREAKDOWNS = ("country", "device", "browser", "referrer", "link")

codes: list[str] = []
landed: deque[str] = deque(maxlen=CLICKS_REMEMBERED)
"""Click ids of the latest visits: what vendors report sales of."""


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: LocustArgumentParser) -> None:
    """What the scenarios need to know beyond `--host`."""
    parser.add_argument("--api-url", default="http://127.0.0.1:8081", help="address of the API")
    parser.add_argument(
        "--api-key", default="", is_secret=True, help="key of a marketer: admin, vendor or partner"
    )
    parser.add_argument(
        "--vendor-key", default="", is_secret=True, help="key of a vendor, for reports of sales"
    )
    parser.add_argument("--codes", default="", help="short codes between commas, the most popular first")


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def find_codes(environment: Environment, **_: Any) -> None:
    """The codes given, or all the key may see. Raises ValueError where there are none."""
    options: Any = environment.parsed_options
    codes[:] = [code for code in options.codes.split(",") if code] or _codes_of_api(
        options.api_url, options.api_key
    )
    if not codes:
        raise ValueError("no links to follow: give --codes or --api-key")


def _codes_of_api(url: str, key: str) -> list[str]:
    found: list[str] = []
    cursor = ""
    while key:
        asked = Request(f"{url}/v1/links?limit=1000{cursor}", headers={"Authorization": f"Bearer {key}"})
        with urlopen(asked, timeout=30) as answer:
            page = json.load(answer)
        found += [link["code"] for link in page["links"]]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={quote(page['next_cursor'])}"
    return found


class Visitor(FastHttpUser):
    """Follows links: most often new or returning people, now and then a crawler."""

    weight = 90
    wait_time = between(0.2, 2.0)

    def on_start(self) -> None:
        """A browser of their own."""
        self.agent = random.choice(BROWSERS)
        self.language = random.choice(LANGUAGES)

    @task
    def follow(self) -> None:
        """One click; its answer must be a redirect that carries a click id."""
        is_crawler = random.random() < CRAWLER_SHARE
        if is_crawler or random.random() > RETURNING_SHARE:
            self.client.cookiejar.clear()
        headers = {
            "User-Agent": random.choice(CRAWLERS) if is_crawler else self.agent,
            "Accept-Language": self.language,
            "Referer": random.choice(REFERRERS),
        }
        path = f"/{quote(codes[int(len(codes) ** random.random()) - 1])}"
        with self.client.get(
            path, headers=headers, allow_redirects=False, catch_response=True, name="/{code}"
        ) as answer:
            location = (answer.headers or {}).get("Location", "")
            if answer.status_code not in (302, 303, 307) or not location:
                answer.failure(f"no redirect but {answer.status_code}")
                return
            answer.success()
        if click_id := parse_qs(urlsplit(location).query).get("clk"):
            landed.append(click_id[0])


class Marketer(FastHttpUser):
    """Reads the numbers of everything and of single links."""

    weight = 5
    wait_time = between(1.0, 5.0)

    def on_start(self) -> None:
        """Their key, and the last 30 days."""
        options = self.environment.parsed_options
        if not options.api_key:
            raise StopUser
        today = datetime.now(UTC).date()
        self.client.base_url = options.api_url
        self.headers = {"Authorization": f"Bearer {options.api_key}"}
        self.period = f"start={today - timedelta(days=30)}&end={today + timedelta(days=1)}"

    @task(3)
    def overview(self) -> None:
        """Everything, by one dimension."""
        path = f"/v1/stats?{self.period}&breakdown={random.choice(BREAKDOWNS)}"
        self.client.get(path, headers=self.headers, name="/v1/stats")

    @task(2)
    def link(self) -> None:
        """One link by hour."""
        path = f"/v1/links/{quote(random.choice(codes))}/stats?{self.period}&interval=hour"
        self.client.get(path, headers=self.headers, name="/v1/links/{code}/stats")

    @task(1)
    def conversions(self) -> None:
        """The newest sales."""
        self.client.get("/v1/conversions?limit=50", headers=self.headers, name="/v1/conversions")


class Vendor(FastHttpUser):
    """Reports a sale of a click that happened a moment ago."""

    weight = 5
    wait_time = between(0.5, 3.0)

    def on_start(self) -> None:
        """Their key."""
        key = self.environment.parsed_options.vendor_key
        if not key:
            raise StopUser
        self.headers = {"Authorization": f"Bearer {key}"}

    @task
    def sell(self) -> None:
        """One report; now and then it is sent twice, which must count once."""
        if not landed:
            time.sleep(0.1)
            return
        amount = f"{random.randint(500, 50_000) / 100:.2f}"
        sale = {"transaction_id": uuid.uuid4().hex, "amount": amount, "currency": "USD", "click_id": random.choice(landed)}  # fmt: skip
        for _ in range(2 if random.random() < DOUBTFUL_SHARE else 1):
            self.client.post("/-/conversions", json=sale, headers=self.headers, name="/-/conversions")
