"""Periods and their buckets in a time zone. Pure: what a caller asked for in, UTC instants out.

A bucket begins where the hour, day, week (Monday) or month begins on the clocks of that zone, so the day on which
clocks change has 23 or 25 hourly buckets and a day is still one bucket. Everything is half-open.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import islice
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attribution.faults import Fault, Refused
from attribution.link_fields import MOMENT_MAX, MOMENT_MIN

Interval = Literal["hour", "day", "week", "month"]
BUCKETS_MAX = 10_000
DEFAULT_DAYS = 30


class Period(NamedTuple):
    """A half-open period and the starts of its buckets, all UTC."""

    start: datetime
    end: datetime
    buckets: tuple[datetime, ...]


def zone_of(name: str) -> ZoneInfo:
    """The IANA zone of that name. Raises Refused."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused([Fault("timezone", "is not an IANA time zone such as Europe/Berlin")]) from error


def period_of(start: str | None, end: str | None, interval: Interval, timezone: str, now: datetime) -> Period:
    """The period asked for; without one, the last 30 days, today included. Raises Refused."""
    zone = zone_of(timezone)
    today = now.astimezone(zone).date()
    until = moment_of("end", end, zone) if end else _midnight(today + timedelta(days=1), zone)
    since = (
        moment_of("start", start, zone)
        if start
        else _midnight(until.astimezone(zone).date() - timedelta(days=DEFAULT_DAYS), zone)
    )
    if until <= since:
        raise Refused([Fault("end", "must be later than start")])
    buckets = _buckets(since, until, interval, zone)
    if len(buckets) > BUCKETS_MAX:
        raise Refused([Fault("interval", f"gives more than {BUCKETS_MAX} steps in this period")])
    return Period(since, until, buckets)


@lru_cache(maxsize=32)
def _buckets(since: datetime, until: datetime, interval: Interval, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Remembered: a quarter of hours takes longer to count than to read, and dashboards ask for the same one again."""
    return tuple(islice(bucket_starts(since, until, interval, zone), BUCKETS_MAX + 1))


def previous_of(period: Period, timezone: str) -> Period:
    """The period just before, as many days long where both ends are midnights of the zone, else as many seconds."""
    zone = zone_of(timezone)
    ends = [moment.astimezone(zone) for moment in (period.start, period.end)]
    if all(moment.time() == time.min for moment in ends):
        day = ends[0].date() - (ends[1].date() - ends[0].date())
        start = _midnight(max(day, date(1, 1, 2)), zone)
    else:
        start = period.start - (period.end - period.start)
    return Period(start, period.start, (start,))


def moment_of(field: str, text: str, zone: tzinfo = UTC) -> datetime:
    """A date (its midnight in the zone) or an RFC 3339 time. Raises Refused naming the field."""
    try:
        if len(text) == 10:
            moment = _midnight(date.fromisoformat(text), zone)
        else:
            # An unescaped + of an offset arrives as a space.
            moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
            if moment.tzinfo is None:
                raise ValueError
            moment = moment.astimezone(UTC)
        is_known = MOMENT_MIN <= moment < MOMENT_MAX
    except (ValueError, OverflowError) as error:
        raise Refused([Fault(field, "must be a date, or an RFC 3339 time with its offset")]) from error
    if not is_known:
        raise Refused([Fault(field, "must lie between 1970 and 2200")])
    return moment


def bucket_starts(start: datetime, end: datetime, interval: Interval, zone: ZoneInfo) -> Iterator[datetime]:
    """Where each bucket touching the period begins."""
    if interval == "hour":
        yield from _hours(start, end, zone)
        return
    day = start.astimezone(zone).date()
    if interval == "week":
        day -= timedelta(days=day.weekday())
    elif interval == "month":
        day = day.replace(day=1)
    while (moment := _midnight(day, zone)) < end:
        yield moment
        day = _next_day(day, interval)


def _next_day(day: date, interval: Interval) -> date:
    if interval == "month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if interval == "week" else 1)


def _hours(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Hours that passed, not hours that clocks show: one hour is always one hour long."""
    local = start.astimezone(zone)
    bucket = start - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    while bucket < end:
        yield bucket
        bucket += timedelta(hours=1)


def _midnight(day: date, zone: tzinfo) -> datetime:
    """When that day begins in the zone (where clocks skip midnight: the moment after the gap)."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)
