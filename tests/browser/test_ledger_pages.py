"""The pages of money: five models side by side, conversions, one conversion's journey and explanation."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.past import ORDER


def test_five_models_stand_side_by_side_with_what_changes(desk: Desk) -> None:
    desk.open("attribution?period=30d&timezone=UTC")
    report = desk.ask("GET", "/v1/attribution")
    ana = next(row for row in report["rows"] if row["name"] == "Ana")
    row = desk.page.locator(f'tr[data-row="{ana["id"]}"]')
    amounts = [f"€{ana['credit'][model]}" for model in ("first_click", "last_click", "linear")]
    assert row.locator(".credit-amount").all_inner_texts()[:3] == amounts
    assert amounts == ["€23.40", "€23.40", "€17.27"]
    assert row.locator(".change").all_inner_texts()[:3] == ["same", "baseline", "-€6.13"]
    expect(desk.page.locator("tfoot")).to_contain_text(f"{report['totals']['conversions']} conversions")
    expect(desk.page.locator("tfoot td").last).not_to_have_text("")
    desk.page.get_by_role("link", name="Campaigns", exact=True).click()
    desk.page.wait_for_url("**by=campaign*")
    expect(desk.page.get_by_role("link", name="Spring")).to_be_visible()


def test_a_conversion_is_opened_from_the_list_and_explains_itself(desk: Desk) -> None:
    desk.open("conversions?period=30d")
    desk.page.get_by_role("link", name=ORDER, exact=True).click()
    expect(desk.page.get_by_role("region", name="The conversion", exact=True)).to_contain_text(
        "€18.40 (10 %)"
    )
    journey = desk.page.get_by_role("img", name="Journey of 3 touches, credited under 5 models")
    expect(journey).to_be_visible()
    assert journey.locator(".journey-stop").count() == 3
    expect(journey.locator(".journey-row.is-paying")).to_contain_text("Linear")
    desk.page.get_by_text("Show as a table").click()
    expect(desk.page.locator(".plain-table tbody tr").first).to_contain_text("33.3% · €6.14")
    explanation = desk.page.get_by_role("region", name="Explanation")
    expect(explanation.locator(".list").first.locator("tbody tr")).to_have_count(4)
    expect(explanation).to_contain_text("priced the conversion")
    expect(explanation).to_contain_text("is older than the window of its campaign version")


def test_a_sale_of_a_real_visitor_is_followed_from_click_to_credit(desk: Desk) -> None:
    key = desk.new_key("vendor", vendor_id=desk.id_of("vendor", "Shop"))
    ids = [
        desk.click_id("ana-2", cookie=(cookie := desk.new_cookie())),
        desk.click_id("ben-1", cookie=cookie),
    ]
    sale = {"event": "sale", "transaction_id": "BROWSER-1", "amount": "100.00", "currency": "EUR"}
    outcome = desk.report(key, sale | {"click_id": ids[-1]})
    assert outcome["outcome"] == "attributed"
    desk.open("conversions?period=7d&timezone=UTC")
    desk.page.get_by_role("link", name="BROWSER-1").click()
    journey = desk.page.locator("svg.journey")
    expect(journey).to_contain_text("ana-2")
    expect(journey.locator(".journey-stop")).to_have_count(3)
    expect(journey.locator(".journey-row")).to_have_count(5)
    explanation = desk.page.get_by_role("region", name="Explanation")
    expect(explanation.locator(".list").first.locator("tbody tr")).to_have_count(3)
    expect(explanation).to_contain_text("priced the conversion")
    desk.open("attribution?period=7d&timezone=UTC&by=link&currency=EUR")
    first_click = desk.page.locator("tr", has_text="ana-1").locator(".credit-amount").first
    expect(first_click).to_have_text("€10.00")
    desk.open("overview?period=7d&timezone=UTC")
    expect(desk.page.locator('[data-metric="revenue"] .tile-value')).to_have_text("€100.00")
