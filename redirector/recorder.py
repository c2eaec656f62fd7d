"""Keeps clicks and reports of conversions: every click handed to `keep` is durable before the returned future is done.

All clicks that arrive in one turn of the event loop, or while earlier blocks are on their way, travel as one block:
one XADD, one acknowledgement. A lone click waits for no timer. Where Redis does not acknowledge within the budget
the block goes to the spool; from then on blocks go there straight away until Redis answers a ping again, and a
replay brings them home in order with the same click ids. The recorder cannot stop silently: each block is carried
by its own task, and whatever happens to it, its future is settled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeAlias

import structlog
from prometheus_client import Counter, Gauge, Histogram

from redirector.spool import Segment, Spool, SpoolFull
from schema import metrics
from schema.events import BLOCK_CLICKS_MAX, encode_block
from schema.redis_client import UNREACHABLE

BLOCKS_IN_FLIGHT_MAX = 1
"""One on its way and one behind it: enough to hide the round trip, few enough that blocks grow under load."""
CLICKS_WAITING_MAX = 50_000
"""Clicks held in memory at most while no path takes them; beyond it `keep` refuses at once."""
RECOVERY_PAUSE_S = 0.1

Acknowledgement: TypeAlias = "asyncio.Future[None]"
"""The fate of one block, awaited by all its requests. A plain Future: a subclass that refuses to be cancelled would
cost every request 2 us, and only a forced shutdown cancels requests."""

Append = Callable[[bytes], Awaitable[object]]
"""Appends one block to the stream and returns when it is acknowledged; raises one of `UNREACHABLE`."""

_log = structlog.get_logger()


Event: TypeAlias = tuple[object, ...] | dict[str, Any]
"""A click (a tuple in `ClickEvent` order) or a report (see `schema.conversions`)."""


class NotKept(Exception):
    """Neither Redis nor the spool could keep the click; the visitor must not be redirected."""


class Waiter(Protocol):
    """Who is told by a call instead of a future: waking a future's 64 waiters costs 1 us each."""

    def told(self, error: NotKept | None) -> None:
        """The event is durable, or could not be kept."""


class Measures(NamedTuple):
    """The metrics of one recorder: clicks and reports of conversions are counted apart."""

    captured: Counter
    refused: Counter
    seconds: Histogram
    block: Histogram
    spooled: Counter
    spool_bytes: Gauge


CLICKS = Measures(
    metrics.CLICKS_CAPTURED,
    metrics.CLICKS_REFUSED,
    metrics.CAPTURE_SECONDS,
    metrics.BLOCK_CLICKS,
    metrics.SPOOL_CLICKS,
    metrics.SPOOL_BYTES,
)
REPORTS = Measures(
    metrics.REPORTS_CAPTURED,
    metrics.REPORTS_REFUSED,
    metrics.REPORT_CAPTURE_SECONDS,
    metrics.BLOCK_REPORTS,
    metrics.SPOOL_REPORTS,
    metrics.REPORT_SPOOL_BYTES,
)


