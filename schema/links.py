"""The published link: what the door knows of a link, as one JSON value in Redis.

The publisher writes it from PostgreSQL's `published_links` view, whose column names are these field names; the
door reads it back. `destination` is the link's `full_url`: UTM and custom parameters are already in it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import quote

import orjson

from schema.events import CODE_CHARS_MAX

REDIRECT_STATUSES = (302, 303, 307)
WINDOW_DAYS_MAX = 400
"""Browsers keep no cookie longer (RFC 6265bis section 5.5)."""
WINDOW_DAYS_DEFAULT = 30
RULES_MAX = 50
SPLITS_MAX = 20
RESERVED_PREFIXES = ("-/", ".well-known/")
RESERVED_CODES = frozenset({"-", ".well-known", "robots.txt", "favicon.ico"})
DEVICES = ("desktop", "mobile", "tablet")


@dataclass(slots=True)
class PublishedLink:
    """One link with the terms in force. Times are Unix milliseconds; None means no limit."""

    link_id: int
    code: str
    destination: str
    partner_id: int | None = None
    campaign_id: int | None = None
    campaign_version_id: int | None = None
    window_days: int = WINDOW_DAYS_DEFAULT
    is_disabled: bool = False
    is_paused: bool = False
    starts_at_ms: int | None = None
    expires_at_ms: int | None = None
    max_clicks: int | None = None
    fallback_url: str | None = None
    redirect_status: int = 302
    forward_query: str | list[str] = "append"
    click_param: str = "clk"
    rules: list[dict[str, Any]] = field(default_factory=list)


_FIELDS = frozenset(entry.name for entry in fields(PublishedLink))


def encode_link(link: PublishedLink) -> bytes:
    """The Redis value of a link."""
    return orjson.dumps(link)


def decode_link(value: bytes) -> PublishedLink:
    """The link in a Redis value; fields of a newer publisher are ignored, missing ones take their default.

    Raises ValueError or TypeError when the value is not a published link.
    """
    stored = orjson.loads(value)
    return PublishedLink(**{name: item for name, item in stored.items() if name in _FIELDS})


def normalise_code(code: str, *, is_case_sensitive: bool = True) -> str:
    """The one form in which a code is stored and looked up (NFC, and lower case where codes ignore case)."""
    normal = unicodedata.normalize("NFC", code)
    return normal if is_case_sensitive else unicodedata.normalize("NFC", normal.casefold())


def short_url(door_url: str, code: str) -> str:
    """The whole address of a code, percent-encoded as browsers write it."""
    return f"{door_url}/{quote(code, safe='/')}"


def code_fault(code: str) -> str | None:
    """Why `code` may not be a short code, as a sentence for its author, or None."""
    if not code or len(code) > CODE_CHARS_MAX:
        return f"must have 1 to {CODE_CHARS_MAX} characters"
    if code in RESERVED_CODES or code.startswith(RESERVED_PREFIXES):
        return "is reserved"
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp", "Zs") for char in code):
        return "contains spaces or control characters"
    if any(char in code for char in "?#%\\"):
        return "may not contain ? # % or \\"
    if code.startswith("/") or code.endswith("/") or "//" in code:
        return "may not begin or end with / or contain //"
    if any(part in (".", "..") for part in code.split("/")):
        return "may not contain . or .. as a path segment"
    return None
