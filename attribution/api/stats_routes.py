"""`/v1/stats` and the stats of a link, a campaign, a partner: totals, series and breakdowns of a period."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

import orjson
from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from attribution.api.code_paths import BelowCode
from attribution.api.fact_bodies import ReconciliationBody
from attribution.api.known_parameters import known_parameters
from attribution.api.stats_filters import Filters
from attribution.api.tenancy import Asking, Tenancy
from attribution.faults import Fault, NotFound, Refused
from attribution.link_fields import INT_MAX
from attribution.links import find_link
from attribution.models import STORED
from attribution.periods import Interval, Period, period_of, previous_of
from attribution.reconcile import reconcile
from attribution.stats import DIMENSIONS, Question, read_stats, read_totals
from attribution.stats_figures import stamp
from attribution.stats_scope import Subject
from schema.queries import load_queries

SQL = load_queries("attribution", "lists.sql")
router = APIRouter(tags=["stats"], dependencies=[Depends(known_parameters)])
link_router = APIRouter(tags=["stats"], route_class=BelowCode, dependencies=[Depends(known_parameters)])

Moment = Annotated[str | None, Query(max_length=40, description="Date or RFC 3339 time.")]
Id = Annotated[int, Path(ge=1, le=INT_MAX)]


class Asked(NamedTuple):
    """What the query string asks for, understood."""

    question: Question
    previous: Period | None


class StatsTotals(BaseModel):
    """Clicks are the valid ones; gross = clicks + filtered. Money is a decimal string by currency."""

    clicks: int
    gross: int
    filtered: dict[str, int]
    unique: int
    conversions: int
    revenue: dict[str, str]
    commission: dict[str, str]
    conversion_rate: str
    epc: dict[str, str]


class StatsStep(BaseModel):
    """One step of the series."""

    start: datetime
    clicks: int
    gross: int
    unique: int
    conversions: int
    revenue: dict[str, str]
    commission: dict[str, str]


class StatsRow(BaseModel):
    """One value of a breakdown; null is unknown."""

    value: str | None
    clicks: int
    gross: int
    unique: int
    conversions: int = 0
    revenue: dict[str, str] = {}
    commission: dict[str, str] = {}
    is_rest: bool = Field(False, description="The row of all values that have no counts of their own.")


class PreviousBody(BaseModel):
    """The period before."""

    start: datetime
    end: datetime
    totals: StatsTotals


class StatsBody(BaseModel):
    """Everything captured up to `as_of` is counted."""

    as_of: datetime | None
    lag_seconds: float | None
    totals: StatsTotals
    series: list[StatsStep]
    breakdowns: dict[str, list[StatsRow]]
    previous: PreviousBody | None = Field(None, description="With `compare=previous`.")


async def question_asked(
    filters: Filters,
    start: Moment = None,
    end: Moment = None,
    interval: Interval = "day",
    timezone: Annotated[str, Query(max_length=64, description="IANA name, as Europe/Berlin.")] = "UTC",
    breakdown: Annotated[str, Query(max_length=200, description="Comma-separated dimensions.")] = "",
    model: Annotated[
        str | None, Query(description="Whose commission to show; the paying model's by default.")
    ] = None,
    compare: Annotated[
        Literal["previous"] | None, Query(description="`previous` adds the totals of the period before.")
    ] = None,
    top: Annotated[int, Query(ge=1, le=1000, description="Values of a breakdown at most.")] = 10,
) -> Asked:
    """The half-open period (by default the last 30 days, today included), breakdowns, and filters: a filter is a
    dimension's name, may repeat, and is empty for unknown."""
    period = period_of(start, end, interval, timezone, datetime.now(UTC))
    breakdowns = [name for name in breakdown.split(",") if name]
    unknown = [name for name in breakdowns if name not in DIMENSIONS]
    if unknown:
        raise Refused([Fault("breakdown", f"{unknown[0]!r} is none of {', '.join(DIMENSIONS)}")])
    if model is not None and model not in STORED:
        raise Refused([Fault("model", f"must be one of {', '.join(STORED)}")])
    question = Question(period, filters, tuple(dict.fromkeys(breakdowns)), top, model)
    return Asked(question, previous_of(period, timezone) if compare else None)


QuestionAsked = Annotated[Asked, Depends(question_asked)]
BODY: dict[int | str, dict[str, Any]] = {200: {"model": StatsBody}}


async def _answer(connection: Any, asking: Tenancy, subject: Subject, asked: Asked) -> Response:
    """The body, with the previous period's totals where asked for. It is plain already and written as it is: thousands
    of steps take FastAPI's encoder longer than PostgreSQL."""
    body = await read_stats(connection, asking.caller, subject, asked.question)
    if asked.previous is not None:
        before = asked.question._replace(period=asked.previous, breakdowns=())
        body["previous"] = {
            "start": stamp(asked.previous.start),
            "end": stamp(asked.previous.end),
            "totals": await read_totals(connection, asking.caller, subject, before),
        }
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), media_type="application/json")


@router.get("/v1/stats", responses=BODY)
async def get_stats(asking: Asking, asked: QuestionAsked) -> Response:
    """What everything the caller may see did."""
    async with asking.transaction(is_snapshot=True) as connection:
        return await _answer(connection, asking, Subject(), asked)


@link_router.get("/v1/links/{code:path}/stats", responses=BODY)
async def get_link_stats(asking: Asking, code: str, asked: QuestionAsked) -> Response:
    """What one link did."""
    async with asking.transaction(is_snapshot=True) as connection:
        row = await find_link(connection, asking.policy, code)
        if row is None:
            raise NotFound(f"There is no link {code}.")
        return await _answer(connection, asking, Subject(link_id=row["partner_link_id"]), asked)


@router.get("/v1/campaigns/{campaign_id}/stats", responses=BODY)
async def get_campaign_stats(asking: Asking, campaign_id: Id, asked: QuestionAsked) -> Response:
    """What the links of one campaign did, as far as the caller may see them."""
    async with asking.transaction(is_snapshot=True) as connection:
        if not await connection.fetchval(SQL["campaign_exists"], campaign_id):
            raise NotFound(f"There is no campaign {campaign_id}.")
        return await _answer(connection, asking, Subject(campaign_id=campaign_id), asked)


@router.get("/v1/partners/{partner_id}/stats", responses=BODY)
async def get_partner_stats(asking: Asking, partner_id: Id, asked: QuestionAsked) -> Response:
    """What the links of one partner did, as far as the caller may see them."""
    async with asking.transaction(is_snapshot=True) as connection:
        if not await connection.fetchval(SQL["partner_exists"], partner_id):
            raise NotFound(f"There is no partner {partner_id}.")
        return await _answer(connection, asking, Subject(partner_id=partner_id), asked)


@router.get("/v1/reconcile", responses={200: {"model": ReconciliationBody}})
async def get_reconciliation(asking: Asking, start: Moment = None, end: Moment = None) -> dict[str, Any]:
    """Facts, rollups and totals side by side, with the differences: 0 in a sound ledger. The last 30 days by default."""
    period = period_of(start, end, "month", "UTC", datetime.now(UTC))
    async with asking.transaction(is_snapshot=True) as connection:
        return await reconcile(connection, asking.caller, period)
