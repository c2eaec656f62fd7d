"""Builds the Location of a redirect from a stored destination, byte for byte. Pure.

A destination is compiled once, when its link enters the cache: where its macros are, where the click id goes, which
parameter names are protected. Following it then fills in one click. No visitor parameter can reach the scheme, the
host or the path: macros are refused in the host when a link is saved, and in the path they are percent-encoded.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from schema.urls import MACRO, escape_unsafe, extend_query, name_of, split_url

FORWARDED_QUERY_CHARS_MAX = 8192
"""A longer visitor query is kept on the click (cut) but not forwarded."""

_HARMLESS = str.maketrans({"{": "%7B", "}": "%7D", "#": "%23"})
"""In a visitor's own parameters a macro is text, and no fragment begins."""

ForwardQuery = str | list[str]
MacroValue = Callable[[str], str]


class Destination:
    """One compiled destination. `click_param` is replaced where present, else appended, unless `{click_id}` is used."""

    __slots__ = ("_fragment", "_head", "_prefix", "_protected", "_query", "_suffix", "forward", "is_plain")

    def __init__(self, url: str, click_param: str = "clk", forward: ForwardQuery = "append") -> None:
        pieces = split_url(escape_unsafe(url))
        self._head = pieces.head
        self._query = _with_click_id(pieces.query, click_param, is_carried="{click_id}" in url)
        self._fragment = "" if pieces.fragment is None else "#" + pieces.fragment
        self._protected = {name_of(pair) for pair in self._query.split("&")} | {click_param}
        self.forward = forward
        template = self._head + ("?" + self._query if self._query else "") + self._fragment
        macros = [match.group(1) for match in MACRO.finditer(template)]
        # One click id and nothing else to fill in: four of five links, answered by one concatenation.
        self.is_plain = macros == ["click_id"]
        self._prefix, _, self._suffix = template.partition("{click_id}")

    def fill_plainly(self, click_id: int) -> str:
        """The Location for one click without a query, where the destination `is_plain`."""
        return f"{self._prefix}{click_id}{self._suffix}"

    def fill(self, click_id: int, visitor_query: str, value_of: MacroValue) -> str:
        """The Location for one click. `value_of` gives the raw text of a macro other than click_id."""
        if self.is_plain and (not visitor_query or self.forward == "off"):
            return self.fill_plainly(click_id)

        def value(name: str) -> str:
            return str(click_id) if name == "click_id" else value_of(name)

        query = self._forwarded(visitor_query) if visitor_query else self._query
        filled = "?" + _fill(query, value) if query else ""
        return _fill(self._head, value) + filled + _fill(self._fragment, value)

    def _forwarded(self, visitor_query: str) -> str:
        """The destination's query with the visitor's parameters as this link allows them."""
        if self.forward == "off" or len(visitor_query) > FORWARDED_QUERY_CHARS_MAX:
            return self._query
        pairs = escape_unsafe(visitor_query).translate(_HARMLESS).split("&")
        if self.forward == "override":
            return self._overridden(pairs)
        allowed = self.forward if isinstance(self.forward, list) else None
        added = [pair for pair in pairs if pair and self._may_add(name_of(pair), allowed)]
        return extend_query(self._query, "&".join(added)) if added else self._query

    def _may_add(self, name: str, allowed: list[str] | None) -> bool:
        return name not in self._protected and (allowed is None or name in allowed)

    def _overridden(self, pairs: list[str]) -> str:
        """The visitor's parameters replace the destination's; the one carrying the click id stays protected."""
        kept = [pair for pair in self._query.split("&") if "{click_id}" in pair]
        guarded = {name_of(pair) for pair in kept}
        added = [pair for pair in pairs if pair and name_of(pair) not in guarded]
        names = {name_of(pair) for pair in added}
        own = [pair for pair in self._query.split("&") if pair in kept or name_of(pair) not in names]
        return "&".join([pair for pair in own if pair] + added)


def _with_click_id(query: str | None, click_param: str, *, is_carried: bool) -> str:
    """The query with the click id in it once."""
    if is_carried:
        return query or ""
    pair = f"{quote(click_param, safe='')}={{click_id}}"
    pieces = query.split("&") if query else []
    places = [index for index, piece in enumerate(pieces) if piece and name_of(piece) == click_param]
    if not places:
        return extend_query(query, pair)
    pieces[places[0]] = pair
    return "&".join(piece for index, piece in enumerate(pieces) if index not in places[1:])


def _fill(template: str, value: MacroValue) -> str:
    """Replace each macro by its value, percent-encoded; a lone dot segment would climb in the path and is dropped."""
    if "{" not in template:
        return template

    def encoded(name: str) -> str:
        text = value(name)
        return "" if text in (".", "..") else quote(text, safe="", errors="replace")

    return MACRO.sub(lambda match: encoded(match.group(1)), template)
