"""What a destination may depend on: country, device, language, and the values of macros. Read only when asked for,
because most links ask for none and reading a user agent costs more than the redirect.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from redirector.visitor import Visit
from schema.agents import read_agent
from schema.countries import Countries
from schema.events import QUERY_CHARS_MAX
from schema.links import PublishedLink


class Traits:
    """Country, device and language of a visitor, read only when a rule or macro asks."""

    __slots__ = ("_countries", "_visit")

    def __init__(self, visit: Visit, countries: Countries) -> None:
        self._visit = visit
        self._countries = countries

    def value(self, name: str) -> str:
        """One of `country` (ISO 3166, '' unknown), `device`, `language` (primary tag, '' unknown)."""
        if name == "country":
            return (self._countries.country(self._visit.ip) if self._visit.ip else None) or ""
        if name == "device":
            return read_agent(self._visit.user_agent).device_type
        return self._visit.language.split(",")[0].split(";")[0].split("-")[0].strip().lower()


def macro_value(name: str, link: PublishedLink, visit: Visit, traits: Traits, now_ms: int) -> str:
    """The raw value of a destination macro; one that does not exist or has no value is empty."""
    if name in ("country", "device"):
        return traits.value(name)
    if len(name) == 4 and name.startswith("sub"):
        return dict(reversed(parse_qsl(visit.query[:QUERY_CHARS_MAX]))).get(name, "")
    known = {
        "code": link.code,
        "link_id": link.link_id,
        "partner_id": link.partner_id,
        "campaign_id": link.campaign_id,
        "ts": now_ms // 1000,
    }
    value = known.get(name)
    return "" if value is None else str(value)
