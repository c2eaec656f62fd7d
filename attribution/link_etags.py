"""Entity tags of links (RFC 9110): what a link looked like, in sixteen letters, so that nobody overwrites an edit unseen.

The API sends one with every link and takes it back as `If-Match`; `links` asks here before it changes anything. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from attribution.faults import Outdated


def etag_of(body: Mapping[str, Any]) -> str:
    """The strong entity tag of a link as `link_body` shows it."""
    text = orjson.dumps(dict(body), option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
    return f'"{blake2b(text, digest_size=8).hexdigest()}"'


def is_matched(header: str, etag: str) -> bool:
    """Whether an `If-Match` or `If-None-Match` header names this tag, or any."""
    wanted = [item.strip().removeprefix("W/") for item in header.split(",")]
    return "*" in wanted or etag in wanted


def check_unchanged(body: Mapping[str, Any], if_match: str | None) -> None:
    """Raise Outdated unless the link is as the caller saw it; without a header everything goes."""
    if if_match is not None and not is_matched(if_match, etag_of(body)):
        raise Outdated("The link was changed since you read it: read it again.")
