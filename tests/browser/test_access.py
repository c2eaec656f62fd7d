"""For everybody: axe finds nothing serious in either colour scheme, a keyboard is enough, a phone is wide enough."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.past import ORDER

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
SERIOUS = {"serious", "critical"}


def places(desk: Desk) -> list[str]:
    """A place of every kind."""
    return [
        "overview",
        "overview?country=GB",
        "overview?start=2020-01-01&end=2020-02-01",
        "links",
        "links?search=nothing-like-this",
        "links/ana-1",
        "partners",
        "campaigns",
        f"partners/{desk.id_of('partner', 'Ana')}",
        f"campaigns/{desk.id_of('campaign', 'Spring')}",
        "attribution",
        "conversions",
        f"conversions/{desk.sale(ORDER)['conversion_id']}",
        "nowhere",
    ]


def findings(desk: Desk, where: str) -> list[str]:
    """What axe holds against the page as it is, serious or critical; of the dark scheme only the colours are new."""
    light, dark = _findings(desk, "light"), _findings(desk, "dark", "color-contrast")
    return [f"{where}: {found}" for found in (*light, *dark)]


def _findings(desk: Desk, scheme: Any, *rules: str) -> list[str]:
    desk.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    if not desk.page.evaluate("'axe' in window"):
        # injected by the debugger, which the page's policy does not bind
        desk.page.evaluate(AXE.read_text(encoding="utf-8"))
    run = "rules => axe.run(rules.length ? { runOnly: rules } : {}).then(JSON.stringify)"
    result: dict[str, Any] = json.loads(desk.page.evaluate(run, list(rules)))
    return [
        f"{scheme}, {found['id']}: {node['html'][:160]} {node['failureSummary']}"
        for found in result["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


def test_axe_finds_nothing_serious_on_any_page(stranger: Desk) -> None:
    desk = stranger
    desk.page.goto(desk.up.api_url)
    desk.heading("Sign in").wait_for()
    found = findings(desk, "sign in")
    desk.sign_in()
    for place in places(desk):
        desk.open(place)
        found += findings(desk, place)
    assert found == []


def test_axe_finds_nothing_serious_in_panels_and_dialogs(desk: Desk) -> None:
    page = desk.page
    desk.open("overview")
    page.locator('[data-key="period"]').click()
    found = findings(desk, "the period panel")
    desk.open("links")
    page.get_by_role("button", name="New link").click()
    for group in page.locator(".link-form summary").all():
        group.click()
    page.get_by_role("button", name="Create link").click()
    expect(page.locator('[data-field="destination_url"] .field-error')).not_to_be_empty()
    found += findings(desk, "the form with an error")
    desk.open("conversions?status=pending")
    page.get_by_role("checkbox", name="Select all").check()
    found += findings(desk, "conversions selected")
    page.locator('[data-key="reject"]').click()
    page.get_by_role("dialog").get_by_role("button", name="Reject").click()
    found += findings(desk, "a rejection without a reason")
    assert found == []


def test_a_phone_scrolls_in_one_direction_only(phone: Desk) -> None:
    for place in places(phone):
        phone.open(place)
        assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place


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


def test_a_keyboard_is_enough(stranger: Desk) -> None:
    desk, keys, page = stranger, stranger.page.keyboard, stranger.page
    page.goto(desk.up.api_url)
    desk.heading("Sign in").wait_for()
    keys.type(desk.up.admin_key)  # the field has the focus
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


def _tab_to(desk: Desk, selector: str) -> None:
    """Press Tab until it has the focus."""
    for _ in range(40):
        desk.page.keyboard.press("Tab")
        if desk.page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never reaches {selector}")


def test_the_colour_scheme_can_be_chosen_and_is_remembered(desk: Desk) -> None:
    desk.open("overview")
    ground = "getComputedStyle(document.documentElement).getPropertyValue('--ground').trim()"
    assert desk.page.evaluate(ground) == "#f5f6f8"
    for _ in range(2):
        desk.page.get_by_role("button", name="Colour scheme").click()
    assert desk.page.evaluate("document.documentElement.dataset.theme") == "dark"
    desk.page.reload()
    desk.heading("Overview").wait_for()
    assert desk.page.evaluate(ground) == "#0f1217"


def test_nothing_moves_for_who_asked_for_less_motion(stranger: Desk) -> None:
    stranger.page.emulate_media(reduced_motion="reduce")
    stranger.enter()
    stranger.open("overview")
    assert stranger.page.evaluate("document.getAnimations().length") == 0
