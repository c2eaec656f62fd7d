"""What the texts of a request say: the page it came from, the parameters of its query. Pure, cached, never raises.

The steps of `enrich` ask for values, `packed` for the same in PostgreSQL's form. Strangers choose these texts, so
every cache is bounded by number, and its texts by the limits of the event.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote_plus

from schema.events import SUB_CHARS_MAX

PARAMETERS = (
    "source",
    *("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"),
    *("sub1", "sub2", "sub3", "sub4", "sub5"),
)
CACHED_MAX = 10_000
SOURCE_CHARS_MAX = 2048
HOST_CHARS_MAX = 255
_KEPT = frozenset(PARAMETERS)


@lru_cache(maxsize=CACHED_MAX)
def host_of(url: str) -> str | None:
    """The host in a URL (or Android app id), lower case, without user and port; None if there is none."""
    scheme, mark, rest = url.partition("://")
    if not mark or not scheme:
        return None
    for end in "/?#\\":
        rest = rest.partition(end)[0]
    host = rest.rpartition("@")[2].lower()
    host = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    host = host.replace("\0", "")
    return host if 0 < len(host) <= HOST_CHARS_MAX else None


@lru_cache(maxsize=CACHED_MAX)
def parameters_of(query: str) -> dict[str, str] | None:
    """The parameters we keep, decoded byte-tolerantly, cut to their limits; the first mention of a name wins.

    Everybody with the same query gets the same dictionary: it is for reading.
    """
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if "%" in name:
            name = unquote_plus(name, errors="replace")
        if name in _KEPT and name not in found:
            if "%" in value or "+" in value:
                value = unquote_plus(value, errors="replace")
            text = value.replace("\0", "")
            if text:
                found[name] = text[: SOURCE_CHARS_MAX if name == "source" else SUB_CHARS_MAX]
    return found or None
