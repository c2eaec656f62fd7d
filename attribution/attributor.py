"""The attributor process: conversions in, touches and credits out, for as long as it runs.

`run_attributor` is the process, started by the supervisor or `clickledger attributor`. Any number may run beside each
other: each claims conversions nobody else is at. A batch is one transaction, so a killed attributor leaves nothing
half; a conversion that cannot be worked out is set aside with its reason and stops nobody else.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import asyncpg
import structlog
import uvloop

from attribution.adjustments import apply_refunds, claim_refunds, refuse_refunds
from attribution.journeys import rebuild_journeys
from attribution.latecomers import settle_leads, take_late_clicks
from attribution.lifecycle import approve_due
from attribution.posting import Posted
from attribution.settlement import Unsettled, settle
from attribution.terms import SQL, Connection
from attribution.totals import SQL as POST
from schema import metrics
from schema.logs import set_up_logs
from schema.postgres import UNREACHABLE, connect_pool
from schema.settings import Settings

BATCH = 500
"""Conversions in one transaction: enough that queries cost little each, few enough that a batch takes a fraction of a
second and holds few locks."""
LANES = 2
"""Batches at a time: while PostgreSQL writes one, the next is worked out."""
POLL_S = 0.1
STEWARD_S = 0.25
GAUGE_S = 5.0
STATEMENT_S_MAX = 300.0
STOP_S = 10.0
ATTEMPTS_MAX = 8
BACKOFF_S_MAX = 5.0

REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, OverflowError)
"""What PostgreSQL, or the encoder before it, raises when a row is at fault (SQLSTATE 22 and 23)."""
NOT_WELL = (*UNREACHABLE, asyncpg.PostgresError, asyncpg.InternalClientError)
RETRIED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

Lane = Callable[[], Coroutine[Any, Any, int]]

log = structlog.get_logger()


def run_attributor(settings: Settings) -> None:
    """Attribute conversions until SIGTERM or SIGINT; the batches in hand are finished first."""
    set_up_logs("attributor", settings.log_level)
    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    is_stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, is_stopping.set)
    await attribute(settings, is_stopping)


async def attribute(settings: Settings, is_stopping: asyncio.Event) -> None:
    """Work until `is_stopping`."""
    assert settings.database_url is not None
    pool = await connect_pool(
        settings.database_url, "attributor", connections_max=LANES + 4, timeout_s=STATEMENT_S_MAX
    )
    worker = Attributor(pool, settings.stream_shards)
    log.info("attributor_started", lanes=LANES)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_keep_doing(work, pause_s, is_stopping)) for work, pause_s in worker.lanes()
            ]
            await is_stopping.wait()
            _done, late = await asyncio.wait(tasks, timeout=STOP_S)
            for task in late:
                task.cancel()
    finally:
        pool.terminate()
        log.info("attributor_stopped")


async def _keep_doing(work: Lane, idle_s: float, is_stopping: asyncio.Event) -> None:
    """Do it again and again, pausing where nothing was found; PostgreSQL being away is waited out."""
    failures = 0
    while not is_stopping.is_set():
        try:
            pause_s = 0.0 if await work() else idle_s
            failures = 0
        except NOT_WELL as error:
            failures += 1
            pause_s = min(BACKOFF_S_MAX, 0.1 * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0)
            log.warning("attributor_waiting", error=repr(error)[:300], wait_s=round(pause_s, 2))
        try:
            async with asyncio.timeout(pause_s):
                await is_stopping.wait()
        except TimeoutError:
            continue


class Attributor:
    """The work of one process on its pool; each method is one round and says how much it found."""

    def __init__(self, pool: asyncpg.Pool, shards: int) -> None:
        self._pool = pool
        self._shards = shards

    def lanes(self) -> list[tuple[Lane, float]]:
        """What to do side by side, and how long to pause where nothing was found."""
        steward = (*(self.settle_waited, self.take_late, self.lead, self.approve, self.refund, self.journey),)
        return [
            *[(self.settle_next, POLL_S)] * LANES,
            *((work, STEWARD_S) for work in steward),
            (self.gauge, GAUGE_S),
        ]

    async def settle_next(self) -> int:
        """A batch of conversions that are due, or of those to be attributed again where none is."""
        return await self._round("settled", self._claim_settled) or await self._round(
            "again", self._claim_again
        )

    async def settle_waited(self) -> int:
        """Conversions that waited for a click or a first sale."""
        return await self._round("waited", self._claim_waiting)

    async def take_late(self) -> int:
        """Clicks that came after their conversions."""
        async with self._pool.acquire() as connection:
            return await take_late_clicks(connection, BATCH)

    async def lead(self) -> int:
        """Leads without a partner yet."""
        async with self._pool.acquire() as connection:
            return await settle_leads(connection, self._shards, BATCH)

    async def approve(self) -> int:
        """Conversions whose hold period has passed."""
        async with self._pool.acquire() as connection:
            return await approve_due(connection, BATCH)

    async def journey(self) -> int:
        """Journeys of cookies with several conversions."""
        async with self._pool.acquire() as connection:
            return await rebuild_journeys(connection, BATCH)

    async def gauge(self) -> int:
        """Tell how much is waiting."""
        backlog = await self._pool.fetchrow(SQL["backlog"])
        assert backlog is not None
        metrics.ATTRIBUTOR_BACKLOG.labels("waiting").set(backlog["waiting"])
        metrics.ATTRIBUTOR_BACKLOG.labels("again").set(backlog["again"])
        return 0

    async def refund(self) -> int:
        """Refunds; where a batch cannot be applied, one conversion after the other."""
        try:
            return await self._refund(BATCH)
        except (*REFUSED, ArithmeticError, ValueError, KeyError) as error:
            log.info("refunds_one_by_one", error=repr(error)[:300])
        return await self._refund(1, sets_aside=True)

    async def _refund(self, limit: int, *, sets_aside: bool = False) -> int:
        numbers: list[int] = []
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(SQL["begin_batch"])
                numbers = await claim_refunds(connection, limit)
                applied = await apply_refunds(connection, numbers) if numbers else 0
        except (*REFUSED, ArithmeticError, ValueError, KeyError) as error:
            if not sets_aside or not numbers:
                raise
            log.error("refunds_set_aside", conversion=numbers[0], error=repr(error)[:300])
            async with self._pool.acquire() as connection:
                await refuse_refunds(connection, numbers[0], repr(error)[:300])
            return 1
        metrics.CONVERSIONS.labels("refunded").inc(applied)
        if applied:
            log.info("refunds_applied", refunds=applied)
        return applied

    async def _claim_settled(self, connection: Connection) -> list[int]:
        return [row[0] for row in await connection.fetch(SQL["claim_settled"], self._shards, BATCH)]

    async def _claim_waiting(self, connection: Connection) -> list[int]:
        return [row[0] for row in await connection.fetch(SQL["claim_waiting"], BATCH)]

    async def _claim_again(self, connection: Connection) -> list[int]:
        rows = await connection.fetch(SQL["claim_again"], BATCH)
        if rows:
            await connection.execute(SQL["forget_again"], [one for row in rows for one in row["requests"]])
        return [row["conversion_event_id"] for row in rows]

    async def _round(self, name: str, claim: Callable[[Connection], Coroutine[Any, Any, list[int]]]) -> int:
        """Claim and settle a batch; where it cannot be done at once, in parts."""
        started = time.perf_counter()
        numbers: list[int] = []
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(SQL["begin_batch"])
                numbers = await claim(connection)
                if not numbers:
                    return 0
                posted = await settle(connection, numbers)
        except (Unsettled, *REFUSED, *RETRIED) as error:
            log.info("batch_in_parts", conversions=len(numbers), error=repr(error)[:300])
            posted = await self._settle_in_parts(numbers, error)
        _report(name, posted, time.perf_counter() - started)
        return len(numbers)

    async def _settle_in_parts(self, numbers: Sequence[int], error: Exception, attempt: int = 1) -> Posted:
        """Until the conversion at fault stands alone and is set aside."""
        if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
            await self._make_partitions(numbers)
            parts = [numbers]
        elif isinstance(error, RETRIED):
            parts = [numbers]
        elif isinstance(error, Unsettled):
            await self._set_aside(error.number, error.reason)
            parts = [[number for number in numbers if number != error.number]]
            attempt = 0
        elif len(numbers) == 1:
            await self._set_aside(numbers[0], repr(error)[:300])
            parts = []
        else:
            parts = [numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]]
        total = Posted(0, 0, 0, 0)
        for part in parts:
            posted = await self._settle_part(part, attempt) if part else total._replace(attributed=0)
            total = Posted(*(one + other for one, other in zip(total, posted, strict=True)))
        return total

    async def _settle_part(self, numbers: Sequence[int], attempt: int) -> Posted:
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(SQL["begin_batch"])
                mine = [row[0] for row in await connection.fetch(SQL["lock_conversions"], numbers)]
                return await settle(connection, mine)
        except (Unsettled, *REFUSED, *RETRIED) as error:
            if attempt >= ATTEMPTS_MAX and not isinstance(error, Unsettled):
                raise asyncpg.InterfaceError(f"a batch did not settle in {attempt} attempts") from error
            return await self._settle_in_parts(numbers, error, attempt + 1)

    async def _make_partitions(self, numbers: Sequence[int]) -> None:
        for row in await self._pool.fetch(SQL["months_of"], numbers):
            await self._pool.execute(POST["ensure_partitions"], row["month"])

    async def _set_aside(self, number: int, reason: str) -> None:
        """Keep a conversion out of the way until somebody has looked."""
        metrics.CONVERSIONS.labels("set_aside").inc()
        log.error("conversion_set_aside", conversion=number, reason=reason)
        await self._pool.execute(POST["set_aside"], number, reason)


def _report(name: str, posted: Posted, seconds: float) -> None:
    metrics.CONVERSIONS.labels("attributed").inc(posted.attributed)
    metrics.CONVERSIONS.labels("unattributed").inc(posted.unattributed)
    metrics.ATTRIBUTE_SECONDS.observe(seconds)
    metrics.TOUCHES_WRITTEN.inc(posted.touches)
    log.info("batch_settled", kind=name, **posted._asdict(), seconds=round(seconds, 3))
