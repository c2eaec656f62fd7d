"""Every Redis key and channel of Clickledger, in one place. Nothing else writes a key name.

`{…}` around a shard is a Redis Cluster hash tag: the stream of a shard and its lease live on one node.
"""

from __future__ import annotations

LINK_CHANGES = "links:changes"
"""Stream of changed codes, newest last: what tells every door within a millisecond that a link changed."""
LINK_CHANGES_MAX = 100_000
"""A door that was away for more changes than this forgets its whole cache instead."""

NO_CODE = "-/"
"""What no code begins with: in the change stream, the name of a key or vendor that changed follows it."""

WORKERS = "workers"
"""Hash worker number -> JSON of its lease (owner, until_ms, high_ms)."""

FLUSHER_GROUP = "flusher"
"""Consumer group of the writer on every click and conversion stream."""

OUTCOMES = "outcomes"
"""Stream of outcomes somebody waits for, newest last: wakes the door that holds the request."""
OUTCOMES_MAX = 1_000

PUBLISHED = "links:published"
"""Time (ms) at which the publisher last brought Redis up to date."""

PUBLISHED_INSTANCE = "links:instance"
"""Run id of the Redis server that was filled: a server with another id was restarted and may have lost writes."""


def link(code: str) -> str:
    """The published link of a code."""
    return f"link:{code}"


def api_key(key_hash: str) -> str:
    """The published API key with that SHA-256 (hex)."""
    return f"key:{key_hash}"


def vendor(vendor_id: int) -> str:
    """The published settings and secrets of a vendor."""
    return f"vendor:{vendor_id}"


def vendor_email(email: str) -> str:
    """The number of the vendor with that e-mail, for those who name it so."""
    return f"vendor-email:{email.strip().lower()}"


def conversions(shard: int) -> str:
    """A stream of conversions, refunds and leads. Doors use number 0 alone, so that reports keep their order."""
    return f"conversions:{{{shard}}}"


def conversion_lease(shard: int) -> str:
    """Who may write that shard's conversions to PostgreSQL now."""
    return f"conversion-lease:{{{shard}}}"


def outcome(report_id: str) -> str:
    """What became of one report whose sender waits; gone after a minute."""
    return f"outcome:{report_id}"


def idempotency(vendor_id: int, key_hash: str) -> str:
    """What was sent first under that Idempotency-Key; kept for a day."""
    return f"idempotency:{vendor_id}:{key_hash}"


def clicks(shard: int) -> str:
    """The click stream of a shard."""
    return f"clicks:{{{shard}}}"


def lease(shard: int) -> str:
    """Who may write that shard's clicks to PostgreSQL now."""
    return f"lease:{{{shard}}}"


def cap(link_id: int) -> str:
    """How many visitors passed a link with a click cap."""
    return f"cap:{link_id}"


def visitor_key(day: int) -> str:
    """The secret of that day (days since 1970) under which visitors are hashed; it expires after 48 hours."""
    return f"visitor-key:{day}"
