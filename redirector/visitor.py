"""Reads a visitor out of a request: header fields in, one `Visit` out. Pure; both front ends call it.

The client address is the peer's unless the peer is a trusted proxy; then `Forwarded` (RFC 7239) or, where absent,
`X-Forwarded-For` is walked from the right over trusted hops. IPv4-mapped IPv6 addresses are folded to IPv4.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

from schema.events import LANGUAGE_CHARS_MAX, REFERRER_CHARS_MAX, USER_AGENT_CHARS_MAX

HOPS_MAX = 32
"""Forwarding hops looked at; a longer list is attacked or broken, and its left end is ignored."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FIELDS: dict[bytes, int | None] = {
    b"user-agent": USER_AGENT_CHARS_MAX,
    b"referer": REFERRER_CHARS_MAX,
    b"accept-language": LANGUAGE_CHARS_MAX,
    b"cookie": None,
    b"forwarded": None,
    b"x-forwarded-for": None,
    b"x-forwarded-proto": None,
    b"sec-purpose": None,
    b"purpose": None,
    b"x-purpose": None,
    b"x-moz": None,
    b"prefer": None,
}
"""The header fields the door reads, with the most characters kept of what is stored. The others are passed by."""
PREFETCH = frozenset({b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"})
_LISTS = {b"cookie": "; ", b"forwarded": ", ", b"x-forwarded-for": ", ", b"x-forwarded-proto": ", "}
"""HeaderFields whose lines make one list when they come several times (RFC 9110 section 5.3); of others the last counts."""

_FORWARDED_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*("?)([^";,]+)\1', re.IGNORECASE)
_FORWARDED_PROTO = re.compile(r'(?:^|;)\s*proto\s*=\s*"?([a-z]+)', re.IGNORECASE)


HeaderFields = dict[bytes, str]
"""What `FIELDS` names of a request's headers, as text."""


def read_fields(headers: Iterable[tuple[bytes, bytes]]) -> HeaderFields:
    """The fields of a request, from raw header pairs with names in lower case."""
    fields: HeaderFields = {}
    for name, value in headers:
        if name in FIELDS:
            text = field_text(name, value)
            fields[name] = fields[name] + _LISTS[name] + text if name in fields and name in _LISTS else text
    return fields


def field_text(name: bytes, value: bytes) -> str:
    """One field as text. What is stored becomes UTF-8, other bytes U+FFFD, and is cut; what PostgreSQL cannot hold
    is the writer's to drop."""
    chars_max = FIELDS[name]
    if chars_max is None:
        return value.decode("latin-1")
    if value.isascii():
        return value[:chars_max].decode("ascii")
    return value.decode("utf-8", "replace")[:chars_max]


class Visit:
    """What one request says about its visitor. Text is cut to the limits of `schema.events`."""

    __slots__ = ("cookies", "ip", "is_https", "is_prefetch", "language", "query", "referrer", "user_agent")

    def __init__(
        self,
        fields: HeaderFields,
        peer: str | None,
        query: bytes,
        *,
        is_https: bool = False,
        trusted: tuple[Network, ...] = (),
    ) -> None:
        get = fields.get
        self.query = "" if not query else query.decode("ascii") if query.isascii() else _percent_encode(query)
        self.user_agent = get(b"user-agent", "")
        self.referrer = get(b"referer", "")
        self.language = get(b"accept-language", "")
        self.cookies = get(b"cookie", "")
        self.is_prefetch = not PREFETCH.isdisjoint(fields) and _is_prefetch(fields)
        self.ip = peer and fold_address(peer)
        self.is_https = is_https
        if trusted and self.ip and is_trusted(self.ip, trusted):
            self._believe_proxy(fields, trusted)

    def _believe_proxy(self, fields: HeaderFields, trusted: tuple[Network, ...]) -> None:
        """Take address and scheme from the headers a trusted proxy added."""
        forwarded = fields.get(b"forwarded", "")
        if forwarded:
            elements = forwarded.split(",")
            hops = [match.group(2) if (match := _FORWARDED_FOR.search(item)) else "" for item in elements]
            proto = _FORWARDED_PROTO.search(elements[-1])
            scheme = proto.group(1) if proto else ""
        else:
            hops = fields.get(b"x-forwarded-for", "").split(",")
            scheme = fields.get(b"x-forwarded-proto", "").rpartition(",")[2]
        for hop in reversed(hops[-HOPS_MAX:]):
            address = fold_address(_bare_address(hop))
            if address is None:
                break
            self.ip = address
            if not is_trusted(address, trusted):
                break
        if scheme:
            self.is_https = scheme.strip().lower() == "https"


def _percent_encode(query: bytes) -> str:
    """A query with its bytes above ASCII percent-encoded, the rest untouched."""
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in query)


def _is_prefetch(fields: HeaderFields) -> bool:
    """Whether a browser is only guessing that its user may come (WICG nav-speculation, and older headers)."""
    purpose = " ".join(fields.get(name, "") for name in (b"sec-purpose", b"purpose", b"x-purpose")).lower()
    return (
        "prefetch" in purpose
        or "prerender" in purpose
        or "preview" in purpose
        or fields.get(b"x-moz", "").lower() == "prefetch"
    )


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
