"""Somebody using the dashboard: a tab of their own, what it complained of, and what happens elsewhere meanwhile."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from contextlib import closing
from types import TracebackType
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, expect

from tests.doors import BROWSER
from tests.running_system import Up
from tests.visitors import CLICK_ID

WAIT_MS_MAX = 30_000
LISTEN_TO_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""
ENTER = """
((key) => {
  if (location.protocol === "about:" || sessionStorage.getItem("entered") === key) return;
  sessionStorage.setItem("entered", key);
  sessionStorage.setItem("clickledger.key", key);
})(%s);
"""
GO = """
place => new Promise((resolve) => {
  addEventListener("hashchange", resolve, { once: true });
  if (location.hash === `#/${place}`) resolve();
  location.hash = `#/${place}`;
})
"""
expect.set_options(timeout=WAIT_MS_MAX)
COUNTRIES = {"GB": "81.2.69.142", "SE": "89.160.20.112", "US": "216.160.83.56"}


def new_profile(up: Up, browser: Browser) -> BrowserContext:
    """A browser that has never been here, of somebody in Berlin who reads English."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="Europe/Berlin"
    )
    context.set_default_timeout(WAIT_MS_MAX)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=up.api_url)
    context.add_init_script(LISTEN_TO_POLICY)
    return context


class Desk:
    """A tab of the dashboard. `complaints` are errors of scripts and of the console, refusals we provoke left out."""

    def __init__(self, up: Up, profile: BrowserContext) -> None:
        self.up = up
        self.page = profile.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)

    def __enter__(self) -> Desk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.complaints += self.page.evaluate("window.violations ?? []")
        if self.page.url.startswith(self.up.api_url):
            self.page.evaluate("localStorage.clear()")
        self.page.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "the server responded with a status of 4" not in message.text:
            self.complaints.append(message.text)

    def enter(self, key: str | None = None) -> None:
        """Be signed in, as admin by default, as in a tab where the key was given before. The page asks for nothing."""
        self.page.add_init_script(ENTER % json.dumps(key or self.up.admin_key))
        self.page.goto("about:blank")  # or the next would only change the hash
        self.page.goto(f"{self.up.api_url}/#/nowhere")
        self.heading("Nothing here").wait_for()

    def sign_in(self, key: str | None = None) -> None:
        """Open the dashboard and give a key, the admin's by default."""
        self.page.goto(self.up.api_url)
        self.page.get_by_label("API key").fill(key or self.up.admin_key)
        self.page.get_by_role("button", name="Sign in").click()
        if key is None:
            self.heading("Overview").wait_for()

    def open(self, place: str) -> None:
        """Go to a place after `#/`, as if its address had been pasted; wait for its data."""
        self.page.evaluate(GO, place)
        self._loaded()

    def settled(self) -> None:
        """Nothing is loading any more after what was done just now."""
        self.page.wait_for_timeout(50)
        self._loaded()

    def _loaded(self) -> None:
        expect(self.page.locator("main[aria-busy], .skeleton")).to_have_count(0)

    def until(self, is_true: Callable[[], object], what: str) -> None:
        """Wait here: the page's policy forbids Playwright's own way, which evaluates strings in the page."""
        deadline = time.monotonic() + WAIT_MS_MAX / 1000
        while not is_true():
            assert time.monotonic() < deadline, f"waited {WAIT_MS_MAX} ms for {what}"
            self.page.wait_for_timeout(20)

    def heading(self, name: str) -> Locator:
        """The page's title."""
        return self.page.get_by_role("heading", level=1, name=name)

    def number(self, metric: str) -> int:
        """A headline number, as a number."""
        text = self.page.locator(f'[data-metric="{metric}"] .tile-value').inner_text()
        return int("".join(filter(str.isdigit, text)))

    def click_through(
        self, code: str, country: str = "GB", last: int = 1, query: str = "", **headers: str
    ) -> int:
        """A visitor follows a link through the door; `last` makes them another visitor of that country."""
        address = COUNTRIES[country].rpartition(".")[0] + f".{last}"
        return self._visit(
            code + (f"?{query}" if query else ""), {"X-Forwarded-For": address} | headers
        ).status

    def click_id(self, code: str, cookie: str) -> str:
        """The id of a click by the visitor with that cookie."""
        answer = self._visit(code, {"Cookie": f"clk_id={cookie}"})
        return CLICK_ID.findall(answer.headers["Location"])[0]

    def new_cookie(self) -> str:
        """The cookie the door gives a new visitor."""
        answer = self._visit("ana-1", {"X-Forwarded-For": COUNTRIES["SE"]})
        return str(answer.headers["Set-Cookie"]).partition(";")[0].removeprefix("clk_id=")

    def report(self, key: str, conversion: dict[str, str]) -> dict[str, Any]:
        """Report a conversion as the shop would, and wait for its outcome."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Prefer": "wait=10"}
        return dict(_exchange(self.up.ports["port"], "POST", "/-/conversions", conversion, headers))

    def _visit(self, target: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        door = http.client.HTTPConnection("127.0.0.1", self.up.ports["port"], timeout=10)
        with closing(door):
            door.request("GET", f"/{quote(target, safe='/?=&%')}", headers={"User-Agent": BROWSER} | headers)
            return door.getresponse()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The API's answer to the admin, for arranging what a test looks at."""
        return ask(self.up, method, path, body)

    def new_key(self, role: str, **whose: int) -> str:
        """A key of another role."""
        return str(self.ask("POST", "/v1/keys", {"role": role} | whose)["key"])

    def id_of(self, kind: str, name: str) -> int:
        """The number of a partner, campaign or vendor."""
        rows = self.ask("GET", f"/v1/{kind}s")[f"{kind}s"]
        return int(next(row[f"{kind}_id"] for row in rows if row["name"] == name))

    def sale(self, transaction_id: str) -> dict[str, Any]:
        """A conversion as the API lists it."""
        found = self.ask("GET", "/v1/conversions?limit=1000")["conversions"]
        return dict(next(one for one in found if one["transaction_id"] == transaction_id))


def ask(up: Up, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The API's answer to the admin of this system."""
    headers = {"Authorization": f"Bearer {up.admin_key}", "Content-Type": "application/json"}
    return _exchange(up.ports["api_port"], method, path, body, headers)


def outcomes(up: Up) -> dict[str, str]:
    """What became of each transaction."""
    found = ask(up, "GET", "/v1/conversions?limit=1000")["conversions"]
    return {one["transaction_id"]: one["outcome"] for one in found}


def _exchange(port: int, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
    """The JSON that a server of the system answers; anything but success fails the test."""
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with closing(server):
        server.request(method, path, body and json.dumps(body), headers)
        answer = server.getresponse()
        text = answer.read()
        assert answer.status < 400, text
        return json.loads(text) if text else None
