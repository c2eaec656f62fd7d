"""Which rows of the rollups answer for a period, and what the clicks themselves must add to them or take away.

Hours are whole or counted from clicks: half-hour time zones. Breakdowns are kept by UTC day and, once a week is closed, by
week; where the period of another time zone begins within a day, the smaller part of that day is read from clicks. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from attribution.periods import Period

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)


class Edge(NamedTuple):
    """A part of a day whose clicks count (`sign` 1), or are counted with their day and must not be (-1)."""

    start: datetime
    end: datetime
    sign: int


class Days(NamedTuple):
    """Whole days (UTC) from `start` to `end`, and the edges that make them the period asked for."""

    start: datetime
    end: datetime
    edges: list[Edge]

    @property
    def edge_columns(self) -> tuple[list[datetime], list[datetime], list[int]]:
        """Starts, ends and signs, as PostgreSQL takes them."""
        return (
            [edge.start for edge in self.edges],
            [edge.end for edge in self.edges],
            [edge.sign for edge in self.edges],
        )


def split_hours(period: Period) -> list[datetime]:
    """Hours (UTC) in which the period or a step begins or ends other than on the hour: half-hour time zones."""
    edges = (period.start, period.end, *period.buckets)
    inside = [edge for edge in edges if edge.minute or edge.second or edge.microsecond]
    return sorted(
        {
            edge.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            for edge in inside
            if period.start <= edge <= period.end
        }
    )


def days_of(period: Period, *, is_adding_only: bool = False) -> Days:
    """The days with the least to read at their edges, or with edges that only add."""
    first, last = _midnight(period.start), _midnight(period.end)
    if first == last:
        return Days(first, first, [Edge(period.start, period.end, 1)])
    edges = []
    if period.start > first:
        if period.start - first <= _DAY / 2 and not is_adding_only:
            edges.append(Edge(first, period.start, -1))
        else:
            edges.append(Edge(period.start, first + _DAY, 1))
            first += _DAY
    if period.end > last:
        if last + _DAY - period.end <= _DAY / 2 and not is_adding_only:
            edges.append(Edge(period.end, last + _DAY, -1))
            last += _DAY
        else:
            edges.append(Edge(last, period.end, 1))
    return Days(first, last, edges)


def weeks_and_days(days: Days, closed_weeks: Sequence[date]) -> tuple[list[date], list[date]]:
    """The closed weeks within, by their Mondays, and the days that are in none of them."""
    start, end = days.start.date(), days.end.date()
    weeks = [week for week in closed_weeks if start <= week and week + _WEEK <= end]
    within = {week + number * _DAY for week in weeks for number in range(7)}
    alone = [day for number in range((end - start).days) if (day := start + number * _DAY) not in within]
    return weeks, alone


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.astimezone(UTC).date(), time.min, UTC)
