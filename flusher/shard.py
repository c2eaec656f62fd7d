"""The writer's work on one shard while it holds the shard's lease: read, gather, enrich, store, acknowledge.

`writer.py` runs one `ShardWriter` a shard. PostgreSQL away: the batch in hand is tried again and again and
nothing more is read. Redis away: `serve` gives up with the error, and begins again with what is pending.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import asyncpg
import structlog

from flusher.backoff import Backoff
from flusher.batch import Batch, BatchPolicy, Entry, Pace
from flusher.dead_letters import Letter, letter_of
from flusher.draft import Draft
from flusher.enrich import Sources, enrich
from flusher.lease import Lease
from flusher.report import report_batch, report_lag
from flusher.rows import fault_of
from flusher.store import Flush, Store, Stored
from flusher.stream import FROM_START, ClickStream
from flusher.visitors import DAY_MS, VisitorSecrets
from schema.countries import Countries
from schema.events import BadEvent, encode_block
from schema.ids import wall_clock_ms
from schema.postgres import UNREACHABLE
from schema.settings import Settings

IDLE_BLOCK_MS = 250
"""Longest one read waits, and so how soon an idle writer notices that it should stop."""
MARK_S = 1.0
"""How often an idle shard's watermark moves."""
IN_FLIGHT_MS = 500
"""On top of the capture budget: how long after its click's time a block may still be on its way into the stream."""
SLICE = 100
"""Drafts enriched before the loop has another turn, 1 ms: PostgreSQL must not wait long for the next of a COPY."""
NOT_WELL = (*UNREACHABLE, asyncpg.PostgresError, asyncpg.InternalClientError)
"""PostgreSQL away, restarting, full, locked: try again later. Faults of the data never get here (see `store`)."""

log = structlog.get_logger()


