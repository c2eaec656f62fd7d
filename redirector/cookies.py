"""The attribution cookie: reading it from a request, writing it into an answer. Pure.

Two cookies are set: `clk_id` carries the cookie id (a UUIDv7) and nothing else; `clk_id_until` carries the second at
which `clk_id` expires, because a browser never tells and a later click with a shorter window must not shorten it.
Both are hints only. RFC 6265bis.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from schema.ids import parse_cookie_id
from schema.links import WINDOW_DAYS_MAX

DAY_S = 86_400
UNTIL_SUFFIX = "_until"


@dataclass(frozen=True, slots=True)
class CookiePolicy:
    """How this deployment names and scopes its cookies."""

    name: str = "clk_id"
    domain: str | None = None


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
        elif name == policy.name + UNTIL_SUFFIX and value.isascii() and value.isdigit() and len(value) <= 11:
            until_s = int(value)
    return cookie_id, until_s


def max_age_s(now_s: int, until_s: int, window_days: int) -> int:
    """Seconds to keep the cookie: what remains of it or this click's window, the larger, at most 400 days."""
    return min(max(until_s - now_s, window_days * DAY_S), WINDOW_DAYS_MAX * DAY_S)


def write_cookie(
    cookie_id: str, now_s: int, age_s: int, policy: CookiePolicy, *, is_secure: bool
) -> list[tuple[bytes, bytes]]:
    """The two Set-Cookie headers."""
    scope = _scope(age_s, policy, is_secure)
    return [
        (b"set-cookie", f"{policy.name}={cookie_id}{scope}".encode("ascii")),
        (b"set-cookie", f"{policy.name}{UNTIL_SUFFIX}={now_s + age_s}{scope}".encode("ascii")),
    ]


@lru_cache(maxsize=1000)
def _scope(age_s: int, policy: CookiePolicy, is_secure: bool) -> str:
    """The attributes; new visitors of a link share them."""
    secure = "; Secure" if is_secure else ""
    domain = f"; Domain={policy.domain}" if policy.domain else ""
    return f"; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}{domain}"
