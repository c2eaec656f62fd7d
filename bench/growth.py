"""What a click costs as everything grows: CPU time at the door with 1,000, 100,000 and 1,000,000 links, and of writer
and PostgreSQL with 1 and 10 million clicks stored already.

A tenth more or less is the machine; `links_growth` and `stored_growth` are the dearest over the cheapest. Links are asked
for by Zipf's law, one door for each number of links, rounds interleaved. Stored clicks are put there by SQL, with their
cookies, and then the writer is given new ones, in the same blocks each time.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import redis

from bench.flush import CLICKS_PER_BLOCK, sample_clicks
from bench.generator import Asked, saturate
from bench.kernel import cpu_seconds
from bench.system import (
    SHARDS,
    Engines,
    Stored,
    Whole,
    cores,
    door,
    embedded_redis,
    publish_links,
    take_clicks,
    whole,
    writer,
)
from schema import keys
from schema.events import FIELD_BLOCK, encode_block
from schema.settings import Settings

PUT_AT_ONCE = 500_000
LINKS_HELD = int(Settings.model_fields["link_cache_max"].default)
WARM_UP = 3


def run(
    links: Sequence[int] = (1_000, 100_000, 1_000_000),
    stored: Sequence[int] = (1_000_000, 10_000_000),
    seconds: float = 5.0,
    rounds: int = 5,
    rows: int = 100_000,
    engines: Engines | None = None,
) -> dict[str, Any]:
    """Measure; `rows` new clicks are written in each of the rounds."""
    by_links = _by_links(links, seconds, rounds)
    by_stored = _by_stored(stored, rounds, rows, engines)
    return {
        "seconds": seconds,
        "rounds": rounds,
        "rows": rows,
        "links": by_links,
        "stored": by_stored,
        "links_growth": _growth([row["cpu_us"] + row["redis_us"] for row in by_links]),
        "stored_growth": _growth([row["writer_us"] + row["postgres_us"] for row in by_stored]),
    }


def _growth(costs: list[float]) -> float:
    return round(max(costs) / min(costs), 3)


def _by_links(sizes: Sequence[int], seconds: float, rounds: int) -> list[dict[str, Any]]:
    """Microseconds of CPU time a click of the door, and of Redis, for each number of links."""
    spent: dict[int, list[tuple[float, ...]]] = {size: [] for size in sizes}
    with ExitStack() as stack, tempfile.TemporaryDirectory() as name:
        store = stack.enter_context(embedded_redis(Path(name), cores()[1]))
        publish_links(store.url, max(sizes))
        doors = {
            size: stack.enter_context(door(store.url, Path(name) / str(size), cores()[0])) for size in sizes
        }
        for size, server in doors.items():
            _warm_up(server.url, store.url, size, seconds)
        for _ in range(rounds):
            for size, server in doors.items():
                before = cpu_seconds(server.pid), cpu_seconds(store.pid)
                answered = _ask(server.url, size, seconds)
                after = cpu_seconds(server.pid), cpu_seconds(store.pid)
                take_clicks(store.url)
                spent[size].append(tuple(_us(*span, answered) for span in zip(before, after, strict=True)))
    return [
        {"links": size, "cpu_us": _median(0, costs), "redis_us": _median(1, costs)}
        for size, costs in spent.items()
    ]


def _ask(url: str, size: int, seconds: float) -> int:
    """Load on that many links; requests answered."""
    asked = Asked(size, is_zipf=True)
    return saturate(url, asked, seconds=seconds, connections=64, core=cores()[1]).answered


def _warm_up(url: str, redis_url: str, size: int, seconds: float) -> None:
    """Until a door holds the links it will hold: it has been asked several times as often as it can hold links."""
    left = WARM_UP * min(size, LINKS_HELD)
    while left > 0:
        left -= _ask(url, size, seconds)
        take_clicks(redis_url)


def _by_stored(sizes: Sequence[int], rounds: int, rows: int, engines: Engines | None) -> list[dict[str, Any]]:
    """Microseconds of CPU time a click of the writer, and of PostgreSQL, for each number of clicks stored before."""
    fresh = iter(sample_clicks(rows * (len(sizes) * rounds + 1)))
    found = []
    with whole(engines) as system, Stored(system.database_url) as stored, writer(system) as pid:
        _write(system, stored, pid, list(islice(fresh, rows)))  # warms up
        there = 0
        for size in sizes:
            while there < size:
                put = min(PUT_AT_ONCE, size - there)
                stored.run("store_clicks", there, put)
                there += put
            stored.run("settle")
            costs = [_write(system, stored, pid, list(islice(fresh, rows))) for _ in range(rounds)]
            found.append({"stored": size, "writer_us": _median(0, costs), "postgres_us": _median(1, costs)})
    return found


def _write(
    system: Whole, stored: Stored, writer_pid: int, clicks: list[tuple[Any, ...]]
) -> tuple[float, float]:
    """Give the writer these clicks; CPU time a click of writer and PostgreSQL until all are stored."""
    wanted = stored.count() + len(clicks)
    before = cpu_seconds(writer_pid), cpu_seconds(system.postgres_pid)
    with redis.Redis.from_url(system.redis.url) as client:
        for number, first in enumerate(range(0, len(clicks), CLICKS_PER_BLOCK)):
            block = encode_block(clicks[first : first + CLICKS_PER_BLOCK])
            client.xadd(keys.clicks(number % SHARDS), {FIELD_BLOCK: block})
    stored.wait_for(wanted)
    after = cpu_seconds(writer_pid), cpu_seconds(system.postgres_pid)
    return _us(before[0], after[0], len(clicks)), _us(before[1], after[1], len(clicks))


def _us(before: float, after: float, clicks: int) -> float:
    return 1e6 * (after - before) / max(1, clicks)


def _median(place: int, costs: Sequence[tuple[float, ...]]) -> float:
    return round(statistics.median(cost[place] for cost in costs), 2)