class LeaseLost(Exception):
    """Another writer serves this shard now."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all shards of one writer share."""

    settings: Settings
    store: Store
    secrets: VisitorSecrets
    countries: Countries
    is_stopping: asyncio.Event
    enriching: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One batch is enriched at a time: of several side by side none would be ready before all are."""


class ShardWriter:
    """Serves one shard, from having its lease to losing it, or until its stream is empty while stopping."""

    def __init__(self, shard: int, stream: ClickStream, lease: Lease, tools: Tools) -> None:
        self._shard = shard
        self._stream = stream
        self._lease = lease
        self._tools = tools
        self._policy = BatchPolicy(tools.settings.flush_rows_max, tools.settings.flush_age_ms_max)
        self._pace = Pace()
        self._marked_s = 0.0
        self._storing: asyncio.Task[None] | None = None
        self._margin_ms = tools.settings.capture_budget_ms + IN_FLIGHT_MS

    async def serve(self) -> None:
        """Work until stopping finds the stream empty. Raises LeaseLost, NoGroup, or what Redis raises."""
        await self._stream.make_group()
        await self._stream.claim_strays()
        try:
            await self._take_pending()
            await self._take_new()
        finally:
            await self._drop()

    async def _take_new(self) -> None:
        """Read and store until stopping finds the stream empty."""
        while True:
            is_last = self._tools.is_stopping.is_set()
            batch = await self._gather()
            if batch.entries:
                await self._flush(batch)
            elif is_last:
                return

    async def _take_pending(self) -> None:
        """Store what was delivered before and never acknowledged: by us before an error, or by a killed writer."""
        after = FROM_START
        while True:
            batch = Batch(self._policy, is_replay=True)
            while not batch.is_full():
                entries = await self._stream.read_pending(after, self._pace.entries_wanted(batch))
                if not entries:
                    break
                self._add(batch, entries)
                after = entries[-1].entry_id
            if not batch.entries:
                return await self._stored()
            await self._flush(batch)

    async def _gather(self) -> Batch:
        """The next batch; an empty one when nothing came for a while, with the watermark moved."""
        if not self._lease.is_held:
            raise LeaseLost(self._shard)
        batch = Batch(self._policy)
        self._add(batch, await self._read(batch, self._idle_ms()))
        if not batch.entries:
            await self._stored()
        if not batch.entries and time.monotonic() - self._marked_s >= MARK_S:
            asked_ms = await self._stream.server_ms()
            self._add(batch, await self._read(batch, 0))
            if not batch.entries:
                await self._mark_empty(asked_ms)
        if not batch.entries:
            return batch
        while not batch.is_due(wall_clock_ms()):
            entries = await self._read(batch, min(batch.wait_ms(wall_clock_ms()), self._idle_ms()))
            if not entries and self._tools.is_stopping.is_set():
                break
            self._add(batch, entries)
        return batch

    def _idle_ms(self) -> int:
        return 0 if self._tools.is_stopping.is_set() else IDLE_BLOCK_MS

    async def _read(self, batch: Batch, wait_ms: int) -> list[Entry]:
        return await self._stream.read_new(self._pace.entries_wanted(batch), wait_ms or None)

    def _add(self, batch: Batch, entries: list[Entry]) -> None:
        for entry in entries:
            batch.add(entry, wall_clock_ms())
            self._pace.saw(entry)

    async def _flush(self, batch: Batch) -> None:
        """Enrich a batch, wait until the one before is stored, and leave this one being stored.

        So PostgreSQL stores one batch while the next is read and enriched; no more than these two are ever held.
        """
        drafts, letters = await self._drafts(batch)
        through_ms = batch.entries[-1].at_ms - self._margin_ms
        flush = Flush(self._shard, self._stream.name, drafts, letters, through_ms, batch.is_replay)
        await self._stored()
        self._storing = asyncio.create_task(self._settle(flush, [entry.entry_id for entry in batch.entries]))

    async def _stored(self) -> None:
        """Wait until nothing is being stored; raises what ended it."""
        storing, self._storing = self._storing, None
        if storing is not None:
            await storing

    async def _drop(self) -> None:
        """Stop storing, if something still is: its entries stay pending for whoever comes next."""
        storing, self._storing = self._storing, None
        if storing is not None:
            storing.cancel()
            await asyncio.gather(storing, return_exceptions=True)

    async def _settle(self, flush: Flush, entry_ids: list[str]) -> None:
        """Store a flush however long it takes, then acknowledge its entries."""
        started = time.perf_counter()
        stored = await self._insist(flush)
        await self._stream.acknowledge(entry_ids)
        report_batch(self._shard, stored, time.perf_counter() - started)
        report_lag(self._shard, flush.through_ms, await self._stream.length())

    async def _insist(self, flush: Flush) -> Stored:
        """Store it, trying again for as long as PostgreSQL is away and the lease is ours."""
        backoff = Backoff()
        while True:
            try:
                return await self._tools.store.store(flush)
            except NOT_WELL as error:
                wait_s = backoff.failed()
                log.warning(
                    "store_failed", shard=self._shard, error=repr(error)[:300], wait_s=round(wait_s, 2)
                )
            report_lag(self._shard, flush.through_ms, None)
            await asyncio.sleep(wait_s)
            if not self._lease.is_held:
                raise LeaseLost(self._shard)
            # The COMMIT may have succeeded and only its answer been lost.
            flush = flush._replace(is_replay=True)

    async def _mark_empty(self, asked_ms: int) -> None:
        """The stream held nothing at `asked_ms`: all that was captured before, but for what is in flight, is stored."""
        through_ms = asked_ms - self._margin_ms
        self._marked_s = time.monotonic()
        try:
            await self._tools.store.move_watermark(self._shard, through_ms)
        except NOT_WELL as error:
            log.warning("watermark_failed", shard=self._shard, error=repr(error)[:300])
        else:
            report_lag(self._shard, through_ms, 0)

    async def _drafts(self, batch: Batch) -> tuple[list[Draft], list[Letter]]:
        """Enriched drafts of the events that can be stored, letters for the others."""
        drafts: list[Draft] = []
        letters: list[Letter] = []
        now = wall_clock_ms()
        for entry in batch.entries:
            letters += [letter_of(self._stream.name, entry.entry_id, bad) for bad in entry.bad]
            for position, event in zip(places(entry), entry.events, strict=True):
                draft = Draft(event, entry.entry_id, position)
                reason = fault_of(event, now)
                if reason is None:
                    drafts.append(draft)
                else:
                    letters.append(self._letter(draft, reason, None))
        secrets = await self._tools.secrets.around({draft.at_ms // DAY_MS for draft in drafts}, now)
        sources = Sources(self._tools.countries, secrets, self._tools.settings.ip_privacy)
        faults: list[tuple[Draft, Exception]] = []
        async with self._tools.enriching:
            for start in range(0, len(drafts), SLICE):
                faults += enrich(drafts[start : start + SLICE], sources)
                await asyncio.sleep(0)
        letters += [self._letter(draft, "unreadable", repr(error)) for draft, error in faults]
        unreadable = {id(draft) for draft, _error in faults}
        return [draft for draft in drafts if id(draft) not in unreadable], letters

    def _letter(self, draft: Draft, reason: str, detail: str | None) -> Letter:
        bad = BadEvent(reason, encode_block([tuple(draft.event)])[1:-1], draft.position)
        return letter_of(self._stream.name, draft.entry_id, bad, detail)


def places(entry: Entry) -> Iterable[int]:
    """Where in its block each event of an entry stood."""
    bad = {event.position for event in entry.bad}
    return [place for place in range(entry.rows) if place not in bad] if bad else range(entry.rows)
