"""`/v1/stats` and the stats of a link, a campaign, a partner: totals, series and breakdowns of a period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from attribution.api.code_paths import BelowCode
from attribution.api.stats_filters import Filters
from attribution.api.tenancy import Asking, Tenancy
from attribution.faults import Fault, NotFound, Refused
from attribution.link_fields import INT_MAX
from attribution.links import find_link
from attribution.models import STORED
from attribution.periods import Interval, Period, period_of, previous_of
from attribution.stats import DIMENSIONS, Scope, read_stats, read_totals, stamp
from schema.queries import load_queries

SQL = load_queries("attribution", "lists.sql")
router = APIRouter(tags=["stats"])
link_router = APIRouter(tags=["stats"], route_class=BelowCode)

Moment = Annotated[str | None, Query(max_length=40, description="Date or RFC 3339 time.")]
Id = Annotated[int, Path(ge=1, le=INT_MAX)]


class Question(NamedTuple):
    """What the query string asks for, understood."""

    period: Period
    previous: Period | None
    breakdowns: Sequence[str]
    filters: dict[str, list[str]]
    model: str | None
    top: int


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


def question_asked(
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
) -> Question:
    """The half-open period (by default the last 30 days, today included), breakdowns, and filters: a filter is a
    dimension's name, may repeat, and is empty for unknown."""
    period = period_of(start, end, interval, timezone, datetime.now(UTC))
    breakdowns = [name for name in breakdown.split(",") if name]
    unknown = [name for name in breakdowns if name not in DIMENSIONS]
    if unknown:
        raise Refused([Fault("breakdown", f"{unknown[0]!r} is none of {', '.join(DIMENSIONS)}")])
    if model is not None and model not in STORED:
        raise Refused([Fault("model", f"must be one of {', '.join(STORED)}")])
    previous = previous_of(period, timezone) if compare else None
    return Question(period, previous, tuple(dict.fromkeys(breakdowns)), filters, model, top)


Asked = Annotated[Question, Depends(question_asked)]
BODY: dict[int | str, dict[str, Any]] = {200: {"model": StatsBody}}


async def _answer(connection: Any, asked: Question, scope: Scope) -> dict[str, Any]:
    """The body, with the previous period's totals where asked for."""
    body = await read_stats(connection, asked.period, scope, asked.breakdowns, asked.top)
    if asked.previous is not None:
        body["previous"] = {
            "start": stamp(asked.previous.start),
            "end": stamp(asked.previous.end),
            "totals": await read_totals(connection, asked.previous, scope),
        }
    return body


@router.get("/v1/stats", responses=BODY)
async def get_stats(asking: Asking, asked: Asked) -> dict[str, Any]:
    """What everything the caller may see did."""
    async with asking.transaction() as connection:
        return await _answer(connection, asked, Scope(None, asked.filters, asked.model))


@link_router.get("/v1/links/{code:path}/stats", responses=BODY)
async def get_link_stats(asking: Asking, code: str, asked: Asked) -> dict[str, Any]:
    """What one link did."""
    async with asking.transaction() as connection:
        row = await find_link(connection, asking.policy, code)
        if row is None:
            raise NotFound(f"There is no link {code}.")
        return await _answer(connection, asked, Scope(row["partner_link_id"], asked.filters, asked.model))


@router.get("/v1/campaigns/{campaign_id}/stats", responses=BODY)
async def get_campaign_stats(asking: Asking, campaign_id: Id, asked: Asked) -> dict[str, Any]:
    """What the links of one campaign did, as far as the caller may see them."""
    return await _answer_one(asking, asked, "campaign", campaign_id)


@router.get("/v1/partners/{partner_id}/stats", responses=BODY)
async def get_partner_stats(asking: Asking, partner_id: Id, asked: Asked) -> dict[str, Any]:
    """What the links of one partner did, as far as the caller may see them."""
    return await _answer_one(asking, asked, "partner", partner_id)


async def _answer_one(asking: Tenancy, asked: Question, kind: str, number: int) -> dict[str, Any]:
    """One campaign or partner is a filter; with a filter of the same kind both must hold."""
    wanted = asked.filters.get(kind)
    filters = asked.filters | {kind: [str(number)]}
    if wanted is not None and str(number) not in wanted:
        filters["class"] = ["none"]  # which no click has
    async with asking.transaction() as connection:
        if not await connection.fetchval(SQL[f"{kind}_exists"], number):
            raise NotFound(f"There is no {kind} {number}.")
        return await _answer(connection, asked, Scope(None, filters, asked.model))
