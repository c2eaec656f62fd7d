"""Reading a report: filters, zoom, tabs, periods and zones, all of them in the address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.running_system import wait_until


@pytest.fixture
def clicked(desk: Desk) -> Desk:
    """With clicks from two countries on two links, within the last seven days."""
    week = f"/v1/stats?start={datetime.now(UTC).date() - timedelta(days=6)}"
    if desk.ask("GET", week)["totals"]["clicks"] < 6:
        for number in range(1, 5):
            assert desk.click_through("ana-1", "SE", number) == 302
        for number in range(1, 3):
            assert desk.click_through("ben-1", "US", number, Referer="https://news.example/today") == 302
        wait_until(lambda: desk.ask("GET", week)["totals"]["clicks"] >= 6, 10, "the clicks to be counted")
    desk.open("overview?period=7d&timezone=UTC")
    desk.until(lambda: desk.number("clicks") >= 6, "the clicks to be shown")
    return desk


def test_a_value_filters_everything_and_its_chip_takes_it_back(clicked: Desk) -> None:
    page = clicked.page
    everything = clicked.number("clicks")
    page.locator('[data-key="country=SE"]').click()
    chip = page.get_by_role("button", name="Country Sweden: remove this filter")
    expect(chip).to_be_visible()
    assert "country=SE" in page.url
    sweden = clicked.number("clicks")
    assert 0 < sweden < everything
    assert page.locator('.bars tr[data-value="ben-1"]').count() == 0
    page.go_back()
    expect(chip).to_be_hidden()
    page.go_forward()
    chip.click()
    expect(chip).to_be_hidden()
    assert clicked.number("clicks") == everything


def test_tabs_ask_for_other_dimensions_with_the_keyboard_too(clicked: Desk) -> None:
    visitors = clicked.page.get_by_role("region", name="Visitors")
    visitors.get_by_role("tab", name="Device").focus()
    clicked.page.keyboard.press("ArrowRight")
    expect(visitors.get_by_role("tab", name="Browser")).to_be_focused()
    expect(visitors.locator("tbody tr").first).to_contain_text("Chrome")


def test_dragging_over_the_chart_zooms_and_back_undoes_it(clicked: Desk) -> None:
    page = clicked.page
    canvas = page.locator(".u-over")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_url("**start=*")
    assert "period=" not in page.url
    page.go_back()
    expect(page.locator('[data-key="period"]')).to_contain_text("Last 7 days")


def test_the_zoom_buttons_do_the_same_without_a_pointer(clicked: Desk) -> None:
    page = clicked.page
    page.get_by_role("button", name="Zoom in").press("Enter")
    page.wait_for_url("**start=*")
    expect(page.locator('[data-key="period"]')).not_to_contain_text("Last 7 days")
    page.get_by_role("button", name="Zoom out").press("Enter")
    expect(page.get_by_role("button", name="Zoom out")).to_be_focused()


def test_a_tile_draws_its_number_and_the_table_says_it(clicked: Desk) -> None:
    page = clicked.page
    page.locator('[data-metric="unique"]').click()
    expect(page.get_by_role("heading", level=2, name="Unique")).to_be_visible()
    page.get_by_text("Show as a table").click()
    rows = page.locator(".chart-table tbody tr")
    expect(rows).to_have_count(7)
    numbers = [int(text) for text in rows.locator("td:nth-of-type(1)").all_inner_texts()]
    assert sum(numbers) == clicked.number("unique")


def test_period_and_zone_are_chosen_in_one_panel(clicked: Desk) -> None:
    page = clicked.page
    page.locator('[data-key="period"]').click()
    page.get_by_label("First day").fill("2026-03-29")
    page.get_by_label("Last day").fill("2026-03-29")
    page.get_by_role("button", name="Show these days").click()
    page.wait_for_url("**start=2026-03-29*end=2026-03-30*")
    clicked.settled()
    page.locator('[data-key="period"]').click()
    page.get_by_role("combobox", name="Time zone").select_option("Europe/Berlin")
    expect(page.locator('[data-key="period"]')).to_contain_text("Berlin")
    page.get_by_text("Show as a table").click()
    # clocks were put forward that night: 23 hours
    expect(page.locator(".chart-table tbody tr")).to_have_count(23)
    page.get_by_role("button", name="Previous period").click()
    page.wait_for_url("**start=2026-03-28*")


def test_an_empty_period_says_so(clicked: Desk) -> None:
    clicked.open("overview?start=2020-01-01&end=2020-02-01&timezone=UTC")
    expect(clicked.page.locator(".breakdown .empty-title").first).to_have_text("No clicks here yet")
    assert clicked.number("clicks") == 0


def test_an_api_that_is_away_is_an_error_with_another_try(clicked: Desk) -> None:
    page = clicked.page
    page.route("**/v1/stats?*", lambda route: route.abort())
    clicked.open("overview?period=30d&timezone=UTC")
    expect(page.locator(".is-failed").first).to_contain_text("cannot be reached")
    page.unroute("**/v1/stats?*")
    page.get_by_role("button", name="Try again").first.click()
    expect(page.locator(".is-failed")).to_have_count(0)
    clicked.complaints.clear()


def test_an_address_that_names_no_page_leads_back(desk: Desk) -> None:
    desk.open("nowhere")
    expect(desk.heading("Nothing here")).to_be_visible()
    desk.page.get_by_role("link", name="To the overview").click()
    expect(desk.heading("Overview")).to_be_visible()


def test_a_link_that_is_not_there_says_so(desk: Desk) -> None:
    desk.open("links/no-such-link")
    expect(desk.page.locator(".link-facts")).to_contain_text("Not found")