class Recorder:
    """The door's one way to keep a click, or a report. Create it inside a running event loop."""

    def __init__(
        self,
        append: Append,
        ping: Callable[[], Awaitable[object]],
        spool: Spool,
        budget_s: float,
        measures: Measures = CLICKS,
        block_max: int = BLOCK_CLICKS_MAX,
        waiting_max: int = CLICKS_WAITING_MAX,
    ) -> None:
        self._measures = measures
        self._seconds = metrics.Observed(measures.seconds)
        self._blocks = metrics.Observed(measures.block)
        self._appended = 0
        self._block_max = block_max
        self._waiting_max = waiting_max
        self._append = append
        self._ping = ping
        self._spool = spool
        self._budget_s = budget_s
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Any] = []
        self._waiters: list[Waiter] = []
        self._acknowledgement: Acknowledgement = self._loop.create_future()
        self._is_scheduled = False
        self._in_flight: set[asyncio.Task[None]] = set()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._recovery: asyncio.Task[None] | None = None
        self.is_redis_up = True

    def keep(self, event: Event) -> Acknowledgement:
        """Keep one click or report. Await the result before answering; it raises NotKept."""
        acknowledgement = self._acknowledgement
        if not self._take(event):
            acknowledgement = self._loop.create_future()
            acknowledgement.set_exception(_too_many())
        return acknowledgement

    def keep_for(self, waiter: Waiter, event: Event) -> None:
        """Keep one click or report, and tell `waiter` its fate: at once where too many are waiting."""
        if self._take(event):
            self._waiters.append(waiter)
        else:
            waiter.told(_too_many())

    def _take(self, event: Event) -> bool:
        if len(self._waiting) >= self._waiting_max:
            return False
        self._waiting.append(event)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._send)
        return True

    def _send(self) -> None:
        """Send what is waiting, unless enough blocks are on their way already; then the next arrival sends it."""
        self._is_scheduled = False
        if not self._waiting or len(self._in_flight) >= BLOCKS_IN_FLIGHT_MAX:
            return
        events, self._waiting = self._waiting, []
        waiters, self._waiters = self._waiters, []
        acknowledgement, self._acknowledgement = self._acknowledgement, self._loop.create_future()
        task = self._loop.create_task(self._bring_home(events, acknowledgement, waiters))
        self._in_flight.add(task)
        task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._send()

    async def _bring_home(
        self, events: list[Any], acknowledgement: Acknowledgement, waiters: list[Waiter]
    ) -> None:
        """Make the events durable one way or the other and tell everybody who waits for them, whatever happens."""
        refusal: NotKept | None = None
        try:
            for start in range(0, len(events), self._block_max):
                block = events[start : start + self._block_max]
                await self._make_durable(encode_block(block), len(block))
        except BaseException as error:
            if not isinstance(error, SpoolFull):
                _log.error("block_not_kept", error=repr(error))
            self._measures.refused.inc(len(events))
            refusal = NotKept(str(error))
        if not acknowledgement.done():
            if refusal is None:
                acknowledgement.set_result(None)
            else:
                acknowledgement.set_exception(refusal)
                acknowledgement.exception()  # read here: a block whose visitors all left is not reported twice
        for waiter in waiters:
            try:
                waiter.told(refusal)
            except Exception as error:  # one bad connection touches nobody else
                _log.error("answer_failed", error=repr(error), exc_info=True)

    async def _make_durable(self, payload: bytes, clicks: int) -> None:
        """Into the stream within the budget, else into the spool. Raises SpoolFull."""
        if self.is_redis_up:
            started = time.perf_counter()
            try:
                async with asyncio.timeout(self._budget_s):
                    await self._append(payload)
            except UNREACHABLE as error:
                self._redis_is_away(error)
            else:
                self._seconds.add(time.perf_counter() - started)
                self._blocks.add(clicks)
                self._appended += clicks
                return
        await self._loop.run_in_executor(self._disk, self._spool.append, payload)
        self.recover()
        self._measures.captured.labels("spool").inc(clicks)
        self._measures.spooled.labels("written").inc(clicks)

    def _redis_is_away(self, error: Exception) -> None:
        if self.is_redis_up:
            _log.warning("redis_away", error=repr(error))
        self.is_redis_up = False
        self.recover()

    def recover(self) -> None:
        """Watch for Redis and replay the spool once it answers. Called at start too, for what a crash left."""
        if self._recovery is None or self._recovery.done():
            self._recovery = self._loop.create_task(self._recover())

    async def _recover(self) -> None:
        while True:
            try:
                async with asyncio.timeout(1.0):
                    await self._ping()
                if not self.is_redis_up:
                    _log.info("redis_back")
                self.is_redis_up = True
                await self._replay()
                if self.is_redis_up and not self._spool.is_open:
                    return
                # Redis fell silent again meanwhile, or a block reached the disk late: that comes home as well
            except (*UNREACHABLE, OSError) as error:
                _log.debug("spool_waits", error=repr(error))
                self.is_redis_up = self.is_redis_up and not isinstance(error, UNREACHABLE)
                self._measures.spool_bytes.set(self._spool.bytes_waiting())
            await asyncio.sleep(RECOVERY_PAUSE_S)

    async def _replay(self) -> None:
        """Append every block of every abandoned segment to the stream, then delete the segment."""
        await self._loop.run_in_executor(self._disk, self._spool.close)
        for segment in self._spool.abandoned():
            try:
                blocks = await self._replay_segment(segment)
            except BaseException:
                segment.close()
                raise
            segment.delete()
            _log.info("spool_replayed", segment=segment.path.name, blocks=blocks)
        self._measures.spool_bytes.set(self._spool.bytes_waiting())

    async def _replay_segment(self, segment: Segment) -> int:
        blocks = 0
        for payload in segment.payloads():
            async with asyncio.timeout(10.0):
                await self._append(payload)
            blocks += 1
            self._measures.spooled.labels("replayed_blocks").inc()
        return blocks

    def export(self) -> None:
        """Bring the metrics of appended blocks up to date; called once a second."""
        self._seconds.export()
        self._blocks.export()
        self._measures.captured.labels("stream").inc(self._appended)
        self._appended = 0

    async def close(self) -> None:
        """Bring home what is waiting and let go of the spool."""
        self._send()
        while self._waiting or self._in_flight:
            await asyncio.wait(self._in_flight) if self._in_flight else self._send()
        if self._recovery is not None:
            self._recovery.cancel()
        await self._loop.run_in_executor(self._disk, self._spool.close)
        self._disk.shutdown()
        self.export()


def _too_many() -> NotKept:
    return NotKept("too many clicks are waiting")
