"""Before the data is there, where there is none, and when it could not be had: every page says which it is."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.browser.desk import Desk

PAGES = {
    "links": ("/v1/links", "tbody tr"),
    "partners": ("/v1/stats", "tbody tr"),
    "conversions": ("/v1/conversions", "tbody tr"),
    "attribution": ("/v1/attribution", "tbody tr"),
    "overview": ("/v1/stats", ".tile"),
}


@pytest.mark.parametrize("place", PAGES)
def test_loading_and_failing_are_said_and_tried_again(desk: Desk, place: str) -> None:
    path, content = PAGES[place]
    held: list[Route] = []
    is_away: list[bool] = []
    desk.page.route(f"**{path}?*", lambda route: route.abort() if is_away else held.append(route))
    desk.page.evaluate("place => { location.hash = `#/${place}?period=30d`; }", place)
    expect(desk.page.get_by_role("status", name="Loading").first).to_be_visible()
    desk.until(lambda: held, "the request")
    expect(desk.page.locator(content)).to_have_count(0)
    is_away.append(True)
    for route in held:
        route.abort()
    expect(desk.page.get_by_role("alert").first).to_contain_text("The API cannot be reached")
    desk.page.unroute(f"**{path}?*")
    desk.page.get_by_role("button", name="Try again").first.click()
    expect(desk.page.locator(content).first).to_be_visible()
    expect(desk.page.locator(".is-failed")).to_have_count(0)
    desk.complaints.clear()


def test_who_has_nothing_yet_is_told_what_to_do(stranger: Desk) -> None:
    stranger.enter(stranger.new_key("partner", partner_id=stranger.id_of("partner", "Dan")))
    stranger.open("overview")
    first_steps = stranger.page.get_by_role("region", name="First steps")
    expect(first_steps).to_contain_text("Nothing was clicked yet")
    first_steps.get_by_role("link", name="To the links").click()
    expect(stranger.heading("Links")).to_be_visible()
    expect(stranger.page.locator(".empty-title")).to_have_text("No links yet")
    for place in ("conversions", "attribution"):
        stranger.open(place)
        expect(stranger.page.locator(".empty-title")).to_have_text("No conversions in this period")
    stranger.open("campaigns")
    expect(stranger.page.locator("tbody tr")).to_contain_text("Autumn")
