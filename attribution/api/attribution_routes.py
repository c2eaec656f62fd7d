"""`/v1/attribution`, `/v1/journeys/{cookie_id}` and the reports: who brought what, under every model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from attribution.api.attribution_bodies import ATTRIBUTION, JOURNEY, MARKOV, SHAPLEY
from attribution.api.known_parameters import known_parameters
from attribution.api.tenancy import Asking, Tenancy
from attribution.faults import Fault, Forbidden, Refused
from attribution.journey_view import view_journey
from attribution.link_fields import INT_MAX
from attribution.models import REPORTED
from attribution.period_reports import Asked, By, credit_report, markov_report, shapley_report
from attribution.periods import period_of

router = APIRouter(tags=["attribution"], dependencies=[Depends(known_parameters)])

Moment = Annotated[str | None, Query(max_length=40, description="Date or RFC 3339 time.")]
Campaign = Annotated[int | None, Query(ge=1, le=INT_MAX, description="Only this campaign.")]
Currency = Annotated[
    str | None, Query(pattern=r"^[A-Z]{3}$", description="Only conversions in this currency.")
]
Zone = Annotated[str, Query(max_length=64, description="IANA name, as Europe/Berlin.")]


def period_asked(start: Moment = None, end: Moment = None, timezone: Zone = "UTC") -> Asked:
    """The half-open period of conversions, by default the last 30 days, today included."""
    period = period_of(start, end, "month", timezone, datetime.now(UTC))
    return Asked(period.start, period.end)


InPeriod = Annotated[Asked, Depends(period_asked)]


@router.get("/v1/attribution", responses=ATTRIBUTION)
async def get_attribution(
    asking: Asking,
    asked: InPeriod,
    by: By = "partner",
    currency: Currency = None,
    reported: Annotated[
        str, Query(max_length=100, description="Models to add: distinct_partner, w_shaped, comma-separated.")
    ] = "",
) -> dict[str, Any]:
    """The credit of each partner, campaign or link under every model side by side; `payable` is that of the model that
    pays. Totals of money only where there is one currency."""
    models = tuple(dict.fromkeys(name for name in reported.split(",") if name))
    unknown = [name for name in models if name not in REPORTED]
    if unknown:
        raise Refused([Fault("reported", f"{unknown[0]!r} is none of {', '.join(REPORTED)}")])
    if models:
        _refuse_partner(asking)
    async with asking.transaction() as connection:
        return await credit_report(connection, asked._replace(currency=currency, reported=models), by)


@router.get("/v1/journeys/{cookie_id}", responses=JOURNEY)
async def get_journey(asking: Asking, cookie_id: UUID) -> dict[str, Any]:
    """What one cookie did: its newest 1,000 clicks and conversions in the order in which they happened."""
    async with asking.transaction() as connection:
        return await view_journey(connection, cookie_id)


@router.get("/v1/reports/markov", responses=MARKOV, tags=["reports"])
async def get_markov(asking: Asking, asked: InPeriod, campaign: Campaign = None) -> dict[str, Any]:
    """The removal effect: how much of all conversions goes with each partner, in the absorbing chain of first order
    over the period's journeys, those that led to no purchase included. Exact."""
    _refuse_partner(asking)
    async with asking.transaction() as connection:
        return await markov_report(connection, asked, campaign)


@router.get("/v1/reports/shapley", responses=SHAPLEY, tags=["reports"])
async def get_shapley(asking: Asking, asked: InPeriod, campaign: Campaign = None) -> dict[str, Any]:
    """The Shapley value: how many of the period's conversions each partner is worth, where each needed every partner of
    its journey. Exact."""
    _refuse_partner(asking)
    async with asking.transaction() as connection:
        return await shapley_report(connection, asked, campaign)


def _refuse_partner(asking: Tenancy) -> None:
    """Whole journeys name every partner in them. Raises Forbidden."""
    if asking.caller.role == "partner":
        raise Forbidden("This compares whole journeys, and a partner sees its own clicks only.")
