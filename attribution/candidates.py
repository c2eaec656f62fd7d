"""Finds the clicks a conversion may have come from, by everything that was reported with it, many conversions at once.

Comes in: conversions. Goes out: for each its candidate clicks, each with what matched it and how sure that is. The
click and cookie reported are sure; other cookies of the same customer less so; the same address and browser within a
day counts only where nothing else matched and no second visitor looks alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from attribution.conversion_rows import CONFIDENCES, Conversion, least
from attribution.decision import Found
from attribution.models import DAY_MS
from attribution.moments import month_start
from attribution.terms import SQL, Connection
from schema.ids import clicked_at
from schema.links import WINDOW_DAYS_MAX

TOUCHES_MAX = 1_000
"""Of one cookie: a journey longer than this is no visitor's, and its newest clicks are enough to see that."""
LINKED_COOKIES_MAX = 50
CUSTOMERS_OF_COOKIE_MAX = 5
"""A cookie that more customers than this used is a shared device: it leads to nobody else's clicks."""


class Wanted(NamedTuple):
    """A cookie to look for clicks of, for the conversion at a place."""

    place: int
    cookie_id: UUID
    confidence: str
    matched_by: str


class Candidates:
    """The candidates of each conversion, by its place, and which conversions name a click that is not there."""

    def __init__(self, conversions: Sequence[Conversion]) -> None:
        self.conversions = conversions
        self.found: list[dict[int, Found]] = [{} for _ in conversions]
        self.missing: set[int] = set()
        self.reported_cookies: dict[int, UUID] = {}
        """The cookies of clicks reported by id."""
        self._wanted: dict[tuple[int, UUID], Wanted] = {}

    def add(self, place: int, found: Found) -> None:
        """Keep a candidate, by its surest match; the report itself may deserve less than the match."""
        capped = least((found.confidence, self.conversions[place].confidence))
        known = self.found[place].get(found.click_id)
        if known is None or CONFIDENCES.index(capped) > CONFIDENCES.index(known.confidence):
            self.found[place][found.click_id] = found._replace(confidence=capped)

    def want(self, place: int, cookie_id: UUID, confidence: str, matched_by: str) -> None:
        """Look for the clicks of a cookie; the first, surest way to it counts."""
        self._wanted.setdefault((place, cookie_id), Wanted(place, cookie_id, confidence, matched_by))

    @property
    def wanted(self) -> list[Wanted]:
        """The cookies to look for."""
        return list(self._wanted.values())


async def find_candidates(
    connection: Connection,
    conversions: Sequence[Conversion],
    *,
    is_every: bool = False,
    is_linking: bool = False,
) -> Candidates:
    """Load the candidates.

    `is_every` brings those of other classes and beyond every window too, to explain them. `is_linking` first links
    customers to the cookies of the clicks they reported, so that journeys span devices.
    """
    candidates = Candidates(conversions)
    await _add_reported(connection, candidates)
    if is_linking:
        await _link_customers(connection, candidates)
    for place, conversion in enumerate(conversions):
        if conversion.cookie_id is not None:
            candidates.want(place, conversion.cookie_id, "high", "cookie_id")
    await _want_linked(connection, candidates)
    await _add_clicks_of_cookies(connection, candidates, is_every=is_every)
    await _add_visitors(connection, candidates)
    return candidates


async def _add_reported(connection: Connection, candidates: Candidates) -> None:
    """The clicks reported by id, and the way to their cookies."""
    asked = [
        (place, conversion.click_id, clicked_at(conversion.click_id))
        for place, conversion in enumerate(candidates.conversions)
        if conversion.click_id is not None
    ]
    if not asked:
        return
    candidates.missing = {place for place, _, _ in asked}
    places, ids, moments = (list(column) for column in zip(*asked, strict=True))
    for row in await connection.fetch(SQL["clicks_by_id"], places, ids, moments, min(moments), max(moments)):
        place = row["place"]
        candidates.missing.discard(place)
        candidates.add(place, _found(row, row["cookie_id"], "high", "click_id"))
        if row["cookie_id"] is not None:
            candidates.reported_cookies[place] = row["cookie_id"]
            candidates.want(place, row["cookie_id"], "high", "click_id")


