"""The writer process: two tasks a shard, for its clicks and for its reports of conversions, each holding its lease or waiting for it, and one that makes partitions.

`run_flusher` is the process, started by the supervisor or `clickledger flusher`. Any number of writers may run:
each shard has one that works, the others stand by and take over when its lease ends.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import socket

import asyncpg
import structlog
import uvloop

from flusher.backoff import Backoff, pause
from flusher.lease import Lease
from flusher.partitions import ensure_ahead
from flusher.report_shard import ReportShard
from flusher.report_store import ReportStore
from flusher.rollups import Folding
from flusher.shard import NOT_WELL, LeaseLost, ShardWriter, Tools
from flusher.store import Store, set_codecs
from flusher.stream import ClickStream, NoGroup, ReportStream
from flusher.visitors import VisitorSecrets
from schema import keys
from schema.agents import read_agent
from schema.countries import Countries
from schema.ids import wall_clock_ms
from schema.logs import set_up_logs
from schema.postgres import connect_pool
from schema.redis_client import UNREACHABLE, RedisClient, connect_redis
from schema.settings import Settings

LEASE_MS = 5_000
"""How long a shard stands still after its writer was killed."""
RENEW_S = 1.0
STOP_S = 10.0
"""How long a writer told to stop goes on draining."""
PARTITIONS_S = 3_600.0

log = structlog.get_logger()


def run_flusher(settings: Settings) -> None:
    """Write clicks to PostgreSQL until SIGTERM or SIGINT, then drain for at most `STOP_S` seconds and return."""
    set_up_logs("flusher", settings.log_level)
    tune_memory()
    uvloop.run(_run(settings))


def tune_memory() -> None:
    """Collect garbage seldom: batches are objects that die together, none in a cycle, and no more of them are in hand
    at once than this (four shards with three batches each of 20,000 clicks, seven objects a click)."""
    gc.freeze()
    gc.set_threshold(2_000_000, 20, 50)


async def _run(settings: Settings) -> None:
    is_stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, is_stopping.set)
    await write(settings, is_stopping)


async def write(settings: Settings, is_stopping: asyncio.Event) -> None:
    """Serve every shard until `is_stopping`, then until the streams are empty or `STOP_S` is over."""
    assert settings.database_url is not None and settings.redis_url is not None
    redis = connect_redis(settings.redis_url, connections_max=6 * settings.stream_shards + 4)
    pool = await connect_pool(
        settings.database_url, "flusher", connections_max=2 * settings.stream_shards + 2, prepare=set_codecs
    )
    countries = await asyncio.to_thread(Countries, settings.geoip_db, settings.data_dir)
    await asyncio.to_thread(
        read_agent, ""
    )  # builds the parser: a quarter of a second, better now than at a click
    tools = Tools(settings, Store(pool), VisitorSecrets(redis), countries, is_stopping)
    try:
        await _serve_all(tools, pool, redis)
    finally:
        await redis.aclose()
        pool.terminate()
        countries.close()


async def _serve_all(tools: Tools, pool: asyncpg.Pool, redis: RedisClient) -> None:
    """Every shard's task and the partition maker; an error nobody expected ends all of them."""
    log.info("writer_started", shards=tools.settings.stream_shards)
    token = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_make_partitions(pool, tools.is_stopping))]
        tasks.append(group.create_task(Folding(pool).run(tools.is_stopping)))
        for shard in range(tools.settings.stream_shards):
            lease = Lease(redis, keys.lease(shard), token, LEASE_MS)
            writer = ShardWriter(shard, ClickStream(redis, shard), lease, tools)
            tasks.append(group.create_task(_serve_shard(writer, lease, tools)))
            lease = Lease(redis, keys.conversion_lease(shard), token, LEASE_MS)
            reports = ReportShard(shard, ReportStream(redis, shard), lease, tools, ReportStore(pool))
            tasks.append(group.create_task(_serve_shard(reports, lease, tools)))
        await tools.is_stopping.wait()
        _done, late = await asyncio.wait(tasks, timeout=STOP_S)
        for task in late:
            task.cancel()
    log.info("writer_stopped", is_drained=not late)


async def _serve_shard(writer: ShardWriter | ReportShard, lease: Lease, tools: Tools) -> None:
    """Take the lease, serve, and begin again after whatever ended it."""
    backoff = Backoff()
    while not tools.is_stopping.is_set():
        wait_s = RENEW_S
        try:
            if await lease.acquire():
                backoff.succeeded()
                await _serve_holding(writer, lease)
        except LeaseLost as error:
            log.warning("lease_lost", shard=error.args[0])
        except NoGroup as error:
            log.warning("group_lost", stream=error.args[0])
            tools.secrets.forget()
            wait_s = 0.0
        except UNREACHABLE as error:
            wait_s = backoff.failed()
            log.warning("redis_failed", error=repr(error)[:300], wait_s=round(wait_s, 2))
        await pause(tools.is_stopping, wait_s)


async def _serve_holding(writer: ShardWriter | ReportShard, lease: Lease) -> None:
    """Serve with the lease renewed beside it, and give it back at the end."""
    keeper = asyncio.create_task(_keep(lease))
    try:
        await writer.serve()
    finally:
        keeper.cancel()
        try:
            await lease.release()
        except UNREACHABLE:
            log.info("lease_left_to_expire")


async def _keep(lease: Lease) -> None:
    """Renew a lease until somebody else has it; Redis may be away in between."""
    while True:
        await asyncio.sleep(RENEW_S)
        try:
            if not await lease.renew():
                return
        except UNREACHABLE:
            continue


async def _make_partitions(pool: asyncpg.Pool, is_stopping: asyncio.Event) -> None:
    """Months ahead, at once and every hour."""
    backoff = Backoff()
    while not is_stopping.is_set():
        try:
            made = await ensure_ahead(pool, wall_clock_ms())
        except NOT_WELL as error:
            wait_s = backoff.failed()
            log.warning("partitions_failed", error=repr(error)[:300], wait_s=round(wait_s, 2))
        else:
            wait_s = PARTITIONS_S
            backoff.succeeded()
            log.info("partitions_made", made=made)
        await pause(is_stopping, wait_s)
