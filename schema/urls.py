"""Byte-preserving URL surgery: the pieces the API uses when a link is saved and the door when it is followed.

Nothing here decodes and encodes again what is already percent-encoded; names are decoded only to compare them.
A destination is split once into head (scheme, host, path), query and fragment, and put together from those.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote_plus, urlsplit

URL_CHARS_MAX = 8192
MACRO = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNSAFE = re.compile(r"[^\x21-\x7e]")
_NEVER_SCHEMES = frozenset({"javascript", "data", "file", "vbscript", "about", "blob", "view-source"})


class SplitUrl(NamedTuple):
    """A URL in three pieces; `query` and `fragment` come without their `?` and `#`, None where absent."""

    head: str
    query: str | None
    fragment: str | None


def split_url(url: str) -> SplitUrl:
    """Cut a URL at its first `#`, then at the first `?` before it (RFC 3986 section 3)."""
    rest, hash_mark, fragment = url.partition("#")
    head, question_mark, query = rest.partition("?")
    return SplitUrl(head, query if question_mark else None, fragment if hash_mark else None)


def name_of(pair: str) -> str:
    """The decoded name of a raw `name=value` pair."""
    return unquote_plus(pair.partition("=")[0])


def pairs_of(query: str | None) -> list[str]:
    """The raw pairs of a raw query, in order, empty ones left out."""
    return [pair for pair in query.split("&") if pair] if query else []


def escape_unsafe(text: str) -> str:
    """Percent-encode (UTF-8) what may not stand in a header or URL; everything else keeps its bytes."""
    return _UNSAFE.sub(lambda match: quote(match.group(), safe="", errors="replace"), text)


def encode_pair(name: str, value: str) -> str:
    """`name=value`, percent-encoded, macros in the value left for the door to fill."""
    kept = MACRO.split(value)
    encoded = "".join(
        "{" + piece + "}" if odd % 2 else quote(piece, safe="") for odd, piece in enumerate(kept)
    )
    return f"{quote(name, safe='')}={encoded}"


def compose_full_url(destination: str, *parameters: dict[str, str]) -> str:
    """The destination with each parameter appended unless it is there already; first mention wins."""
    url = split_url(_ascii_host(destination))
    names = {name_of(pair) for pair in pairs_of(url.query)}
    added = []
    for name, value in (item for group in parameters for item in group.items()):
        if name not in names:
            names.add(name)
            added.append(encode_pair(name, value))
    if added:
        url = url._replace(query=extend_query(url.query, "&".join(added)))
    return escape_unsafe(url_text(url))


def extend_query(query: str | None, addition: str) -> str:
    """The query with more pairs behind it; what was there keeps its bytes."""
    return f"{query}{'' if query.endswith('&') else '&'}{addition}" if query else addition


def url_text(url: SplitUrl) -> str:
    """The URL as it was before `split_url`, byte for byte (an empty query keeps its `?`)."""
    query = "" if url.query is None else "?" + url.query
    return url.head + query + ("" if url.fragment is None else "#" + url.fragment)


def destination_fault(url: str, allowed_schemes: frozenset[str]) -> str | None:
    """Why `url` may not be a destination, as a sentence for its author, or None."""
    if len(url) > URL_CHARS_MAX:
        return f"is longer than {URL_CHARS_MAX} characters"
    if _CONTROL.search(url) or url != url.strip():
        return "contains control characters or outer spaces"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        return f"is not a URL: {error}"
    scheme = parts.scheme.lower()
    if scheme in _NEVER_SCHEMES or scheme not in allowed_schemes:
        return f"must begin with one of: {', '.join(sorted(name + '://' for name in allowed_schemes))}"
    if scheme in ("http", "https") and not host:
        return "has no host"
    if MACRO.search(parts.netloc) or "{" in parts.scheme:
        return "has a macro in its host"
    return None


def _ascii_host(url: str) -> str:
    """The URL with an international host name in its ASCII form (RFC 3490)."""
    if url.isascii():
        return url
    host = urlsplit(url).hostname or ""
    if host.isascii():
        return url
    position = url.lower().find(host)
    try:
        return url[:position] + host.encode("idna").decode() + url[position + len(host) :]
    except UnicodeError:
        return url
