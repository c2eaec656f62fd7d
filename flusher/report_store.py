"""One batch of reports, one transaction: conversions, refunds, leads, customer links and dead letters, or nothing.

Facts are stored, nothing is decided. The first report of a conversion makes its row; every further one is kept as a
duplicate or conflict, and told to whoever waits for it. The same report delivered again (its `report_id` says so)
leaves no trace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg
import orjson

from flusher.dead_letters import DETAIL_CHARS_MAX, Letter, add_letters
from flusher.report_rows import (
    INT_MAX,
    Book,
    Report,
    amount_of,
    conversion_row,
    fault_of,
    is_text,
    lead_row,
    link_rows,
    nameless,
    refund_row,
)
from flusher.store import REFUSED, Connection
from schema.conversions import CONVERSION, LEAD, REFUND
from schema.ids import wall_clock_ms
from schema.money import amount_text
from schema.queries import load_queries

_QUERIES = load_queries("flusher", "reports.sql")
_WRITER = load_queries("flusher")

Tally = Counter[tuple[str, str]]
"""Reports stored, by kind and outcome."""


class ReportFlush(NamedTuple):
    """What one transaction stores."""

    stream: str
    reports: list[Report]
    letters: list[Letter]


class ReportsStored(NamedTuple):
    """What it stored."""

    tally: Tally
    letters: list[Letter]


class ReportStore:
    """Stores reports through a pool whose connections were prepared with `store.set_codecs`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def store(self, flush: ReportFlush) -> ReportsStored:
        """Store all of it, exactly once. Raises PostgreSQL's own errors when it cannot be reached or is not well."""
        try:
            return await self._transact(flush)
        except REFUSED as error:
            if not flush.reports:
                raise
            return await self._store_in_parts(flush, error)

    async def _store_in_parts(self, flush: ReportFlush, error: Exception) -> ReportsStored:
        """Halve until the refused reports stand alone."""
        if len(flush.reports) == 1:
            async with self._pool.acquire() as connection:
                book = await _read_book(connection, flush.reports)
            letter = _letter(flush.stream, flush.reports[0], "refused", book, _detail(error))
            return await self.store(flush._replace(reports=[], letters=[*flush.letters, letter]))
        middle = len(flush.reports) // 2
        first = await self.store(flush._replace(reports=flush.reports[:middle], letters=[]))
        second = await self.store(flush._replace(reports=flush.reports[middle:]))
        return ReportsStored(first.tally + second.tally, first.letters + second.letters)

    async def _transact(self, flush: ReportFlush) -> ReportsStored:
        """The transaction."""
        async with self._pool.acquire() as connection, connection.transaction(isolation="read_committed"):
            await connection.execute(_WRITER["begin_flush"])
            await connection.execute(_WRITER["lock_writers"])
            book = await _read_book(connection, flush.reports)
            good, letters = _sort(flush, book)
            of_kind = {
                kind: [report for report in good if report.event["kind"] == kind]
                for kind in (CONVERSION, REFUND, LEAD)
            }
            tally = await _add_conversions(connection, of_kind[CONVERSION], book)
            tally += await _add_refunds(connection, of_kind[REFUND], book)
            tally += await _add_leads(connection, of_kind[LEAD], book)
            await _link_customers(connection, of_kind[CONVERSION] + of_kind[LEAD], book)
            await add_letters(connection, letters)
        return ReportsStored(tally, letters)


async def _read_book(connection: Connection, reports: Sequence[Report]) -> Book:
    vendors = sorted(
        {report.event["vendor_id"] for report in reports if 0 < report.event["vendor_id"] <= INT_MAX}
    )
    names = sorted({name for report in reports if is_text(name := report.event.get("event")) and name})
    return Book(
        {row[0]: row[1] for row in await connection.fetch(_QUERIES["vendor_keys"], vendors)},
        {row[0]: row[1] for row in await connection.fetch(_QUERIES["event_types"], names)},
    )


def _sort(flush: ReportFlush, book: Book) -> tuple[list[Report], list[Letter]]:
    """Reports that can be stored, letters for the others."""
    good: list[Report] = []
    letters = list(flush.letters)
    now_ms = wall_clock_ms()
    for report in flush.reports:
        reason = fault_of(report.event, book, now_ms)
        if reason is None:
            good.append(report)
        else:
            letters.append(_letter(flush.stream, report, reason, book, None))
    return good, letters


async def _add_conversions(connection: Connection, reports: list[Report], book: Book) -> Tally:
    """The first report of each conversion as its row, the others as what they are."""
    firsts: dict[str, Report] = {}
    for report in reports:
        firsts.setdefault(report.event["conversion_id"], report)
    # One order for all, so that two transactions cannot wait for each other in a circle.
    rows = [conversion_row(firsts[name], book) for name in sorted(firsts)]
    added = await _add(connection, "add_conversions", rows)
    repeats = [report for report in reports if report.event["report_id"] not in added]
    told = await _add_repeats(connection, repeats, book)
    return Counter({(CONVERSION, "recorded"): len(added)}) + told


async def _add_repeats(connection: Connection, repeats: list[Report], book: Book) -> Tally:
    """Keep further reports of conversions that are recorded, and tell who waits."""
    found = await _recorded(connection, "recorded_conversions", repeats, book, _conversion_place)
    verdicts = [
        (repeats[place], row, _verdict(repeats[place], row))
        for place, row in found.items()
        if row["report_id"] != repeats[place].event["report_id"]
    ]
    kept = await _add(connection, "add_conversion_reports", [_repeat_row(*verdict) for verdict in verdicts])
    told = [
        (row["conversion_event_id"], orjson.dumps(_outcome_body(report, row, verdict)).decode())
        for report, row, verdict in verdicts
        if report.event["report_id"] in kept and report.event.get("is_awaited") is True
    ]
    if told:
        await connection.execute(_QUERIES["add_outcomes"], *map(list, zip(*told, strict=True)))
    return Counter(
        (CONVERSION, verdict) for report, _, verdict in verdicts if report.event["report_id"] in kept
    )