async def _link_customers(connection: Connection, candidates: Candidates) -> None:
    links = [
        (conversion.vendor_id, customer, cookie_id, conversion.occurred_at)
        for place, cookie_id in candidates.reported_cookies.items()
        for conversion in (candidates.conversions[place],)
        for customer in (conversion.customer_id, conversion.customer_email)
        if customer is not None
    ]
    if links:
        await connection.execute(SQL["link_customers"], *map(list, zip(*links, strict=True)))


async def _want_linked(connection: Connection, candidates: Candidates) -> None:
    """The customer's other cookies."""
    for field in ("customer_id", "customer_email"):
        asked = [
            (place, conversion.vendor_id, getattr(conversion, field), conversion.occurred_at)
            for place, conversion in enumerate(candidates.conversions)
            if getattr(conversion, field) is not None
        ]
        if not asked:
            continue
        columns = [list(column) for column in zip(*asked, strict=True)]
        limits = (LINKED_COOKIES_MAX, CUSTOMERS_OF_COOKIE_MAX)
        matched_by = field.removeprefix("customer_") if field == "customer_email" else field
        for row in await connection.fetch(SQL["linked_cookies"], *columns, *limits):
            candidates.want(row["place"], row["cookie_id"], "medium", matched_by)


async def _add_clicks_of_cookies(connection: Connection, candidates: Candidates, *, is_every: bool) -> None:
    wanted = candidates.wanted
    if not wanted:
        return
    windows = await _windows(connection, candidates.conversions, is_every=is_every)
    since, until = _bounds(candidates.conversions, windows, is_every=is_every)
    rows = await connection.fetch(
        SQL["every_click_of_cookies" if is_every else "clicks_of_cookies"],
        list(range(len(wanted))),
        [one.cookie_id for one in wanted],
        [since[one.place] for one in wanted],
        [until[one.place] for one in wanted],
        min(since),
        max(until),
        TOUCHES_MAX,
    )
    for row in rows:
        _, cookie_id, confidence, matched_by = one = wanted[row["place"]]
        candidates.add(one.place, _found(row, cookie_id, confidence, matched_by))


def _bounds(
    conversions: Sequence[Conversion], windows: dict[int, int], *, is_every: bool
) -> tuple[list[datetime], list[datetime]]:
    """From when to when a click of each conversion may lie."""
    since = [
        conversion.occurred_at - timedelta(days=windows.get(conversion.vendor_id, 0))
        for conversion in conversions
    ]
    beyond = timedelta(milliseconds=DAY_MS if is_every else 0)
    return since, [conversion.occurred_at + beyond for conversion in conversions]


async def _windows(
    connection: Connection, conversions: Sequence[Conversion], *, is_every: bool
) -> dict[int, int]:
    """Each vendor's longest window, in days."""
    vendors = sorted({conversion.vendor_id for conversion in conversions})
    if is_every:
        return dict.fromkeys(vendors, WINDOW_DAYS_MAX)
    rows = await connection.fetch(SQL["longest_windows"], vendors)
    return {row["vendor_id"]: row["window_days"] for row in rows}


async def _add_visitors(connection: Connection, candidates: Candidates) -> None:
    """Clicks of the same address and browser, for conversions that led to nothing else, if all are one visitor's."""
    asked = [
        (place, conversion.vendor_id, visitor, conversion.occurred_at)
        for place, conversion in enumerate(candidates.conversions)
        if not candidates.found[place]
        for visitor in conversion.visitor_hashes
    ]
    if not asked:
        return
    columns = [list(column) for column in zip(*asked, strict=True)]
    moments = columns[3]
    since = month_start(min(moments) - timedelta(days=1))
    visits: dict[int, list[Any]] = {}
    for row in await connection.fetch(SQL["clicks_of_visitors"], *columns, since, max(moments), TOUCHES_MAX):
        visits.setdefault(row["place"], []).append(row)
    for place, rows in visits.items():
        if len({row["cookie_id"] or row["visitor_hash"] for row in rows}) == 1:
            for row in rows:
                candidates.add(place, _found(row, row["cookie_id"], "low", "fingerprint"))


def _found(row: Any, cookie_id: UUID | None, confidence: str, matched_by: str) -> Found:
    known = row.get("click_class", "valid"), row.get("is_deleted", False)
    return Found(
        row["click_id"],
        row["partner_link_id"],
        row["partner_id"],
        row["campaign_version_id"],
        cookie_id,
        confidence,
        matched_by,
        *known,
    )
