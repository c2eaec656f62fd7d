"""The way in and out: only a key that works opens anything, and it is kept in the tab alone."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser.desk import Desk
from tests.running_system import Up


def test_a_wrong_key_is_refused_beside_its_field(up: Up, chromium: Browser) -> None:
    with Desk(up, chromium) as desk:
        desk.sign_in("clk_admin_wrong")
        expect(desk.page.get_by_role("alert")).to_have_text(
            "This key does not work. Is it complete, and not revoked?"
        )
        expect(desk.page.get_by_label("API key")).to_be_focused()
        assert desk.page.evaluate("sessionStorage.length") == 0


def test_the_right_key_opens_the_overview_and_sign_out_forgets_it(desk: Desk) -> None:
    expect(desk.page.locator(".role")).to_have_text("admin")
    desk.page.reload()
    expect(desk.heading("Overview")).to_be_visible()
    desk.page.get_by_role("button", name="Sign out").click()
    expect(desk.heading("Sign in")).to_be_visible()
    assert desk.page.evaluate("[sessionStorage.length, JSON.stringify(localStorage).includes('clk_')]") == [
        0,
        False,
    ]


def test_a_shared_address_is_where_one_arrives_after_signing_in(up: Up, chromium: Browser) -> None:
    with Desk(up, chromium) as desk:
        desk.page.goto(f"{up.api_url}/#/links/ana-1?period=7d&timezone=Asia%2FTokyo")
        desk.page.get_by_label("API key").fill(up.admin_key)
        desk.page.keyboard.press("Enter")
        expect(desk.heading("ana-1")).to_be_visible()
        expect(desk.page.locator('[data-key="period"]')).to_have_text("Last 7 daysTokyo")
        assert desk.complaints == []


def test_a_key_revoked_meanwhile_leads_back_to_the_way_in(desk: Desk) -> None:
    new = desk.ask("POST", "/v1/keys", {"role": "admin", "label": "short-lived"})
    desk.page.evaluate("key => sessionStorage.setItem('clickledger.key', key)", new["key"])
    desk.open("links")
    desk.ask("DELETE", f"/v1/keys/{new['api_key_id']}")
    desk.page.get_by_role("link", name="Overview").click()
    expect(desk.page.get_by_role("alert")).to_contain_text("does not work any more")


def test_a_partner_sees_their_own_links_only(desk: Desk, up: Up, chromium: Browser) -> None:
    partners = desk.ask("GET", "/v1/partners")["partners"]
    ana = next(partner["partner_id"] for partner in partners if partner["name"] == "Ana")
    key = desk.ask("POST", "/v1/keys", {"role": "partner", "partner_id": ana})["key"]
    with Desk(up, chromium) as partner:
        partner.sign_in(key)
        expect(partner.page.locator(".role")).to_have_text("partner")
        partner.open("links")
        codes = partner.page.locator(".link-code").all_inner_texts()
        assert {"ana-1", "ana-2", "ana/3"} <= set(codes)
        assert not any(code.startswith("ben") for code in codes)
        partner.page.get_by_role("button", name="New link").click()
        owner = partner.page.get_by_label("Whose clicks these are")
        expect(owner.locator("option")).to_have_text(["Ana in Spring"])
        assert partner.complaints == []