def _verdict(report: Report, row: Any) -> str:
    event = report.event
    is_same = amount_of(event) == row["event_value"] and event["currency"] == row["currency"]
    return "duplicate" if is_same else "conflict"


def _repeat_row(report: Report, row: Any, verdict: str) -> tuple[Any, ...]:
    event = report.event
    reason = None if verdict == "duplicate" else _conflict_reason(row)
    return (
        *(event["report_id"], event["vendor_id"], row["conversion_id"], verdict, amount_of(event)),
        *(event["currency"], reason, event["received_ms"]),
    )


def _outcome_body(report: Report, row: Any, verdict: str) -> dict[str, Any]:
    """The outcome of a report that changed nothing; `report_id` addresses it and is not part of the body."""
    return {
        "report_id": report.event["report_id"],
        "conversion_id": row["conversion_id"],
        "transaction_id": row["transaction_id"],
        "event": row["event"],
        "outcome": verdict,
        "reason": "was recorded before" if verdict == "duplicate" else _conflict_reason(row),
        "status": row["status"],
        "amount": _money(row),
        "currency": row["currency"],
    }


def _conflict_reason(row: Any) -> str:
    return f"{_money(row)} {row['currency']} was recorded before"


def _money(row: Any) -> str | None:
    return None if row["event_value"] is None else amount_text(row["event_value"], row["currency"])


async def _add_refunds(connection: Connection, reports: list[Report], book: Book) -> Tally:
    """Refunds once per refund_id; one that names another amount the second time is kept as a conflict."""
    rows = [refund_row(report, book) for report in reports]
    added = await _add(connection, "add_refunds", sorted(rows, key=lambda row: row[1:5]))
    repeats = [report for report in reports if report.event["report_id"] not in added]
    found = await _recorded(connection, "recorded_refunds", repeats, book, _refund_place)
    conflicts = [
        _refund_conflict(repeats[place], row)
        for place, row in found.items()
        if (row["amount"], row["reason"]) != (amount_of(repeats[place].event), repeats[place].event["reason"])
    ]
    kept = await _add(connection, "add_conversion_reports", conflicts)
    return Counter({(REFUND, "recorded"): len(added), (REFUND, "conflict"): len(kept)})


def _refund_conflict(report: Report, row: Any) -> tuple[Any, ...]:
    event = report.event
    recorded = "a full refund" if row["amount"] is None else f"a refund of {row['amount']:f}"
    detail = f"refund {event['refund_id']}: {recorded} ({row['reason']}) was recorded before"
    return (
        *(event["report_id"], event["vendor_id"], event["conversion_id"], "conflict", amount_of(event)),
        *(event.get("currency"), detail, event["received_ms"]),
    )


async def _add_leads(connection: Connection, reports: list[Report], book: Book) -> Tally:
    """Leads, each once a statement; further reports in the batch fill it up in rounds of their own."""
    remaining = reports
    while remaining:
        firsts: dict[tuple[int, str], Report] = {}
        later: list[Report] = []
        for report in remaining:
            name = (report.event["vendor_id"], report.event["external_lead_id"])
            if firsts.setdefault(name, report) is not report:
                later.append(report)
        rows = [lead_row(firsts[name], book) for name in sorted(firsts)]
        await connection.execute(_QUERIES["add_leads"], *map(list, zip(*rows, strict=True)))
        remaining = later
    return Counter({(LEAD, "recorded"): len(reports)})


async def _link_customers(connection: Connection, reports: Iterable[Report], book: Book) -> None:
    rows = [row for report in reports for row in link_rows(report, book)]
    if rows:
        await connection.execute(_QUERIES["link_customers"], *map(list, zip(*rows, strict=True)))


async def _add(connection: Connection, query: str, rows: Sequence[tuple[Any, ...]]) -> set[str]:
    """Insert rows; the report ids of those that were not there."""
    if not rows:
        return set()
    return {row[0] for row in await connection.fetch(_QUERIES[query], *map(list, zip(*rows, strict=True)))}


async def _recorded(
    connection: Connection,
    query: str,
    reports: list[Report],
    book: Book,
    place_of: Callable[[Report, Book], tuple[Any, ...]],
) -> dict[int, Any]:
    """What is recorded already in the place of each report, by its number in the list."""
    if not reports:
        return {}
    wanted = [(number, *place_of(report, book)) for number, report in enumerate(reports)]
    rows = await connection.fetch(_QUERIES[query], *map(list, zip(*wanted, strict=True)))
    return {row["place"]: row for row in rows}


def _conversion_place(report: Report, book: Book) -> tuple[Any, ...]:
    event = report.event
    type_id = book.event_types[event["event"]]
    return event["conversion_id"], event["vendor_id"], type_id, event.get("transaction_id")


def _refund_place(report: Report, book: Book) -> tuple[Any, ...]:
    event = report.event
    return event["vendor_id"], book.event_types[event["event"]], event["transaction_id"], event["refund_id"]


def _letter(stream: str, report: Report, reason: str, book: Book, detail: str | None) -> Letter:
    return Letter(stream, report.entry_id, report.position, reason, detail, nameless(report, book))


def _detail(error: Exception) -> str:
    sqlstate = getattr(error, "sqlstate", None) or type(error).__name__
    return f"{sqlstate}: {error}".replace("\0", "")[:DETAIL_CHARS_MAX]
