"""Approving and rejecting: on a conversion's page and several at once, asked first, refusals said, roles respected."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.browser.desk import Desk
from tests.browser.past import HELD, ORDER, SALES


def test_one_is_approved_on_its_page_after_a_question(desk: Desk) -> None:
    sale = desk.sale(SALES[0])
    desk.open(f"conversions/{sale['conversion_id']}")
    sheet = desk.page.get_by_role("region", name="The conversion", exact=True)
    sheet.get_by_role("button", name="Approve").click()
    question = desk.page.get_by_role("dialog", name=f"Approve {SALES[0]}?")
    expect(question).to_contain_text("Commission of €1.00 becomes final")
    question.get_by_role("button", name="Cancel").click()
    assert desk.sale(SALES[0])["status"] == "pending"
    sheet.get_by_role("button", name="Approve").click()
    question.get_by_role("button", name="Approve").click()
    expect(sheet.locator(".badge", has_text="Approved")).to_be_visible()
    expect(sheet.get_by_role("button", name="Approve")).to_have_count(0)
    expect(sheet.get_by_role("button", name="Reject")).to_be_visible()
    assert desk.sale(SALES[0])["status"] == "approved"


def test_a_rejection_needs_a_reason_and_shows_it(desk: Desk) -> None:
    sale = desk.sale(SALES[1])
    desk.open(f"conversions/{sale['conversion_id']}")
    sheet = desk.page.get_by_role("region", name="The conversion", exact=True)
    sheet.get_by_role("button", name="Reject").click()
    question = desk.page.get_by_role("dialog", name=f"Reject {SALES[1]}?")
    expect(question.get_by_label("Reason")).to_be_focused()
    question.get_by_role("button", name="Reject").click()
    expect(question.locator(".field-error").first).to_contain_text("Say why")
    assert desk.sale(SALES[1])["status"] == "pending"
    question.get_by_label("Reason").fill("test <b>order</b>")
    desk.page.keyboard.press("Enter")
    expect(sheet).to_contain_text("Rejected: test <b>order</b>")
    expect(sheet.locator(".decisions button")).to_have_count(0)
    assert desk.sale(SALES[1])["rejection_reason"] == "test <b>order</b>"


def test_several_are_approved_at_once_from_the_list(desk: Desk) -> None:
    desk.open("conversions?status=pending&period=30d")
    bar = desk.page.get_by_role("region", name="Selected conversions")
    expect(bar).to_be_hidden()
    for name in SALES[2:5]:
        desk.page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    expect(bar).to_contain_text("3 selected")
    expect(bar).to_contain_text("€12.00 commission")
    bar.get_by_role("button", name="Approve 3").click()
    desk.page.get_by_role("dialog", name="Approve 3 conversions?").get_by_role(
        "button", name="Approve"
    ).click()
    expect(desk.page.get_by_role("dialog")).to_have_count(0)
    expect(bar).to_be_hidden()
    for name in SALES[2:5]:
        expect(_row(desk, name)).to_contain_text("Approved")
        assert desk.sale(name)["status"] == "approved"
    desk.page.get_by_role("link", name="Approved", exact=True).click()
    desk.page.wait_for_url("**status=approved*")
    expect(_row(desk, SALES[2])).to_be_visible()
    expect(_row(desk, HELD)).to_have_count(0)


def test_what_is_held_is_refused_until_somebody_has_looked(desk: Desk) -> None:
    desk.open("conversions?period=30d")
    expect(_row(desk, HELD)).to_contain_text("Held")
    for name in (HELD, SALES[5]):
        desk.page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()
    desk.page.get_by_role("button", name="Approve 2").click()
    question = desk.page.get_by_role("dialog", name="Approve 2 conversions?")
    question.get_by_role("button", name="Approve").click()
    refusal = question.get_by_role("alert")
    expect(refusal).to_contain_text("1 could not be changed")
    expect(refusal).to_contain_text(f"{HELD} The conversion is held")
    expect(_row(desk, SALES[5])).to_contain_text("Approved")
    assert desk.sale(HELD)["status"] == "pending"
    question.get_by_label("I have looked").check()
    question.get_by_role("button", name="Try again").click()
    expect(question).to_have_count(0)
    expect(_row(desk, HELD)).to_contain_text("Approved")
    assert desk.sale(HELD)["status"] == "approved"


def test_what_somebody_else_decided_meanwhile_is_said_and_shown(desk: Desk) -> None:
    sale = desk.sale(SALES[6])
    desk.open(f"conversions/{sale['conversion_id']}")
    sheet = desk.page.get_by_role("region", name="The conversion", exact=True)
    sheet.get_by_role("button", name="Approve").click()
    desk.ask("POST", f"/v1/conversions/{sale['conversion_id']}/reject", {"reason": "returned"})
    question = desk.page.get_by_role("dialog")
    question.get_by_role("button", name="Approve").click()
    expect(question.get_by_role("alert")).to_contain_text("The conversion is rejected already.")
    question.get_by_role("button", name="Cancel").click()
    expect(sheet).to_contain_text("Rejected: returned")


def test_an_api_that_is_away_keeps_the_question_open(desk: Desk) -> None:
    desk.open(f"conversions/{desk.sale(ORDER)['conversion_id']}")
    desk.page.get_by_role("button", name="Approve").click()
    desk.page.route("**/approve", lambda route: route.abort())
    question = desk.page.get_by_role("dialog")
    question.get_by_role("button", name="Approve").click()
    expect(question.get_by_role("alert")).to_contain_text("The API cannot be reached")
    expect(question.get_by_role("button", name="Try again")).to_be_enabled()
    assert desk.sale(ORDER)["status"] == "pending"
    desk.complaints.clear()


def test_a_vendor_decides_and_a_partner_only_reads(stranger: Desk) -> None:
    sale = stranger.sale(SALES[7])
    vendor = stranger.new_key("vendor", vendor_id=stranger.id_of("vendor", "Shop"))
    stranger.enter(vendor)
    stranger.open(f"conversions/{sale['conversion_id']}")
    expect(stranger.page.get_by_role("button", name="Approve")).to_be_visible()
    partner = stranger.new_key("partner", partner_id=stranger.id_of("partner", "Ben"))
    stranger.enter(partner)
    stranger.open(f"conversions/{sale['conversion_id']}")
    expect(stranger.page.get_by_role("img", name="Journey")).to_be_visible()
    expect(stranger.page.locator(".decisions button")).to_have_count(0)
    stranger.open("conversions?period=30d")
    expect(_row(stranger, SALES[7])).to_be_visible()
    expect(stranger.page.get_by_role("checkbox")).to_have_count(0)


def test_a_keyboard_selects_and_decides(desk: Desk) -> None:
    desk.open("conversions?status=pending&period=30d")
    box = desk.page.get_by_role("checkbox", name=f"Select {SALES[7]}", exact=True)
    box.focus()
    desk.page.keyboard.press("Space")
    reject = desk.page.get_by_role("region", name="Selected conversions").locator('[data-key="reject"]')
    desk.page.get_by_role("checkbox", name="Select all").focus()
    for _ in range(2):
        desk.page.keyboard.press("Shift+Tab")
    expect(reject).to_be_focused()
    desk.page.keyboard.press("Enter")
    expect(desk.page.get_by_label("Reason")).to_be_focused()
    desk.page.keyboard.press("Escape")
    expect(desk.page.get_by_role("dialog")).to_have_count(0)
    expect(reject).to_be_focused()


def _row(desk: Desk, name: str) -> Locator:
    link = desk.page.get_by_role("link", name=name, exact=True)
    return desk.page.locator("tr[data-conversion]").filter(has=link)
