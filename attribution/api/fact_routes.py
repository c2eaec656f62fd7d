"""`/v1/clicks` and `/v1/conversions`: what happened, one by one, a page at a time as JSON or all of it as CSV or NDJSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query

from attribution.api.exports import Listing, stream
from attribution.api.fact_bodies import FRESH, ClickRow, ConversionRow
from attribution.api.formats import CSV, JSON, NDJSON, wanted_format
from attribution.api.known_parameters import known_parameters
from attribution.api.list_bodies import page
from attribution.api.tenancy import Asking, Tenancy
from attribution.link_fields import INT_MAX, MOMENT_MAX, MOMENT_MIN
from attribution.outcome_body import STATES
from attribution.periods import moment_of
from attribution.stats import freshness
from attribution.stats_figures import decimal_text
from schema.money import amount_text
from schema.queries import load_queries

router = APIRouter(dependencies=[Depends(known_parameters)])
SQL = load_queries("attribution", "facts.sql")

ID_MAX = 2**63 - 1
PAGE_ROWS = 100
CLICK_COLUMNS = (
    "click_id", "clicked_at", "code", "partner_id", "campaign_version_id", "cookie_id", "click_class", "class_reason",
    "is_unique", "ip", "user_agent", "referrer_url", "utm_source", "utm_medium", "utm_campaign", "utm_content",
    "utm_term", "sub1", "sub2", "sub3", "sub4", "sub5", "country_code", "device_type", "browser", "os",
)  # fmt: skip
CONVERSION_COLUMNS = (
    "conversion_event_id", "conversion_id", "event", "transaction_id", "status", "attribution_state", "state_reason",
    "event_value", "currency", "commission", "attribution_model", "confidence", "matched_by", "partner_id",
    "campaign_version_id", "code", "click_id", "clicked_at", "cookie_id", "coupon", "adjusts_conversion_event_id",
    "is_held", "hold_reason", "occurred_at", "recorded_at", "approved_at", "rejected_at", "rejection_reason", "paid_at",
    "outcome", "amount",
)  # fmt: skip

Cursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,19}$", description="`next_cursor` of the page before.")
]
Rows = Annotated[
    int | None, Query(ge=1, le=1000, description="How many at most: 100 as JSON, all of them otherwise.")
]
Moment = Annotated[str | None, Query(max_length=40, description="Date or RFC 3339 time.")]
Code = Annotated[str | None, Query(max_length=255, description="Only those of this code.")]
Partner = Annotated[int | None, Query(ge=1, le=INT_MAX, description="Only those of this partner.")]
Campaign = Annotated[int | None, Query(ge=1, le=INT_MAX, description="Only those of this campaign.")]
Accept = Annotated[
    str | None,
    Header(max_length=1000, description=f"`{JSON}`, `{CSV}` or `{NDJSON}`; the last two are streams."),
]
STREAMED: dict[str, Any] = {CSV: {"schema": {"type": "string"}}, NDJSON: {"schema": {"type": "string"}}}


def _formats(name: str, row: type[ClickRow | ConversionRow]) -> dict[int | str, dict[str, Any]]:
    """A page as JSON, or everything as a stream."""
    described = page(name, row, **FRESH)
    described[200]["content"] = STREAMED
    return described


@router.get("/v1/clicks", tags=["clicks"], responses=_formats("clicks", ClickRow))
async def get_clicks(
    asking: Asking,
    limit: Rows = None,
    cursor: Cursor = None,
    start: Moment = None,
    end: Moment = None,
    link: Code = None,
    partner: Partner = None,
    campaign: Campaign = None,
    accept: Accept = None,
) -> Any:
    """Clicks of every class, newest first. A click id is a decimal string: it is larger than JavaScript counts."""
    links = (_code(asking, link), partner, campaign)
    is_of_links = any(one is not None for one in links)
    statement, more = (SQL["list_clicks_of_links"], links) if is_of_links else (SQL["list_clicks"], ())
    listing = Listing("clicks", statement, (*_place(cursor, start, end), None, *more), CLICK_COLUMNS, _click)
    return await _answer(asking, listing, wanted_format(accept), limit, "click_id")


@router.get("/v1/conversions", tags=["conversions"], responses=_formats("conversions", ConversionRow))
async def get_conversions(
    asking: Asking,
    limit: Rows = None,
    cursor: Cursor = None,
    start: Moment = None,
    end: Moment = None,
    link: Code = None,
    status: Literal["pending", "approved", "rejected", "paid"] | None = None,
    partner: Partner = None,
    campaign: Campaign = None,
    accept: Accept = None,
) -> Any:
    """Conversions, the newest recorded first; start and end are about when they occurred. A partner, and who asks with
    `partner`, sees that partner's part of the commission."""
    values = (*_place(cursor, start, end), None, _code(asking, link), status, partner, campaign)
    listing = Listing("conversions", SQL["list_conversions"], values, CONVERSION_COLUMNS, _conversion)
    return await _answer(asking, listing, wanted_format(accept), limit, "conversion_event_id")


def _place(cursor: str | None, start: str | None, end: str | None) -> tuple[int, datetime, datetime]:
    """Where to begin, and the half-open period (open by default)."""
    since = moment_of("start", start) if start else MOMENT_MIN
    until = moment_of("end", end) if end else MOMENT_MAX
    return min(int(cursor), ID_MAX) if cursor else ID_MAX, since, until


def _code(asking: Tenancy, link: str | None) -> str | None:
    return None if link is None else asking.policy.normal(link.replace("\x00", ""))


async def _answer(asking: Tenancy, listing: Listing, media_type: str, limit: int | None, key: str) -> Any:
    """A page, or the stream of all rows."""
    before, since, until, _limit, *more = listing.values
    if media_type != JSON:
        return await stream(asking, listing._replace(values=(before, since, until, limit, *more)), media_type)
    rows_max = limit or PAGE_ROWS
    async with asking.transaction() as connection:
        rows = await connection.fetch(listing.statement, before, since, until, rows_max, *more)
        fresh = await freshness(connection)
    items = [listing.shown(row) for row in rows]
    following = str(items[-1][key]) if len(items) == rows_max else None
    return fresh | {listing.name: items, "next_cursor": following}


def _click(row: Mapping[str, Any]) -> dict[str, Any]:
    return dict(row) | {"click_id": str(row["click_id"])}


def _conversion(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(row)
    value, currency = shown["event_value"], shown["currency"]
    shown["outcome"] = "rejected" if shown["status"] == "rejected" else STATES[shown["attribution_state"]]
    shown["amount"] = None if value is None else amount_text(value, currency)
    for name in ("event_value", "commission"):
        amount: Decimal | None = shown[name]
        shown[name] = None if amount is None else decimal_text(amount)
    shown["click_id"] = None if shown["click_id"] is None else str(shown["click_id"])
    return shown
