"""What tests of conversion intake share: a published vendor and key without PostgreSQL, requests, and what was kept."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import time
from typing import Any

import orjson
import redis

from flusher.writer import write
from redirector.intake.postback import signature_of
from schema import keys
from schema.conversions import Event, decode_reports
from schema.settings import Settings
from tests.doors import BROWSER, SHARDS, Door, Reply

KEY = "clk_vendor_of_the_tests"
SECRET = "a postback secret"


def publish_vendor(client: redis.Redis, vendor_id: int = 1, key: str = KEY, **settings: Any) -> None:
    """A vendor and a key of theirs, as the publisher would lay them down."""
    value = {
        "vendor_id": vendor_id,
        "email": f"{vendor_id}@shop.example",
        "is_active": True,
        "token_hash": None,
    }
    value |= {"is_transaction_id_required": False, "is_unsigned_pixel_allowed": False}
    value |= {"default_currency": None, "secrets": [SECRET]} | settings
    put(client, keys.vendor(vendor_id), value)
    put(client, keys.vendor_email(value["email"]), {"vendor_id": vendor_id})
    publish_key(client, key, vendor_id=vendor_id)
    client.set(keys.PUBLISHED, 1)


def publish_key(client: redis.Redis, key: str, role: str = "vendor", **of: Any) -> None:
    """A key of the API."""
    value = {"role": role, "vendor_id": None, "partner_id": None, "expires_at_ms": None} | of
    put(client, keys.api_key(hashlib.sha256(key.encode()).hexdigest()), value)


def put(client: redis.Redis, name: str, value: Any) -> None:
    """A value, then its announcement."""
    client.set(name, orjson.dumps(value))
    client.xadd(keys.LINK_CHANGES, {"c": keys.NO_CODE + name})


def settle(door: Door) -> None:
    """Until the door has read every change announced so far: it reads them in order, so those of a link tell."""
    for place in ("https://shop.example/before", "https://shop.example/after"):
        door.publish("settling", place)
        deadline = time.monotonic() + 30
        while not door.get("/settling").location.startswith(place):
            assert time.monotonic() < deadline, "the door does not read changes"
            time.sleep(0.005)


def post(door: Door, path: str, body: Any, key: str | None = KEY, **headers: str) -> Reply:
    """POST to the door: bytes as they are, anything else as JSON. Underscores in header names become dashes."""
    sent = {"User-Agent": BROWSER} | {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", path, content, sent)
        response = connection.getresponse()
        found = [(name.lower(), value) for name, value in response.getheaders()]
        return Reply(response.status, found, response.read())


def sale(transaction_id: str = "ORD-1", **fields: Any) -> dict[str, Any]:
    """The body of a sale of 100.00 USD."""
    return {"transaction_id": transaction_id, "amount": "100.00", "currency": "USD"} | fields


def signed(query: str, secret: str = SECRET) -> str:
    """The query with its signature."""
    return f"{query}&sig={signature_of(query.encode(), secret)}"


def json_of(reply: Reply) -> Any:
    """Its body."""
    return orjson.loads(reply.body)


def fields_named(reply: Reply) -> set[str]:
    """The fields a 422 names."""
    assert reply.status == 422, reply
    assert reply.get("content-type") == "application/problem+json"
    return {error["field"] for error in json_of(reply)["errors"]}


def reports(client: redis.Redis) -> list[Event]:
    """Every report in the streams, in the order they were received, as far as milliseconds tell."""
    events: list[Event] = []
    for shard in range(SHARDS):
        for _, fields in client.xrange(keys.conversions(shard)):
            good, bad = decode_reports(fields[b"b"])
            assert not bad
            events += good
    return sorted(events, key=lambda event: str(event["report_id"]))


def append_reports(settings: Settings, *events: Event, shard: int = 0) -> None:
    """Events as one block."""
    with redis.Redis.from_url(str(settings.redis_url)) as client:
        client.xadd(keys.conversions(shard), {"b": orjson.dumps(list(events))})


def drain_reports(settings: Settings, *, seconds_max: float = 30.0) -> None:
    """Run the writer in this process until the conversion streams are empty."""

    def waiting() -> int:
        with redis.Redis.from_url(str(settings.redis_url)) as client:
            return sum(client.xlen(keys.conversions(shard)) for shard in range(settings.stream_shards))

    async def run() -> None:
        is_stopping = asyncio.Event()
        writer = asyncio.create_task(write(settings, is_stopping))
        async with asyncio.timeout(seconds_max):
            while not writer.done() and waiting():  # noqa: ASYNC110 - Redis tells of no such event
                await asyncio.sleep(0.02)
        is_stopping.set()
        await writer

    asyncio.run(run())
