"""Links by hand: made, clicked, watched, edited, switched off, found, copied, drawn as a QR code."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.running_system import wait_until

RISE_S_MAX = 2.0
TRIES = 4


def test_what_the_api_refuses_stands_next_to_its_field(desk: Desk) -> None:
    desk.open("links")
    desk.page.get_by_role("button", name="New link").click()
    form = desk.page.get_by_role("dialog", name="New link")
    form.get_by_label("Code", exact=True).fill("with space")
    form.get_by_label("Destination").fill("https://user:secret@shop.example/")
    form.get_by_text("Redirect and rules").click()
    form.get_by_label("Rules").fill('[{"to": "ftp://shop.example"}]')
    form.get_by_role("button", name="Create link").click()
    errors = form.locator('[data-field="code"] .field-error')
    expect(errors).to_have_text("contains spaces or control characters")
    expect(form.get_by_label("Code", exact=True)).to_be_focused()
    expect(form.locator('[data-field="rules"] .field-error')).to_contain_text("0.to:")
    form.get_by_label("Rules").fill("[{")
    form.get_by_role("button", name="Create link").click()
    expect(form.locator('[data-field="rules"] .field-error')).to_contain_text("is not JSON")


def test_a_link_is_made_clicked_and_its_number_rises_within_two_seconds(desk: Desk) -> None:
    desk.open("links")
    desk.page.get_by_role("button", name="New link").click()
    form = desk.page.get_by_role("dialog", name="New link")
    form.get_by_label("Whose clicks these are").select_option(label="Ana in Spring")
    form.get_by_label("Code", exact=True).fill("fresh/ü")
    form.get_by_label("Label").fill("Made in a browser")
    form.get_by_role("button", name="Create link").click()
    expect(desk.page.get_by_role("link", name="fresh/ü", exact=True)).to_be_visible()
    desk.page.get_by_role("link", name="fresh/ü", exact=True).click()
    expect(desk.heading("fresh/ü")).to_be_visible()
    desk.settled()
    wait_until(lambda: desk.click_through("fresh/ü", last=1) == 302, 10, "the door to know the link")
    expect(desk.page.locator('[data-metric="clicks"] .tile-value')).not_to_have_text("0")
    assert any(_seconds_until_seen(desk, number) < RISE_S_MAX for number in range(2, 2 + TRIES))
    expect(desk.page.locator(".feed-entry").first).to_contain_text("United Kingdom")


def _seconds_until_seen(desk: Desk, number: int) -> float:
    before = desk.number("clicks")
    started = time.monotonic()
    assert desk.click_through("fresh/ü", last=number) == 302
    desk.until(lambda: desk.number("clicks") > before, "the number to rise")
    return time.monotonic() - started


def test_editing_sends_what_was_changed_and_keeps_the_rest(desk: Desk) -> None:
    desk.ask("POST", "/v1/links", _plain("edit-me", utm_params={"utm_source": "a", "utm_id": "7"}))
    desk.open("links/edit-me")
    desk.page.get_by_role("button", name="Edit edit-me").click()
    form = desk.page.get_by_role("dialog", name="Edit edit-me")
    form.get_by_label("Label").fill("New label")
    form.get_by_label("utm_source").fill("b")
    form.get_by_text("Start, end, limit").click()
    form.get_by_label("Expires").fill("2031-07-01T12:00")
    form.get_by_role("button", name="Save").click()
    expect(desk.page.locator(".facts")).to_contain_text("New label")
    link = desk.ask("GET", "/v1/links/edit-me")
    assert link["label"] == "New label"
    assert link["utm_params"] == {"utm_source": "b", "utm_id": "7"}
    assert link["expires_at"] == "2031-07-01T10:00:00Z"  # noon in Berlin, in summer
    desk.page.get_by_role("button", name="Edit edit-me").click()
    expect(form.get_by_label("Expires")).to_have_value("2031-07-01T12:00")
    form.get_by_label("Expires").fill("")
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()
    assert desk.ask("GET", "/v1/links/edit-me")["expires_at"] is None


def test_disabling_asks_first_and_the_door_follows(desk: Desk) -> None:
    desk.ask("POST", "/v1/links", _plain("switch"))
    wait_until(lambda: desk.click_through("switch") == 302, 10, "the door to know the link")
    desk.open("links/switch")
    desk.page.get_by_role("button", name="Disable switch").click()
    desk.page.get_by_role("button", name="Keep as it is").click()
    assert not desk.ask("GET", "/v1/links/switch")["is_disabled"]
    desk.page.get_by_role("button", name="Disable switch").click()
    desk.page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(desk.page.locator(".link-line .badge")).to_have_text("Disabled")
    wait_until(lambda: desk.click_through("switch") == 410, 5, "the door to refuse")
    desk.page.get_by_role("button", name="Enable switch").click()
    expect(desk.page.locator(".link-line .badge")).to_have_text("Active")
    wait_until(lambda: desk.click_through("switch") == 302, 5, "the door to redirect again")


def test_search_asks_the_server_and_says_when_nothing_matches(desk: Desk) -> None:
    desk.ask("POST", "/v1/links", _plain("findable", label="Needle in the hay"))
    desk.open("links")
    search = desk.page.get_by_role("searchbox", name="Search links")
    search.fill("NEEDLE hay")
    expect(desk.page.locator(".link-code")).to_have_text(["findable"])
    assert "search=NEEDLE" in desk.page.url
    desk.page.reload()
    expect(desk.page.locator(".link-code")).to_have_text(["findable"])
    search.fill("nowhere to be found")
    expect(desk.page.locator(".empty-title")).to_have_text("Nothing matches “nowhere to be found”")
    search.fill("")
    expect(desk.page.get_by_role("link", name="ana-1", exact=True)).to_be_visible()


def test_many_links_come_a_page_at_a_time_and_each_with_its_clicks(desk: Desk) -> None:
    many = [_plain(f"many-{number}", label="one of many") for number in range(60)]
    desk.ask("POST", "/v1/links/bulk", {"links": many})
    wait_until(lambda: desk.click_through("many-3", "SE", 3) == 302, 10, "the door to know the link")
    wait_until(lambda: desk.ask("GET", "/v1/links/many-3/stats")["totals"]["clicks"] == 1, 10, "its click")
    desk.open("links?search=one+of+many")
    codes = desk.page.locator(".link-code")
    expect(codes).to_have_count(50)
    desk.page.get_by_role("button", name="Show more").click()
    expect(codes).to_have_count(60)
    assert codes.first.inner_text() == "many-59"
    expect(desk.page.locator('tr[data-code="many-3"] .bar-number')).to_have_text("1")
    expect(desk.page.locator(".list-foot")).to_contain_text("60 in all")


def test_links_are_narrowed_by_state_and_ranked_by_clicks(desk: Desk) -> None:
    desk.ask("POST", "/v1/links", _plain("switched-off", is_disabled=True))
    desk.open("links")
    desk.page.get_by_role("combobox", name="State of the links").select_option(label="Disabled")
    desk.page.wait_for_url("**status=disabled*")
    expect(desk.page.locator('tr[data-code="switched-off"]')).to_be_visible()
    expect(desk.page.locator('tr[data-code="ana-1"]')).to_have_count(0)
    desk.page.get_by_role("combobox", name="Order of the links").select_option(label="Most clicks first")
    desk.page.wait_for_url("**sort=clicks*")
    expect(desk.page.locator('tr[data-code="ben-1"]')).to_be_visible()
    numbers = [int(text) for text in desk.page.locator(".bar-number").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > 0


def test_copy_puts_the_whole_address_on_the_clipboard(desk: Desk) -> None:
    desk.open("links/ana-1")
    desk.page.get_by_role("button", name="Copy the address of ana-1").click()
    expect(desk.page.locator("#announcer")).to_contain_text("Copied")
    assert desk.page.evaluate("navigator.clipboard.readText()") == f"{desk.up.door_url}/ana-1"


def test_the_qr_code_is_shown_in_a_dialog(desk: Desk) -> None:
    if "/v1/links/{code}/qr.svg" not in desk.ask("GET", "/v1/openapi.json")["paths"]:
        pytest.skip("this version of the API draws no QR codes")
    desk.open("links/ana-1")
    desk.page.get_by_role("button", name="QR code of ana-1").click()
    picture = desk.page.get_by_role("img", name=f"QR code that leads to {desk.up.door_url}/ana-1")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    desk.page.keyboard.press("Escape")
    expect(desk.page.get_by_role("dialog")).to_be_hidden()


def _plain(code: str, **fields: object) -> dict[str, object]:
    return {"code": code, "destination_url": "https://shop.example/landing"} | fields
