"""Reads a visitor out of a request: raw header pairs in, one `Visit` out. Pure; both front ends call it.

The client address is the peer's unless the peer is a trusted proxy; then `Forwarded` (RFC 7239) or, where absent,
`X-Forwarded-For` is walked from the right over trusted hops. IPv4-mapped IPv6 addresses are folded to IPv4.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from schema.events import LANGUAGE_CHARS_MAX, REFERRER_CHARS_MAX, USER_AGENT_CHARS_MAX

HOPS_MAX = 32
"""Forwarding hops looked at; a longer list is attacked or broken, and its left end is ignored."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PREFETCH = frozenset({b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"})
_LISTS = {b"cookie": b"; ", b"forwarded": b", ", b"x-forwarded-for": b", ", b"x-forwarded-proto": b", "}
_FORWARDED_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*("?)([^";,]+)\1', re.IGNORECASE)
_FORWARDED_PROTO = re.compile(r'(?:^|;)\s*proto\s*=\s*"?([a-z]+)', re.IGNORECASE)


class Visit:
    """What one request says about its visitor. Text is cut to the limits of `schema.events`."""

    __slots__ = ("cookies", "ip", "is_https", "is_prefetch", "language", "query", "referrer", "user_agent")

    def __init__(
        self,
        headers: list[tuple[bytes, bytes]],
        peer: str | None,
        query: bytes,
        *,
        is_https: bool = False,
        trusted: tuple[Network, ...] = (),
    ) -> None:
        found = dict(headers)
        if len(found) != len(headers):
            _join_repeated(found, headers)
        get = found.get
        self.query = query.decode("ascii") if query.isascii() else _percent_encode(query)
        self.user_agent = _text(get(b"user-agent", b""), USER_AGENT_CHARS_MAX)
        self.referrer = _text(get(b"referer", b""), REFERRER_CHARS_MAX)
        self.language = _text(get(b"accept-language", b""), LANGUAGE_CHARS_MAX)
        self.cookies = get(b"cookie", b"").decode("latin-1")
        self.is_prefetch = not _PREFETCH.isdisjoint(found) and _is_prefetch(found)
        self.ip = peer and fold_address(peer)
        self.is_https = is_https
        if trusted and self.ip and is_trusted(self.ip, trusted):
            self._believe_proxy(found, trusted)

    def _believe_proxy(self, found: dict[bytes, bytes], trusted: tuple[Network, ...]) -> None:
        """Take address and scheme from the headers a trusted proxy added."""
        forwarded = found.get(b"forwarded", b"").decode("latin-1")
        if forwarded:
            elements = forwarded.split(",")
            hops = [match.group(2) if (match := _FORWARDED_FOR.search(item)) else "" for item in elements]
            proto = _FORWARDED_PROTO.search(elements[-1])
            scheme = proto.group(1) if proto else ""
        else:
            hops = found.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
            scheme = found.get(b"x-forwarded-proto", b"").decode("latin-1").rpartition(",")[2]
        for hop in reversed(hops[-HOPS_MAX:]):
            address = fold_address(_bare_address(hop))
            if address is None:
                break
            self.ip = address
            if not is_trusted(address, trusted):
                break
        if scheme:
            self.is_https = scheme.strip().lower() == "https"


def _join_repeated(found: dict[bytes, bytes], headers: list[tuple[bytes, bytes]]) -> None:
    """Make one list of header lines that came several times (RFC 9110 section 5.3)."""
    for name, glue in _LISTS.items():
        if name in found:
            found[name] = glue.join(value for given, value in headers if given == name)


def _text(value: bytes, chars_max: int) -> str:
    """A header as text; bytes that are not UTF-8 become U+FFFD. The writer drops what PostgreSQL cannot hold."""
    if value.isascii():
        return value[:chars_max].decode("ascii")
    return value.decode("utf-8", "replace")[:chars_max]


def _percent_encode(query: bytes) -> str:
    """A query with its bytes above ASCII percent-encoded, the rest untouched."""
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in query)


def _is_prefetch(found: dict[bytes, bytes]) -> bool:
    """Whether a browser is only guessing that its user may come (WICG nav-speculation, and older headers)."""
    purpose = found.get(b"sec-purpose", b"") + found.get(b"purpose", b"") + found.get(b"x-purpose", b"")
    if purpose:
        lowered = purpose.lower()
        return b"prefetch" in lowered or b"prerender" in lowered or b"preview" in lowered
    return b"x-moz" in found and found[b"x-moz"].lower() == b"prefetch"


def _bare_address(hop: str) -> str:
    """`1.2.3.4:80`, `"[::1]:80"`, ` ::1 ` without port, brackets and spaces."""
    hop = hop.strip().strip('"')
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


@lru_cache(maxsize=20_000)
def fold_address(text: str) -> str | None:
    """The address in its shortest form, IPv4-mapped ones as IPv4, zone ids dropped; None if it is no address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


@lru_cache(maxsize=20_000)
def is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    """Whether a folded address belongs to one of the networks."""
    parsed = ipaddress.ip_address(address)
    return any(parsed.version == network.version and parsed in network for network in trusted)
