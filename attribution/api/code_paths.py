"""Routes below a link's code, which may itself contain slashes and even end in `/stats`.

`/v1/links/a/stats` asks for the stats of `a`. Written as one segment, `/v1/links/a%2Fstats` is the link `a/stats`:
what follows a code is set off by a real slash, never by an escaped one.
"""

from __future__ import annotations

from urllib.parse import quote

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

SUFFIXES = ("stats", "qr.svg", "qr.png")


class BelowCode(APIRoute):
    """A route that ends in a literal segment and matches only where that segment is one on the wire too."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Compare the last segment as it was sent, before anything was unescaped."""
        found = super().matches(scope)
        raw: bytes = scope.get("raw_path") or scope.get("path", "").encode()
        last = raw.partition(b"?")[0].rpartition(b"/")[2].decode("ascii", "replace")
        if found[0] is not Match.NONE and last != self.path.rpartition("/")[2]:
            return Match.NONE, {}
        return found


def link_path(code: str) -> str:
    """The path of a link; a code that could be taken for something else is one segment."""
    is_ambiguous = code.rpartition("/")[2] in SUFFIXES
    return "/v1/links/" + quote(code, safe="" if is_ambiguous else "/")
