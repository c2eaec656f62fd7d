"""The attribution cookie: reading it from a request, writing it into an answer. Pure.

Two cookies are set: `clk_id` carries the cookie id (a UUIDv7) and nothing else; `clk_id_until` carries the second at
which `clk_id` expires, because a browser never tells and a later click with a shorter window must not shorten it.
Both are hints only. RFC 6265bis.
"""

from __future__ import annotations

from schema.ids import parse_cookie_id
from schema.links import WINDOW_DAYS_MAX

DAY_S = 86_400
AGE_S_MAX = WINDOW_DAYS_MAX * DAY_S
UNTIL_SUFFIX = "_until"


class CookiePolicy:
    """How this deployment names and scopes its cookies."""

    __slots__ = ("_domain", "_scopes", "name", "until_name")

    def __init__(self, name: str = "clk_id", domain: str | None = None) -> None:
        self.name = name
        self.until_name = name + UNTIL_SUFFIX
        self._domain = f"; Domain={domain}" if domain else ""
        self._scopes: dict[tuple[int, bool], str] = {}

    def write(self, cookie_id: str, now_s: int, age_s: int, *, is_secure: bool) -> tuple[str, str]:
        """The values of the two Set-Cookie headers, kept for `age_s` seconds."""
        scope = self._scopes.get((age_s, is_secure)) or self._scope(age_s, is_secure=is_secure)
        return f"{self.name}={cookie_id}{scope}", f"{self.until_name}={now_s + age_s}{scope}"

    def _scope(self, age_s: int, *, is_secure: bool) -> str:
        """The attributes of a cookie kept that long. New visitors share them: a few are remembered."""
        secure = "; Secure" if is_secure else ""
        scope = f"; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}{self._domain}"
        if age_s % DAY_S == 0 and len(self._scopes) <= 2 * WINDOW_DAYS_MAX:
            self._scopes[(age_s, is_secure)] = scope
        return scope


def read_cookie(header: str, policy: CookiePolicy) -> tuple[str | None, int]:
    """The first valid cookie id of a Cookie header and the Unix second it expires at (0 when unknown)."""
    if policy.name not in header:
        return None, 0
    cookie_id: str | None = None
    until_s = 0
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == policy.name and cookie_id is None:
            cookie_id = parse_cookie_id(value.strip('"'))
        elif name == policy.until_name and value.isascii() and value.isdigit() and len(value) <= 11:
            until_s = int(value)
    return cookie_id, until_s


def max_age_s(now_s: int, until_s: int, window_days: int) -> int:
    """Seconds to keep the cookie: what remains of it or this click's window, the larger, at most 400 days."""
    window_s = window_days * DAY_S
    if until_s - now_s > window_s:
        window_s = until_s - now_s
    return window_s if window_s < AGE_S_MAX else AGE_S_MAX
