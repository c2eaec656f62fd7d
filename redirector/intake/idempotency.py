"""`Idempotency-Key`: the same key twice is the same request (draft-ietf-httpapi-idempotency-key-header).

Conversions with a transaction_id are idempotent for ever anyway. For those without one the key remembers, for a day
and over restarts, when the request first came: a retry then names the same moment, and so the same conversion.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from redirector.intake.answers import Fault, Refusal, refused
from redirector.intake.request import Request
from schema import keys
from schema.redis_client import UNREACHABLE, RedisClient

KEEP_S = 86_400
KEY_BYTES_MAX = 255
_TURNS = asyncio.Semaphore(16)
"""Asked at once: a burst must not use up the door's connections to Redis."""


async def first_received_ms(client: RedisClient, vendor_id: int, request: Request, now_ms: int) -> int:
    """When this request first came. Raises Refusal where the key stood for another. Without Redis: now."""
    key = request.headers.get(b"idempotency-key")
    if key is None:
        return now_ms
    if not 0 < len(key) <= KEY_BYTES_MAX:
        raise Refusal(refused([Fault("Idempotency-Key", f"must have 1 to {KEY_BYTES_MAX} bytes")]))
    name = keys.idempotency(vendor_id, hashlib.sha256(key).hexdigest())
    content = hashlib.sha256(request.path.encode() + b"\n" + request.body).hexdigest()
    redis: Any = client
    try:
        async with _TURNS:
            first = await redis.set(name, f"{content} {now_ms}", nx=True, get=True, ex=KEEP_S)
    except UNREACHABLE:
        return now_ms
    if first is None:
        return now_ms
    first_content, _, first_ms = first.decode().partition(" ")
    if first_content != content:
        raise Refusal(refused([Fault("Idempotency-Key", "was used for another request")]))
    return int(first_ms)
