"""What must never happen: text of strangers that runs, requests to strangers, a heavy first view."""

from __future__ import annotations

from contextlib import closing
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Request, Route, expect

from tests.browser.desk import Desk, new_profile
from tests.running_system import Up

FIRST_VIEW_BYTES_MAX = 300_000
HOSTILE = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>'


def test_labels_referrers_and_agents_of_strangers_are_only_text(desk: Desk) -> None:
    link = {
        "code": "'-alert(1)-'<b>",
        "destination_url": "https://shop.example/?a=<svg/onload=x>",
        "label": HOSTILE,
    }
    desk.ask("POST", "/v1/links", link)
    agent = f"Mozilla/5.0 {HOSTILE} Chrome/130.0.0.0 Safari/537.36"
    desk.open("overview")
    desk.click_through("ana-2", **{"Referer": f"https://evil.example/{HOSTILE}", "User-Agent": agent})
    assert desk.click_through("ana-2", last=9, query="utm_source=%3Cimg%20src%3Dx%20onerror%3D1%3E") == 302
    expect(desk.page.get_by_role("region", name="Referrers")).to_contain_text("evil.example")
    expect(desk.page.get_by_role("region", name="UTM")).to_contain_text("<img src=x")
    desk.open("links")
    expect(desk.page.locator(".link-label", has_text="onerror")).to_have_text(HOSTILE)
    desk.page.get_by_role("link", name="'-alert(1)-'<b>").click()
    expect(desk.heading("'-alert(1)-'<b>")).to_be_visible()
    expect(desk.page.locator(".facts")).to_contain_text(HOSTILE)
    assert desk.page.evaluate("window.harmed") is None
    assert desk.page.locator("main img, main script").count() == 0


def test_a_destination_no_browser_should_open_is_no_anchor(desk: Desk) -> None:
    def dangerous(route: Route) -> None:
        answer = route.fetch()
        body = answer.json() | {"full_url": "javascript:window.harmed=1"}
        route.fulfill(response=answer, json=body)

    desk.page.route("**/v1/links/ana-1", dangerous)
    desk.open("links/ana-1")
    expect(desk.page.locator(".facts")).to_contain_text("javascript:window.harmed=1")
    assert desk.page.locator('a[href^="javascript"]').count() == 0


def test_the_first_view_is_light_and_asks_nobody_else(up: Up, chromium: Browser) -> None:
    with closing(new_profile(up, chromium)) as profile, Desk(up, profile) as desk:
        requests: list[Request] = []
        desk.page.on("requestfinished", lambda request: requests.append(request))
        desk.sign_in()
        desk.settled()
        sizes = [request.sizes() for request in requests]
        total = sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)
        assert 20_000 < total < FIRST_VIEW_BYTES_MAX
        assert {urlsplit(request.url).netloc for request in requests} == {urlsplit(up.api_url).netloc}
        assert desk.complaints == []


def test_a_second_visit_asks_for_no_script_again(desk: Desk) -> None:
    desk.open("overview")
    requests: list[Request] = []
    desk.page.on("request", lambda request: requests.append(request))
    desk.page.reload()
    desk.heading("Overview").wait_for()
    fetched = [request for request in requests if "/assets/" in request.url]
    assert fetched
    from_network = desk.page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/assets/') && e.transferSize > 0).length"
    )
    assert from_network == 0


def test_the_policy_stops_what_it_should(desk: Desk) -> None:
    desk.page.evaluate(
        """() => {
        const script = document.createElement("script");
        script.textContent = "window.harmed = 1";
        document.body.append(script);
        const picture = document.createElement("img");
        picture.src = "https://example.com/x.png";
        document.body.append(picture);
    }"""
    )
    desk.until(lambda: desk.page.evaluate("window.violations.length >= 2"), "the policy to be violated")
    assert desk.page.evaluate("window.harmed") is None
    desk.page.evaluate("window.violations = []")
    desk.complaints.clear()
