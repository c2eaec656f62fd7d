"""Filters of stats: a dimension's name with one or several values, an empty one for unknown."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from attribution.faults import Fault, Refused
from attribution.stats import DIMENSIONS

FILTER_VALUES_MAX = 100
FILTER_CHARS_MAX = 1_024
Values = Annotated[
    list[str] | None, Query(description="Only these values; may repeat, and is empty for unknown.")
]


async def filters_asked(
    country: Values = None,
    device: Values = None,
    browser: Values = None,
    os: Values = None,
    referrer: Values = None,
    utm_source: Values = None,
    utm_medium: Values = None,
    utm_campaign: Values = None,
    utm_content: Values = None,
    utm_term: Values = None,
    link: Values = None,
    partner: Values = None,
    campaign: Values = None,
    click_class: Annotated[list[str] | None, Query(alias="class", description="Only these classes.")] = None,
) -> dict[str, list[str]]:
    """The values asked for by dimension, those without any left out. Raises Refused."""
    given = (
        country, device, browser, os, referrer, utm_source, utm_medium, utm_campaign, utm_content, utm_term,
        link, partner, campaign, click_class,
    )  # fmt: skip
    filters = {name: values for name, values in zip(DIMENSIONS, given, strict=True) if values}
    faults = [Fault(name, wrong) for name, values in filters.items() if (wrong := _wrong(values))]
    if faults:
        raise Refused(faults)
    return filters


def _wrong(values: list[str]) -> str | None:
    if len(values) > FILTER_VALUES_MAX:
        return f"may have {FILTER_VALUES_MAX} values at most"
    if any(len(value) > FILTER_CHARS_MAX for value in values):
        return f"may have {FILTER_CHARS_MAX} characters at most"
    if any("\x00" in value or not value.isprintable() for value in values):
        return "may not contain control characters"
    return None


Filters = Annotated[dict[str, list[str]], Depends(filters_asked)]
