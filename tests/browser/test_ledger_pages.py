"""The pages of money: five models side by side, conversions, one conversion's journey and explanation."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.ledger_answers import CONVERSION_ID, answer_as_documented


def test_five_models_stand_side_by_side_with_what_changes(desk: Desk) -> None:
    answer_as_documented(desk.page)
    desk.open("attribution?period=30d&timezone=UTC")
    ana = desk.page.locator('tr[data-row="1"]')
    assert ana.locator(".credit-amount").all_inner_texts() == [
        "€20.00",
        "€10.00",
        "€15.00",
        "€14.20",
        "€16.00",
    ]
    assert ana.locator(".change").all_inner_texts() == ["+€10.00", "baseline", "+€5.00", "+€4.20", "+€6.00"]
    expect(desk.page.locator("tfoot")).to_contain_text("3 conversions")
    desk.page.get_by_role("link", name="Campaigns", exact=True).click()
    desk.page.wait_for_url("**by=campaign*")


def test_a_conversion_is_opened_from_the_list_and_explains_itself(desk: Desk) -> None:
    answer_as_documented(desk.page)
    desk.open("conversions")
    desk.page.get_by_role("link", name="ORD-7").click()
    expect(desk.page.get_by_role("region", name="The conversion", exact=True)).to_contain_text(
        "€18.40 (10.00 %)"
    )
    journey = desk.page.get_by_role("img", name="Journey of 3 touches, credited under 5 models")
    expect(journey).to_be_visible()
    assert journey.locator(".journey-stop").count() == 3
    expect(journey.locator(".journey-row.is-paying")).to_contain_text("Linear")
    desk.page.get_by_text("Show as a table").click()
    expect(desk.page.locator(".plain-table tbody tr").first).to_contain_text("33.3% · €6.14")
    explanation = desk.page.get_by_role("region", name="Explanation")
    expect(explanation.locator("tbody tr")).to_have_count(6)
    expect(explanation).to_contain_text("gives way to the rate of the override")
    expect(explanation).to_contain_text("is older than the window of its campaign version")


def test_a_sale_of_a_real_visitor_is_followed_from_click_to_credit(desk: Desk) -> None:
    shop = desk.ask("GET", "/v1/vendors")["vendors"][0]["vendor_id"]
    key = desk.ask("POST", "/v1/keys", {"role": "vendor", "vendor_id": shop})["key"]
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


def test_endpoints_that_are_not_there_yet_are_no_failure(desk: Desk) -> None:
    for path in ("attribution?*", "conversions?*", f"conversions/{CONVERSION_ID}/explain"):
        desk.page.route(
            f"**/v1/{path}", lambda route: route.fulfill(status=404, json={"detail": "Not Found"})
        )
    for place in ("attribution", "conversions"):
        desk.open(place)
        expect(desk.page.locator(".empty-title")).to_have_text("Not available yet")
