"""The way in and out: only a key that works opens anything, and it is kept in the tab alone."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.desk import Desk


def test_a_wrong_key_is_refused_beside_its_field(stranger: Desk) -> None:
    stranger.sign_in("clk_admin_wrong")
    expect(stranger.page.get_by_role("alert")).to_have_text(
        "This key does not work. Is it complete, and not revoked?"
    )
    expect(stranger.page.get_by_label("API key")).to_be_focused()
    assert stranger.page.evaluate("sessionStorage.length") == 0


def test_the_right_key_opens_the_overview_and_sign_out_forgets_it(stranger: Desk) -> None:
    desk = stranger
    desk.sign_in()
    expect(desk.page.locator(".role")).to_have_text("admin")
    desk.page.reload()
    expect(desk.heading("Overview")).to_be_visible()
    desk.page.get_by_role("button", name="Sign out").click()
    expect(desk.heading("Sign in")).to_be_visible()
    assert desk.page.evaluate("[sessionStorage.length, JSON.stringify(localStorage).includes('clk_')]") == [
        0,
        False,
    ]


def test_a_shared_address_is_where_one_arrives_after_signing_in(stranger: Desk) -> None:
    page = stranger.page
    page.goto(f"{stranger.up.api_url}/#/links/ana-1?period=7d&timezone=Asia%2FTokyo")
    page.get_by_label("API key").fill(stranger.up.admin_key)
    page.keyboard.press("Enter")
    expect(stranger.heading("ana-1")).to_be_visible()
    expect(page.locator('[data-key="period"]')).to_have_text("Last 7 daysTokyo")


def test_a_key_revoked_meanwhile_leads_back_to_the_way_in(desk: Desk) -> None:
    new = desk.ask("POST", "/v1/keys", {"role": "admin", "label": "short-lived"})
    desk.page.evaluate("key => sessionStorage.setItem('clickledger.key', key)", new["key"])
    desk.open("links")
    desk.ask("DELETE", f"/v1/keys/{new['api_key_id']}")
    desk.page.get_by_role("link", name="Overview").click()
    expect(desk.page.get_by_role("alert")).to_contain_text("does not work any more")


def test_a_partner_sees_their_own_links_only(stranger: Desk) -> None:
    partner = stranger
    partner.enter(partner.new_key("partner", partner_id=partner.id_of("partner", "Ana")))
    expect(partner.page.locator(".role")).to_have_text("partner")
    partner.open("links")
    codes = partner.page.locator(".link-code").all_inner_texts()
    assert {"ana-1", "ana-2", "ana/3"} <= set(codes)
    assert not any(code.startswith("ben") for code in codes)
    partner.page.get_by_role("button", name="New link").click()
    owner = partner.page.get_by_label("Whose clicks these are")
    expect(owner.locator("option")).to_have_text(["Ana in Spring"])
