"""The writer's work on the reports of one shard while it holds their lease: read, store, acknowledge.

The same promises as for clicks in `shard.py`, but nothing is gathered: whatever has come is stored at once, for
somebody may be waiting for the outcome. The watermark is none of its business.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from flusher.backoff import Backoff
from flusher.batch import Entry
from flusher.dead_letters import letter_of
from flusher.lease import Lease
from flusher.report_rows import Report
from flusher.report_store import ReportFlush, ReportsStored, ReportStore
from flusher.shard import IDLE_BLOCK_MS, NOT_WELL, LeaseLost, Tools, places
from flusher.stream import FROM_START, ReportStream
from flusher.visitors import DAY_MS, Secrets, visitor_bytes, visitor_hash
from schema import metrics
from schema.conversions import BLOCK_EVENTS_MAX, Event
from schema.ids import wall_clock_ms

ENTRIES_MAX = 1_000 // BLOCK_EVENTS_MAX * 4
"""Read at once: at most 4,000 reports, when every block is full."""

log = structlog.get_logger()


class ReportShard:
    """Serves the reports of one shard, from having its lease to losing it, or until it is empty while stopping."""

    def __init__(
        self, shard: int, stream: ReportStream, lease: Lease, tools: Tools, store: ReportStore
    ) -> None:
        self._shard = shard
        self._stream = stream
        self._lease = lease
        self._tools = tools
        self._store = store

    async def serve(self) -> None:
        """Work until stopping finds the stream empty. Raises LeaseLost, NoGroup, or what Redis raises."""
        await self._stream.make_group()
        await self._stream.claim_strays()
        after = FROM_START
        while entries := await self._stream.read_pending(after, ENTRIES_MAX):
            await self._flush(entries)
            after = entries[-1].entry_id
        while True:
            if not self._lease.is_held:
                raise LeaseLost(self._shard)
            is_last = self._tools.is_stopping.is_set()
            entries = await self._stream.read_new(ENTRIES_MAX, None if is_last else IDLE_BLOCK_MS)
            if entries:
                await self._flush(entries)
            elif is_last:
                return

    async def _flush(self, entries: list[Entry]) -> None:
        """Store entries however long it takes, then acknowledge them."""
        started = time.perf_counter()
        stored = await self._insist(await self._read(entries))
        await self._stream.acknowledge([entry.entry_id for entry in entries])
        for (kind, outcome), count in stored.tally.items():
            metrics.REPORTS_STORED.labels(kind, outcome).inc(count)
        for letter in stored.letters:
            metrics.DEAD_LETTERS.labels(letter.reason).inc()
        metrics.REPORT_STREAM_LENGTH.labels(self._shard).set(await self._stream.length())
        log.info(
            "reports_stored",
            shard=self._shard,
            stored={f"{kind}_{outcome}": count for (kind, outcome), count in stored.tally.items()},
            dead_letters=len(stored.letters),
            seconds=round(time.perf_counter() - started, 4),
        )

    async def _read(self, entries: list[Entry]) -> ReportFlush:
        """The reports of these entries with their visitor hashes, letters for what is none."""
        now_ms = wall_clock_ms()
        days = {
            event["occurred_ms"] // DAY_MS
            for entry in entries
            for event in entry.events
            if event.get("ip") and abs(now_ms - event["occurred_ms"]) < 2 * DAY_MS
        }
        secrets = await self._tools.secrets.around(days, now_ms) if days else {}
        reports = [
            Report(entry.entry_id, place, event, _visitor_hashes(event, secrets))
            for entry in entries
            for place, event in zip(places(entry), entry.events, strict=True)
        ]
        letters = [
            letter_of(self._stream.name, entry.entry_id, bad) for entry in entries for bad in entry.bad
        ]
        return ReportFlush(self._stream.name, reports, letters)

    async def _insist(self, flush: ReportFlush) -> ReportsStored:
        """Store it, trying again for as long as PostgreSQL is away and the lease is ours."""
        backoff = Backoff()
        while True:
            try:
                return await self._store.store(flush)
            except NOT_WELL as error:
                wait_s = backoff.failed()
                log.warning(
                    "reports_wait", shard=self._shard, error=repr(error)[:300], wait_s=round(wait_s, 2)
                )
            await asyncio.sleep(wait_s)
            if not self._lease.is_held:
                raise LeaseLost(self._shard)


def _visitor_hashes(event: Event, secrets: Secrets) -> tuple[int, ...]:
    """The names under which clicks of the same address and browser stand in the 24 hours before."""
    ip, agent = event.get("ip"), event.get("user_agent")
    if not isinstance(ip, str) or not isinstance(agent, str):
        return ()
    day = event["occurred_ms"] // DAY_MS
    try:
        visitor = visitor_bytes(ip, agent)
    except ValueError:
        return ()
    return tuple(visitor_hash(secrets[near], visitor) for near in (day - 1, day) if near in secrets)
