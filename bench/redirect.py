"""The door beside the servers it is measured against: both front ends, bare uvicorn, the obvious Starlette door, nginx
with a constant answer, nginx + lua + Redis, Fastify + ioredis.

Rounds are interleaved in one run: each server in turn on one core, generator and Redis on the other. First as fast as
answers come, then at half of what each server reached, at a constant rate with latency counted from the moment each
request was due. After every turn the clicks kept are counted against the redirects sent, and forgotten. The door keeps
more of each click than the others do (cookie, click id), and is measured with `appendfsync always` too.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import redis

from bench.baselines import (
    Server,
    Start,
    bare_uvicorn,
    fastify_ioredis,
    nginx_lua,
    nginx_static,
    starlette_redis,
    stream_of,
)
from bench.generator import Asked, Load, generator_name, pace, saturate
from bench.installs import Missing
from bench.kernel import cpu_seconds
from bench.pace import Paced
from bench.system import (
    Redis,
    await_spool,
    cores,
    door,
    embedded_redis,
    publish_links,
    take_clicks,
    take_entries,
)

LINKS = 1_000
PACED_MAX = 50_000
"""Requests a second at a constant rate at most: our generator needs 8 us each, and shares its core with Redis."""
FAST = "fast front end"
ASGI = "ASGI front end"
SYNCED = "fast front end, appendfsync always"
UVICORN = "bare uvicorn, keeps nothing"
NGINX = "nginx static, keeps nothing"
NGINX_LUA = "nginx + lua + Redis"
FASTIFY = "Fastify + ioredis"
STARLETTE = "Starlette + redis-py"
BARS = (
    (FAST, UVICORN, 1.3),
    (FAST, NGINX, 0.65),
    (FAST, NGINX_LUA, 3.0),
    (FAST, FASTIFY, 2.5),
    (FAST, STARLETTE, 10.0),
    (ASGI, UVICORN, 0.75),
)
"""How many times as fast as another each front end shall be."""


class Contender(NamedTuple):
    """A server in the run, and how many clicks it kept since last asked (None: it keeps none)."""

    server: Server
    take_kept: Callable[[], int] | None
    is_synced: bool = False


class Turn(NamedTuple):
    """What one turn of one server gave. CPU time is that of the server with its children, and of Redis."""

    load: Load | Paced
    cpu_us: float
    redis_cpu_us: float
    kept: int | None


def run(seconds: float = 5.0, rounds: int = 5, connections: int = 64) -> dict[str, Any]:
    """Measure; a row of medians for each server, ratios of the fast front end, the servers that were not there."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(embedded_redis(folder, cores()[1]))
        publish_links(store.url, LINKS)
        contenders, skipped = _contenders(stack, store, folder)
        saturated: dict[str, list[Turn]] = {name: [] for name in contenders}
        paced: dict[str, list[Turn]] = {name: [] for name in contenders}
        for number in range(rounds + 1):  # the first round warms up
            for name, contender in contenders.items():
                turn = _turn(contender, store, partial(saturate, seconds=seconds, connections=connections))
                saturated[name] += [turn] if number else []
        rates = {name: min(PACED_MAX, _median(turns, "per_second") / 2) for name, turns in saturated.items()}
        for _ in range(rounds):
            for name, contender in contenders.items():
                load = partial(pace, rate=rates[name], seconds=seconds, connections=connections)
                paced[name].append(_turn(contender, store, load))
    facts = {
        "seconds": seconds,
        "rounds": rounds,
        "connections": connections,
        "generator": generator_name(seconds),
    }
    rows = [{"server": name, **_row(saturated[name], paced[name], rates[name])} for name in contenders]
    return facts | {"servers": rows, "ratios": _ratios(saturated), "skipped": skipped}


def _contenders(stack: ExitStack, store: Redis, folder: Path) -> tuple[dict[str, Contender], dict[str, str]]:
    """Everything that can be started here, and why the rest cannot."""
    core = cores()[0]
    found: dict[str, Contender] = {}
    for name, front_end in ((FAST, "fast"), (ASGI, "asgi")):
        place = folder / front_end
        server = stack.enter_context(door(store.url, place, core, front_end))
        found[name] = Contender(server, partial(_clicks_of_door, store.url, place))
    found[SYNCED] = found[FAST]._replace(is_synced=True)
    others: dict[str, Start] = {
        UVICORN: bare_uvicorn,
        NGINX: nginx_static,
        NGINX_LUA: nginx_lua,
        FASTIFY: fastify_ioredis,
        STARLETTE: starlette_redis,
    }
    skipped: dict[str, str] = {}
    for name, start in others.items():
        try:
            server = stack.enter_context(start(store.url, folder / start.__name__, core))
        except Missing as fault:
            skipped[name] = str(fault)
            continue
        is_constant = start in (bare_uvicorn, nginx_static)
        found[name] = Contender(
            server, None if is_constant else partial(take_entries, store.url, stream_of(start.__name__))
        )
    return found, skipped


