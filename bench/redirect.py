"""The throughput of the door's two front ends beside a bare uvicorn 302, with every click acknowledged before its answer.

Rounds are interleaved in one run: each server in turn on core 0, generator and Redis on core 1. Afterwards the clicks
in the streams are counted against the answers. `run` is called by `make bench` and, at toy size, by a test.
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from bench.baselines import await_server, bare_uvicorn, pinned
from bench.generator import Load, generator_name, load
from clickledger.engines.data_dir import DataDir
from schema import keys
from schema.events import decode_block
from schema.links import PublishedLink, encode_link

LINKS = 1_000
SHARDS = 2
FRONT_ENDS = ("fast", "asgi")


def run(seconds: float = 5.0, rounds: int = 5, connections: int = 64) -> dict[str, Any]:
    """Measure; the medians of all rounds, their ratios, and clicks kept for each answer sent."""
    cores = sorted(os.sched_getaffinity(0))
    server_core, other_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis_url = stack.enter_context(embedded_redis(folder, other_core))
        publish_links(redis_url)
        sides = {
            name: stack.enter_context(door(redis_url, folder / name, server_core, name))
            for name in FRONT_ENDS
        }
        sides["bare_uvicorn"] = stack.enter_context(bare_uvicorn(server_core))
        loads: dict[str, list[Load]] = {name: [] for name in sides}
        for number in range(rounds + 1):  # the first round warms up
            for name, url in sides.items():
                seen = load(url, seconds=seconds, connections=connections, links=LINKS, core=other_core)
                if number:
                    loads[name].append(seen)
                else:
                    forget_clicks(redis_url)
        kept = count_clicks(redis_url)
    facts = {"seconds": seconds, "rounds": rounds, "connections": connections, "generator": generator_name()}
    return facts | _comparison(loads) | {"kept": kept}


def _comparison(loads: dict[str, list[Load]]) -> dict[str, Any]:
    """Rates and delays of each side, each front end's ratio to the bare server, and the account of clicks."""
    bare = loads["bare_uvicorn"]
    result: dict[str, Any] = {
        f"{name}_per_s": round(_median(seen, "per_second")) for name, seen in loads.items()
    }
    for name in FRONT_ENDS:
        pairs = zip(loads[name], bare, strict=True)
        result[f"{name}_ratio"] = round(
            statistics.median(one.per_second / base.per_second for one, base in pairs), 3
        )
        result[f"{name}_p50_ms"] = _median(loads[name], "p50_ms")
        result[f"{name}_p99_ms"] = _median(loads[name], "p99_ms")
    ours = [seen for name in FRONT_ENDS for seen in loads[name]]
    return result | {
        "answered": sum(seen.answered for seen in ours),
        "failed": sum(seen.failed for seen in ours),
    }


def _median(loads: list[Load], name: str) -> float:
    return float(statistics.median(getattr(seen, name) for seen in loads))


@contextmanager
def embedded_redis(folder: Path, core: int | None) -> Iterator[str]:
    """The embedded Valkey alone, durable as in production, on one core."""
    _, valkey = DataDir(folder / "engines").engines(is_durable=True)
    valkey.home.parent.mkdir(parents=True, exist_ok=True)
    process = valkey.start()
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    try:
        yield valkey.url
    finally:
        valkey.stop(process)


@contextmanager
def door(redis_url: str, folder: Path, core: int | None, front_end: str = "fast") -> Iterator[str]:
    """One door process; its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2048)
        descriptor = listening.fileno()
        command = [sys.executable, "-m", "clickledger.child", "door", "--data-dir", str(folder / "door")]
        settings = {
            "CLICKLEDGER_REDIS_URL": redis_url,
            "CLICKLEDGER_STREAM_SHARDS": str(SHARDS),
            "CLICKLEDGER_LOG_LEVEL": "warning",
            "CLICKLEDGER_FRONT_END": front_end,
        }
        with pinned(
            [*command, "--fd", str(descriptor)], core, pass_fds=(descriptor,), env=os.environ | settings
        ):
            port = listening.getsockname()[1]
            await_server(port)
            yield f"http://127.0.0.1:{port}"


def publish_links(redis_url: str, links: int = LINKS) -> None:
    """`l0` … as the publisher would."""
    with redis.Redis.from_url(redis_url) as client:
        for number in range(links):
            link = PublishedLink(
                link_id=number + 1, code=f"l{number}", destination=f"https://shop.example/p/{number}?utm_source=partner",
                partner_id=1, campaign_id=1, campaign_version_id=1,
            )  # fmt: skip
            client.set(keys.link(link.code), encode_link(link))
        client.set(keys.PUBLISHED, time.time_ns() // 1_000_000)


def forget_clicks(redis_url: str) -> None:
    """Empty the streams."""
    with redis.Redis.from_url(redis_url) as client:
        for shard in range(SHARDS):
            client.delete(keys.clicks(shard))


def count_clicks(redis_url: str) -> int:
    """Distinct clicks in the streams, read in pages."""
    seen: set[int] = set()
    with redis.Redis.from_url(redis_url) as client:
        for shard in range(SHARDS):
            last = b"-"
            while page := client.xrange(keys.clicks(shard), last, count=1000):
                for entry_id, fields in page:
                    seen.update(click.click_id for click in decode_block(fields[b"b"])[0])
                    last = b"(" + entry_id
    return len(seen)
