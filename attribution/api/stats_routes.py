"""`/v1/stats` and `/v1/links/{code}/stats`: totals, series and breakdowns of a period."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from attribution.api.tenancy import Asking
from attribution.faults import Fault, NotFound, Refused
from attribution.links import find_link
from attribution.periods import Interval, Period, period_of
from attribution.stats import DIMENSIONS, Scope, read_stats

router = APIRouter(tags=["stats"])

FILTER_VALUES_MAX = 100
Moment = Annotated[str | None, Query(max_length=40, description="Date or RFC 3339 time.")]


class Question(BaseModel):
    """What the query string asks for, understood."""

    interval: Literal["hour", "day", "week", "month"]
    breakdowns: list[str]
    filters: dict[str, list[str]]
    top: int


def period_asked(
    start: Moment = None,
    end: Moment = None,
    interval: Interval = "day",
    timezone: Annotated[str, Query(max_length=64, description="IANA name, as Europe/Berlin.")] = "UTC",
) -> Period:
    """The half-open period; by default the last 30 days, today included."""
    return period_of(start, end, interval, timezone, datetime.now(UTC))


def question_asked(
    request: Request,
    interval: Interval = "day",
    breakdown: Annotated[str, Query(max_length=200, description="Comma-separated dimensions.")] = "",
    top: Annotated[int, Query(ge=1, le=1000, description="Values of a breakdown at most.")] = 10,
) -> Question:
    """Breakdowns and filters; a filter is a dimension's name, may repeat, and is empty for unknown."""
    breakdowns = [name for name in breakdown.split(",") if name]
    unknown = [name for name in breakdowns if name not in DIMENSIONS]
    if unknown:
        raise Refused([Fault("breakdown", f"{unknown[0]} is none of {', '.join(DIMENSIONS)}")])
    filters = {name: request.query_params.getlist(name) for name in DIMENSIONS}
    for name, values in filters.items():
        if len(values) > FILTER_VALUES_MAX:
            raise Refused([Fault(name, f"may have {FILTER_VALUES_MAX} values at most")])
        if any("\x00" in value for value in values):
            raise Refused([Fault(name, "may not contain a NUL character")])
    return Question(interval=interval, breakdowns=breakdowns, filters=filters, top=top)


PeriodAsked = Annotated[Period, Depends(period_asked)]
QuestionAsked = Annotated[Question, Depends(question_asked)]


@router.get("/v1/stats")
async def get_stats(asking: Asking, period: PeriodAsked, question: QuestionAsked) -> dict[str, Any]:
    """What everything the caller may see did."""
    scope = Scope(None, question.filters)
    async with asking.transaction() as connection:
        return await read_stats(connection, period, scope, question.breakdowns, question.top)


@router.get("/v1/links/{code:path}/stats")
async def get_link_stats(
    asking: Asking, code: str, period: PeriodAsked, question: QuestionAsked
) -> dict[str, Any]:
    """What one link did."""
    async with asking.transaction() as connection:
        row = await find_link(connection, asking.policy, code)
        if row is None:
            raise NotFound(f"There is no link {code}.")
        scope = Scope(row["partner_link_id"], question.filters)
        return await read_stats(connection, period, scope, question.breakdowns, question.top)
