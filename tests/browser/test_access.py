"""For everybody: axe finds nothing serious in either colour scheme, a keyboard is enough, a phone is wide enough."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.desk import Desk
from tests.browser.ledger_answers import CONVERSION_ID, answer_as_documented
from tests.running_system import Up, wait_until

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
PLACES = (
    "overview",
    "links",
    "links/ana-1",
    "attribution",
    "conversions",
    f"conversions/{CONVERSION_ID}",
    "nowhere",
)
SERIOUS = {"serious", "critical"}


def findings(desk: Desk) -> list[str]:
    """What axe holds against the page as it is, serious or critical."""
    # injected by the debugger, which the page's policy does not bind
    desk.page.evaluate(AXE.read_text(encoding="utf-8"))
    result: dict[str, Any] = json.loads(desk.page.evaluate("axe.run().then(JSON.stringify)"))
    return [
        f"{found['id']}: {node['html'][:160]} {node['failureSummary']}"
        for found in result["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(up: Up, chromium: Browser, scheme: str) -> None:
    with Desk(up, chromium, color_scheme=scheme, reduced_motion="reduce") as desk:
        desk.page.goto(up.api_url)
        desk.heading("Sign in").wait_for()
        assert findings(desk) == []
        desk.sign_in()
        for number, country in enumerate(("GB", "SE", "US"), start=20):
            desk.click_through("ana-1", country, number)
        wait_until(lambda: desk.ask("GET", "/v1/stats")["totals"]["clicks"] >= 3, 10, "clicks to show")
        answer_as_documented(desk.page)
        for place in PLACES:
            desk.open(place)
            assert findings(desk) == [], place
        desk.open("overview?country=GB")
        desk.page.locator('[data-key="period"]').click()
        assert findings(desk) == [], "filtered, with the period panel open"
        desk.open("links")
        desk.page.get_by_role("button", name="New link").click()
        for group in desk.page.locator(".link-form summary").all():
            group.click()
        desk.page.get_by_role("button", name="Create link").click()
        expect(desk.page.locator('[data-field="destination_url"] .field-error')).not_to_be_empty()
        assert findings(desk) == [], "the form with an error"


@pytest.mark.parametrize("place", PLACES)
def test_a_phone_scrolls_in_one_direction_only(phone: Desk, place: str) -> None:
    answer_as_documented(phone.page)
    phone.open(place)
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_form_and_the_panel_fit_a_phone(phone: Desk) -> None:
    phone.open("overview")
    phone.page.locator('[data-key="period"]').click()
    box = phone.page.locator(".panel:not([hidden])").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    phone.open("links")
    phone.page.get_by_role("button", name="New link").click()
    dialog = phone.page.get_by_role("dialog").bounding_box()
    assert dialog is not None
    assert dialog["width"] <= 390
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_keyboard_is_enough(up: Up, chromium: Browser) -> None:
    with Desk(up, chromium) as desk:
        keys, page = desk.page.keyboard, desk.page
        page.goto(up.api_url)
        desk.heading("Sign in").wait_for()
        keys.type(up.admin_key)  # the field has the focus
        keys.press("Enter")
        desk.heading("Overview").wait_for()
        desk.settled()
        keys.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        keys.press("Enter")
        expect(page.locator("main")).to_be_focused()
        _tab_to(desk, '[data-key="period"]')
        keys.press("Enter")
        expect(page.get_by_role("button", name="Last 30 days", pressed=True)).to_be_focused()
        keys.press("Escape")
        expect(page.locator('[data-key="period"]')).to_be_focused()
        page.get_by_role("link", name="Links", exact=True).focus()
        keys.press("Enter")
        expect(desk.heading("Links")).to_be_focused()
        desk.settled()
        _tab_to(desk, '[data-key="new-link"]')
        keys.press("Enter")
        expect(page.get_by_label("Whose clicks these are")).to_be_focused()
        keys.press("Tab")
        keys.type("typed")
        keys.press("Tab")
        keys.type("https://shop.example/typed")
        keys.press("Enter")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(page.get_by_role("link", name="typed", exact=True)).to_be_visible()
        assert desk.complaints == []


def _tab_to(desk: Desk, selector: str) -> None:
    """Press Tab until it has the focus."""
    for _ in range(40):
        desk.page.keyboard.press("Tab")
        if desk.page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never reaches {selector}")


def test_the_colour_scheme_can_be_chosen_and_is_remembered(desk: Desk) -> None:
    ground = "getComputedStyle(document.documentElement).getPropertyValue('--ground').trim()"
    assert desk.page.evaluate(ground) == "#f5f6f8"
    for _ in range(2):
        desk.page.get_by_role("button", name="Colour scheme").click()
    assert desk.page.evaluate("document.documentElement.dataset.theme") == "dark"
    desk.page.reload()
    desk.heading("Overview").wait_for()
    assert desk.page.evaluate(ground) == "#0f1217"


def test_nothing_moves_for_who_asked_for_less_motion(up: Up, chromium: Browser) -> None:
    with Desk(up, chromium, reduced_motion="reduce") as desk:
        desk.sign_in()
        assert desk.page.evaluate("document.getAnimations().length") == 0
