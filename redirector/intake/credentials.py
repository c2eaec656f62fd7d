"""Whose report it is: keys and vendors as published to Redis, cached until the change stream says otherwise.

A hit is one dictionary look-up; misses of one event-loop turn travel together in one pipeline. A revoked key is dropped as soon as the publisher announces it; while Redis is away
what is cached stays good. Unknown keys are remembered for a moment, so that guessing never reaches Redis at line speed.
"""

from __future__ import annotations

import asyncio
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
_WRONG_KEY = "The key does not work."
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


class Holder(NamedTuple):
    """Whose a key is, and until when."""

    vendor: Vendor
    expires_at_ms: int | None


class Credentials:
    """Keys and vendors of one door process, or of an import."""

    def __init__(self, client: RedisClient) -> None:
        self._client: Any = client
        self._values: Generations[dict[str, Any]] = Generations(ENTRIES_MAX)
        self._negatives: Generations[float] = Generations(NEGATIVES_MAX)
        self._holders: Generations[Holder] = Generations(ENTRIES_MAX)
        self._asked: dict[str, asyncio.Future[dict[str, Any] | None]] = {}
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
        self._holders = Generations(ENTRIES_MAX)
        self._changes += 1

    def held(self, key: str) -> Vendor | None:
        """The vendor of a key as far as it is known here and now; None says nothing about the key."""
        holder = self._holders.get(key)
        if holder is None or not holder.vendor.is_active or _is_over(holder):
            return None
        return holder.vendor

    async def vendor_of_key(self, key: str) -> Vendor:
        """The vendor that may report with this key. Raises Refusal (401, 403) or one of `UNREACHABLE`."""
        holder = self._holders.get(key)
        if holder is None:
            changes_before = self._changes
            holder = await self._holder_of(key)
            if changes_before == self._changes:
                self._holders.put(key, holder)
        if _is_over(holder):
            raise Refusal(unauthorized(_WRONG_KEY))
        return active(holder.vendor)

    async def _holder_of(self, key: str) -> Holder:
        if not 0 < len(key) <= KEY_CHARS_MAX:
            raise Refusal(unauthorized(_WRONG_KEY))
        key_hash = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        value = await self._value(keys.api_key(key_hash))
        if value is None:
            raise Refusal(unauthorized(_WRONG_KEY))
        if value["role"] not in ("vendor", "postback") or value["vendor_id"] is None:
            raise Refusal(problem(403, "Reports need the key of a vendor."))
        vendor = await self.vendor(value["vendor_id"])
        # A postback token that was replaced stays in Redis; its vendor names the one that counts.
        if vendor is None or (value["role"] == "postback" and vendor.token_hash != key_hash):
            raise Refusal(unauthorized(_WRONG_KEY))
        return Holder(vendor, value.get("expires_at_ms"))

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
        asked = self._asked.get(name)
        if asked is None:
            loop = asyncio.get_running_loop()
            asked = self._asked[name] = loop.create_future()
            if len(self._asked) == 1:
                loop.call_soon(self._ask)
        return await asyncio.shield(asked)

    def _ask(self) -> None:
        asked, self._asked = self._asked, {}
        task = asyncio.get_running_loop().create_task(self._answer(asked))
        task.add_done_callback(lambda done: done.exception())

    async def _answer(self, asked: dict[str, asyncio.Future[dict[str, Any] | None]]) -> None:
        """Settle these look-ups with one pipeline, whatever happens to it."""
        changes_before = self._changes
        try:
            pipeline = self._client.pipeline(transaction=False)
            for name in asked:
                pipeline.get(name)
            pipeline.exists(keys.PUBLISHED)
            *values, is_filled = await pipeline.execute()
            if not is_filled and None in values:
                raise ConnectionError("nothing is published in this Redis yet")
            for (name, future), raw in zip(asked.items(), values, strict=True):
                value: dict[str, Any] | None = None if raw is None else orjson.loads(raw)
                future.set_result(value)
                # A change that arrived while we asked may be newer than the answer: use it, do not keep it.
                if changes_before == self._changes:
                    self._keep(name, value)
        except BaseException as error:
            for future in asked.values():
                if not future.done():
                    future.set_exception(
                        error if isinstance(error, Exception) else ConnectionError(repr(error))
                    )
                    future.exception()

    def _keep(self, name: str, value: dict[str, Any] | None) -> None:
        if value is None:
            self._negatives.put(name, time.monotonic() + NEGATIVE_S)
        else:
            self._values.put(name, value)


def active(vendor: Vendor) -> Vendor:
    """The vendor if it may report. Raises Refusal (403)."""
    if not vendor.is_active:
        raise Refusal(problem(403, "This vendor is not active."))
    return vendor


def _is_over(holder: Holder) -> bool:
    return holder.expires_at_ms is not None and holder.expires_at_ms <= time.time() * 1000
