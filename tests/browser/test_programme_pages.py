"""A campaign's page and a partner's page, reached by links from tables, each its own address."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.past import ORDER
from tests.running_system import wait_until


def test_partners_and_campaigns_are_listed_with_what_they_earned(desk: Desk) -> None:
    page = desk.page
    page.get_by_role("link", name="Partners", exact=True).first.click()
    expect(desk.heading("Partners")).to_be_focused()
    desk.settled()
    stats = desk.ask("GET", "/v1/stats?breakdown=partner")["breakdowns"]["partner"]
    ana = next(row for row in stats if row["value"] == str(desk.id_of("partner", "Ana")))
    row = page.locator(f'tr[data-row="{ana["value"]}"]')
    expect(row).to_contain_text("gold")
    expect(row).to_contain_text(f"€{ana['commission']['EUR']}")
    expect(page.get_by_role("link", name="Cleo", exact=True)).to_be_visible()  # without a click
    page.get_by_role("link", name="Campaigns", exact=True).click()
    expect(page.get_by_role("link", name="Autumn", exact=True)).to_be_visible()
    expect(desk.page.locator("tbody")).to_contain_text("8 flat")


def test_a_partners_page_is_reached_from_the_report_and_shows_theirs_only(desk: Desk) -> None:
    page = desk.page
    desk.open("overview?period=30d&timezone=UTC")
    page.get_by_role("region", name="Programme").get_by_role("link", name="Open partner Ana").click()
    expect(desk.heading("Ana")).to_be_visible()
    ana = desk.id_of("partner", "Ana")
    assert f"#/partners/{ana}?" in page.url
    desk.settled()
    stats = desk.ask("GET", f"/v1/partners/{ana}/stats?timezone=UTC")
    assert desk.number("clicks") == stats["totals"]["clicks"]
    expect(page.get_by_role("region", name="The partner")).to_contain_text("gold")
    links = page.get_by_role("region", name="Links").locator("tbody th")
    assert not any(text.startswith(("ben", "cleo")) for text in links.all_inner_texts())
    earned = page.get_by_role("region", name="Earned by campaign")
    expect(earned.get_by_role("link", name="Spring")).to_be_visible()
    expect(earned).to_contain_text(f"€{stats['totals']['commission']['EUR']}")
    conversions = page.get_by_role("region", name="Last conversions")
    expect(conversions.locator("tr", has_text=ORDER)).to_contain_text("€12.27")  # two of three touches
    conversions.get_by_role("link", name="All conversions").click()
    expect(desk.heading("Conversions")).to_be_visible()
    expect(page.get_by_role("button", name="Partner Ana: remove this filter")).to_be_visible()
    expect(page.get_by_role("link", name=ORDER, exact=True)).to_be_visible()


def test_a_campaigns_page_follows_its_clicks_and_opens_its_partners(desk: Desk) -> None:
    page = desk.page
    autumn = desk.id_of("campaign", "Autumn")
    desk.open(f"campaigns/{autumn}?period=today&timezone=UTC")
    expect(desk.heading("Autumn")).to_be_visible()
    expect(page.get_by_role("region", name="The campaign")).to_contain_text("8 flat")
    before = desk.number("clicks")
    assert desk.click_through("cleo-1", "SE", last=77) == 302
    desk.until(lambda: desk.number("clicks") > before, "the campaign's number to rise")
    expect(page.locator(".feed-entry").first).to_contain_text("cleo-1")
    assert set(page.locator(".feed-code").all_inner_texts()) <= {"cleo-1", "ben-9"}
    page.get_by_role("region", name="Earned by partner").get_by_role("link", name="Cleo").click()
    expect(desk.heading("Cleo")).to_be_visible()
    assert "period=today" in page.url


def test_filters_and_reload_keep_a_campaigns_address(desk: Desk) -> None:
    spring = desk.id_of("campaign", "Spring")
    wait_until(lambda: desk.click_through("ana-1", "SE", last=78) == 302, 10, "the door")
    desk.open(f"campaigns/{spring}?period=today&timezone=UTC")
    desk.page.locator('[data-key="country=SE"]').click()
    chip = desk.page.get_by_role("button", name="Country Sweden: remove this filter")
    expect(chip).to_be_visible()
    desk.page.reload()
    expect(desk.heading("Spring")).to_be_visible()
    expect(chip).to_be_visible()


def test_a_links_page_names_whose_it_is_and_what_it_sold(desk: Desk) -> None:
    desk.open("links/ana-2?period=30d")
    facts = desk.page.get_by_role("region", name="The link", exact=True)
    expect(facts.get_by_role("link", name="Spring", exact=True)).to_be_visible()
    conversions = desk.page.get_by_role("region", name="Last conversions")
    expect(conversions.get_by_role("link", name=ORDER, exact=True)).to_be_visible()
    facts.get_by_role("link", name="Ana", exact=True).click()
    expect(desk.heading("Ana")).to_be_visible()


def test_a_partner_or_campaign_that_is_not_there_says_so(desk: Desk) -> None:
    for kind in ("partner", "campaign"):
        desk.open(f"{kind}s/4711")
        expect(desk.page.get_by_role("region", name=f"The {kind}")).to_contain_text("Not found")
        expect(desk.page.locator(".tile")).to_have_count(0)


def test_a_partner_sees_its_campaigns_and_nobody_elses_page(stranger: Desk) -> None:
    ana = stranger.new_key("partner", partner_id=stranger.id_of("partner", "Ana"))
    ben = stranger.id_of("partner", "Ben")
    stranger.enter(ana)
    stranger.page.get_by_role("link", name="Campaigns", exact=True).first.click()
    expect(stranger.page.get_by_role("link", name="Spring", exact=True)).to_be_visible()
    expect(stranger.page.get_by_role("link", name="Autumn", exact=True)).to_have_count(0)
    stranger.open(f"partners/{ben}")
    expect(stranger.page.get_by_role("region", name="The partner")).to_contain_text("Not found")