def _clicks_of_door(redis_url: str, folder: Path) -> int:
    await_spool(folder)
    return take_clicks(redis_url)


def _turn(contender: Contender, store: Redis, load: Callable[..., Load | Paced]) -> Turn:
    """One turn of one server: its load, what that cost, and what was kept."""
    if contender.take_kept:
        contender.take_kept()  # the request that asked whether it is ready
    with _synced(store.url) if contender.is_synced else ExitStack():
        before = cpu_seconds(contender.server.pid), cpu_seconds(store.pid)
        seen = load(contender.server.url, Asked(LINKS), core=cores()[1])
        after = cpu_seconds(contender.server.pid), cpu_seconds(store.pid)
    cpu_us, redis_cpu_us = (1e6 * (b - a) / max(1, seen.answered) for a, b in zip(before, after, strict=True))
    return Turn(seen, cpu_us, redis_cpu_us, contender.take_kept() if contender.take_kept else None)


@contextmanager
def _synced(redis_url: str) -> Iterator[None]:
    """Redis syncs its log before it acknowledges, as long as the block lasts."""
    with redis.Redis.from_url(redis_url) as client:
        before = str(client.config_get("appendfsync")["appendfsync"])
        client.config_set("appendfsync", "always")
        try:
            yield
        finally:
            client.config_set("appendfsync", before)


def _row(saturated: list[Turn], paced: list[Turn], rate: float) -> dict[str, Any]:
    """Medians of one server, and its account of clicks."""
    every = [*saturated, *paced]
    row: dict[str, Any] = {
        "per_s": round(_median(saturated, "per_second")),
        "cpu_us": round(statistics.median(turn.cpu_us for turn in saturated), 2),
        "redis_cpu_us": round(statistics.median(turn.redis_cpu_us for turn in saturated), 2),
        "saturated_p50_ms": round(_median(saturated, "p50_ms"), 2),
        "saturated_p99_ms": round(_median(saturated, "p99_ms"), 2),
        "paced_per_s": round(rate),
        "p50_ms": round(_median(paced, "p50_ms"), 2),
        "p99_ms": round(_median(paced, "p99_ms"), 2),
        "p999_ms": round(_median(paced, "p999_ms"), 2),
        "generator_late": round(_share(paced, "late"), 4),
        "sent": sum(turn.load.answered for turn in every),
        "failed": sum(turn.load.failed for turn in every),
    }
    return row | _account(saturated, paced)


def _account(saturated: list[Turn], paced: list[Turn]) -> dict[str, Any]:
    """Clicks kept for each redirect sent: exact where the generator waits for all answers; where it stops counting
    in mid-flight, as wrk does, no turn may have kept fewer than were answered (`lost`)."""
    kept = [turn.kept for turn in paced if turn.kept is not None]
    if not kept:
        return {}
    lost = sum(max(0, turn.load.answered - (turn.kept or 0)) for turn in [*saturated, *paced])
    return {
        "kept_of_sent": round(sum(kept) / max(1, sum(turn.load.answered for turn in paced)), 6),
        "lost": lost,
    }


def _ratios(saturated: dict[str, list[Turn]]) -> list[dict[str, Any]]:
    """The throughput of one over another's, the median of rounds, beside what it shall be; and what the servers' CPU time
    a request alone would make of it, which a busy machine does not change."""
    found = []
    for ours, other, bar in BARS:
        if other in saturated:
            rounds = list(zip(saturated[ours], saturated[other], strict=True))
            ratio = statistics.median(a.load.per_second / b.load.per_second for a, b in rounds)
            by_cpu = statistics.median(b.cpu_us / a.cpu_us for a, b in rounds if a.cpu_us)
            found.append(
                {
                    "server": ours,
                    "beside": other,
                    "ratio": round(ratio, 3),
                    "bar": bar,
                    "ratio_by_cpu": round(by_cpu, 3),
                }
            )
    return found


def _median(turns: list[Turn], name: str) -> float:
    return float(statistics.median(getattr(turn.load, name) for turn in turns))


def _share(turns: list[Turn], name: str) -> float:
    return float(sum(getattr(turn.load, name) for turn in turns)) / max(
        1, sum(turn.load.answered for turn in turns)
    )
