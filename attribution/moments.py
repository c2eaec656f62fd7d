"""Times as the ledger counts them: whole microseconds since 1970, which windows and half-lives divide exactly. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schema.ids import EPOCH, MS_SHIFT

_MICROSECOND = timedelta(microseconds=1)


def micros_of(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - EPOCH) // _MICROSECOND


def moment_of(micros: int) -> datetime:
    """The same as a time, UTC."""
    return EPOCH + timedelta(microseconds=micros)


def click_micros(click_id: int) -> int:
    """When a click happened, read from its id."""
    return (click_id >> MS_SHIFT) * 1000


def month_start(moment: datetime) -> datetime:
    """Midnight (UTC) of the first day of that month."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def months_after(moment: datetime, months: int) -> datetime:
    """The same day and time so many months later; the last day of a month that has no such day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    for day in (moment.day, 30, 29, 28):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has a 28th")
