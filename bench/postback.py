"""A postback's 202 beside a redirect's 302, on the same door, each durable before its answer.

Rounds are interleaved in one run: redirects and postbacks in turn, the door on core 0, generator and Redis on core 1.
Afterwards the reports in the streams are counted against the answers. `run` is called by `make bench` and, at toy
size, by a test.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import redis

from bench.generator import Asked, Load, generator_name, saturate
from bench.system import (
    SHARDS,
    await_spool,
    cores,
    door,
    embedded_redis,
    payloads_of,
    publish_links,
    take_clicks,
)
from schema import keys
from schema.conversions import decode_reports

KEY = "clk_vendor_of_the_bench"
POSTBACK = f"/-/pb?key={KEY}&click_id=3765025955840000001&amount=49.90&currency=EUR&event=sale&txn="
LINKS = 1_000
TRANSACTIONS = 1_000_000_000


def run(seconds: float = 5.0, rounds: int = 5, connections: int = 64) -> dict[str, Any]:
    """Measure; the medians of all rounds, their ratio, and reports kept for each 202."""
    door_core, other_core = cores()
    redirects: list[Load] = []
    postbacks: list[Load] = []
    with (
        tempfile.TemporaryDirectory() as name,
        embedded_redis(Path(name), other_core) as store,
        door(store.url, Path(name), door_core) as server,
    ):
        publish_links(store.url, LINKS)
        publish_vendor(store.url)
        ask = partial(saturate, server.url, seconds=seconds, connections=connections, core=other_core)
        for number in range(rounds + 1):  # the first round warms up
            redirects.append(ask(Asked(LINKS)))
            postbacks.append(ask(Asked(TRANSACTIONS, POSTBACK, 202)))
            await_spool(Path(name))
            take_clicks(store.url)
            if not number:
                forget_reports(store.url)
        kept = count_reports(store.url)
    del redirects[0], postbacks[0]
    ratios = [ours.per_second / one.per_second for ours, one in zip(postbacks, redirects, strict=True)]
    return {
        "seconds": seconds,
        "rounds": rounds,
        "connections": connections,
        "generator": generator_name(seconds),
        "postback_per_s": round(statistics.median(one.per_second for one in postbacks)),
        "redirect_per_s": round(statistics.median(one.per_second for one in redirects)),
        "ratio": round(statistics.median(ratios), 3),
        "postback_p50_ms": statistics.median(one.p50_ms for one in postbacks),
        "postback_p99_ms": statistics.median(one.p99_ms for one in postbacks),
        "answered": sum(one.answered for one in postbacks),
        "failed": sum(one.failed for one in postbacks),
        "kept": kept,
    }


def publish_vendor(redis_url: str) -> None:
    """A vendor and its key as the publisher would."""
    key_hash = hashlib.sha256(KEY.encode()).hexdigest()
    with redis.Redis.from_url(redis_url) as client:
        client.set(keys.api_key(key_hash), orjson.dumps({"role": "vendor", "vendor_id": 1}))
        client.set(keys.vendor(1), orjson.dumps({"vendor_id": 1, "is_active": True}))


def forget_reports(redis_url: str) -> None:
    """Empty the streams."""
    with redis.Redis.from_url(redis_url) as client:
        for shard in range(SHARDS):
            client.delete(keys.conversions(shard))


def count_reports(redis_url: str) -> int:
    """Distinct reports in the streams."""
    seen: set[str] = set()
    with redis.Redis.from_url(redis_url) as client:
        for shard in range(SHARDS):
            for payload in payloads_of(client, keys.conversions(shard)):
                seen.update(event["report_id"] for event in decode_reports(payload)[0])
    return len(seen)
