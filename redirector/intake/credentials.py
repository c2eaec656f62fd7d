"""Whose report it is: keys and vendors as published to Redis, cached until the change stream says otherwise.

A hit is one dictionary look-up. A revoked key is dropped as soon as the publisher announces it; while Redis is away
what is cached stays good. Unknown keys are remembered for a moment, so that guessing never reaches Redis at line speed.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any, NamedTuple

import orjson

from redirector.intake.answers import Refusal, problem, unauthorized
from redirector.link_cache import EVERYTHING, NEGATIVE_S, NEGATIVES_MAX, Generations
from schema import keys
from schema.redis_client import RedisClient

ENTRIES_MAX = 20_000
KEY_CHARS_MAX = 128
_PREFIX = keys.NO_CODE.encode()


class Vendor(NamedTuple):
    """What the door knows of a vendor."""

    vendor_id: int
    email: str = ""
    is_active: bool = True
    token_hash: str | None = None
    is_transaction_id_required: bool = False
    is_unsigned_pixel_allowed: bool = False
    default_currency: str | None = None
    secrets: tuple[str, ...] = ()


class Credentials:
    """Keys and vendors of one door process, or of an import."""

    def __init__(self, client: RedisClient) -> None:
        self._client: Any = client
        self._values: Generations[dict[str, Any]] = Generations(ENTRIES_MAX)
        self._negatives: Generations[float] = Generations(NEGATIVES_MAX)
        self._changes = 0

    def forget(self, change: bytes) -> None:
        """A key or vendor changed (or a link: none of ours), or everything may have."""
        if change == EVERYTHING:
            self._values, self._negatives = Generations(ENTRIES_MAX), Generations(NEGATIVES_MAX)
        elif change.startswith(_PREFIX):
            name = change[len(_PREFIX) :].decode("utf-8", "replace")
            self._values.drop(name)
            self._negatives.drop(name)
        else:
            return
        self._changes += 1

    async def vendor_of_key(self, key: str) -> Vendor:
        """The vendor that may report with this key. Raises Refusal (401, 403) or one of `UNREACHABLE`."""
        if not key or len(key) > KEY_CHARS_MAX:
            raise Refusal(unauthorized("The key does not work."))
        key_hash = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        value = await self._value(keys.api_key(key_hash))
        if value is None or _is_over(value):
            raise Refusal(unauthorized("The key does not work."))
        if value["role"] not in ("vendor", "postback") or value["vendor_id"] is None:
            raise Refusal(problem(403, "Reports need the key of a vendor."))
        vendor = await self.vendor(value["vendor_id"])
        # A postback token that was replaced stays in Redis; its vendor names the one that counts.
        if vendor is None or (value["role"] == "postback" and vendor.token_hash != key_hash):
            raise Refusal(unauthorized("The key does not work."))
        return active(vendor)

    async def vendor(self, vendor_id: int) -> Vendor | None:
        """The vendor of that number."""
        value = await self._value(keys.vendor(vendor_id))
        if value is None:
            return None
        known = {name: value[name] for name in Vendor._fields if name in value}
        return Vendor(**known | {"secrets": tuple(value.get("secrets") or ())})

    async def vendor_named(self, text: str) -> Vendor | None:
        """The vendor of that number or e-mail."""
        if text.isascii() and text.isdigit() and len(text) < 10:
            return await self.vendor(int(text))
        found = await self._value(keys.vendor_email(text)) if len(text) <= 320 else None
        vendor = await self.vendor(found["vendor_id"]) if found else None
        return vendor if vendor is not None and vendor.email == text.strip().lower() else None

    async def _value(self, name: str) -> dict[str, Any] | None:
        value = self._values.get(name)
        if value is not None:
            return value
        until = self._negatives.get(name)
        if until is not None and time.monotonic() < until:
            return None
        return await self._look_up(name)

    async def _look_up(self, name: str) -> dict[str, Any] | None:
        changes_before = self._changes
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(name)
        pipeline.exists(keys.PUBLISHED)
        raw, is_filled = await pipeline.execute()
        if raw is None and not is_filled:
            raise ConnectionError("nothing is published in this Redis yet")
        value: dict[str, Any] | None = None if raw is None else orjson.loads(raw)
        # A change that arrived while we asked may be newer than the answer: use it, do not keep it.
        if changes_before == self._changes:
            if value is None:
                self._negatives.put(name, time.monotonic() + NEGATIVE_S)
            else:
                self._values.put(name, value)
        return value


def active(vendor: Vendor) -> Vendor:
    """The vendor if it may report. Raises Refusal (403)."""
    if not vendor.is_active:
        raise Refusal(problem(403, "This vendor is not active."))
    return vendor


def _is_over(value: dict[str, Any]) -> bool:
    expires_at_ms = value.get("expires_at_ms")
    return expires_at_ms is not None and expires_at_ms <= time.time() * 1000
