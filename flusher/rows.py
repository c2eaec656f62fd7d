"""The row a draft becomes, column by column, and what keeps an event from becoming one. Pure.

`fault_of` is asked before anything else about an event, `row_of` last; `COLUMNS` is the column list of the COPY.
"""

from __future__ import annotations

import uuid
from typing import Any

from flusher.draft import Draft
from flusher.texts import PARAMETERS, host_of, parameters_of
from schema.events import REFERRER_CHARS_MAX, USER_AGENT_CHARS_MAX, ClickEvent
from schema.ids import MS_SHIFT

INT_MAX = (1 << 31) - 1
_STR_OR_NONE = (str, type(None))  # named once: `str | None` is built anew at every use, 0.1 us each
OLDEST_MS = 946_684_800_000
"""1 January 2000: no imported click is older."""
AHEAD_MS_MAX = 24 * 3_600_000
"""A click from further in the future than this comes from a broken clock, and would make partitions for nothing."""

COLUMNS = (
    *("click_id", "clicked_at"),
    *("partner_link_id", "partner_id", "campaign_version_id"),
    *("cookie_id", "visitor_hash", "ip_address", "country_code"),
    *("user_agent", "device_type", "browser", "os"),
    *("referrer_url", "referrer_host"),
    *("source_url", "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"),
    *("sub1", "sub2", "sub3", "sub4", "sub5"),
    *("click_class", "class_reason", "is_unique"),
)
"""Columns that are known together stand together, the class, known last, at the end: see `packed`."""


def fault_of(event: ClickEvent, now_ms: int) -> str | None:
    """Why this event cannot become a row, one of the reasons of `dead_letters`, or None."""
    at_ms = event.click_id >> MS_SHIFT
    if not OLDEST_MS <= at_ms <= now_ms + AHEAD_MS_MAX:
        return "bad_time"
    if not 0 < event.link_id <= INT_MAX or not 0 <= (event.partner_id or 0) <= INT_MAX:
        return "bad_number"
    if not 0 <= (event.campaign_version_id or 0) <= INT_MAX:
        return "bad_number"
    if not isinstance(event.ip, _STR_OR_NONE):
        return "bad_text"
    if event.import_key is not None and not is_import_key(event.import_key):
        return "bad_import_key"
    return None


def is_import_key(text: object) -> bool:
    """Whether `text` is a UUID."""
    try:
        return isinstance(text, str) and bool(uuid.UUID(text))
    except ValueError:
        return False


def clean(text: str, chars_max: int) -> str | None:
    """Text as PostgreSQL takes it: no NUL, within its limit; None instead of nothing."""
    if "\0" in text:
        text = text.replace("\0", "")
    return text[:chars_max] or None


def row_of(draft: Draft) -> tuple[Any, ...]:
    """The values of `COLUMNS`. `clicked_at` stays in milliseconds: the connection's codec takes it from there."""
    event, agent = draft.event, draft.agent
    parameters = parameters_of(event.query) or {}
    return (
        draft.click_id,
        draft.at_ms,
        event.link_id,
        event.partner_id,
        event.campaign_version_id,
        draft.cookie_id,
        draft.visitor_hash,
        draft.address,
        draft.country,
        clean(event.user_agent, USER_AGENT_CHARS_MAX),
        agent.device_type,
        agent.browser,
        agent.os,
        clean(event.referrer, REFERRER_CHARS_MAX),
        host_of(event.referrer),
        *map(parameters.get, PARAMETERS),
        draft.click_class,
        draft.class_reason,
        draft.is_unique,
    )
