"""Imports links from a file, chunk by chunk: a chunk goes in whole or not at all, and a second run changes nothing.

The command line calls `import_links` with lines and a reporter. A code that exists with the same destination is left
alone; with another destination it is an error, unless updating was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import asyncpg

from attribution.audit import log_action
from attribution.faults import Fault
from attribution.keys import ADMIN
from attribution.link_fields import NewLink, Policy, field_faults
from attribution.link_formats import NumberedRow, link_of, recognise, rows_of
from attribution.link_rows import insert_values, link_row
from attribution.links import SQL, TABLE, enrolment_faults, write_changes

CHUNK_ROWS = 1_000
FAULTS_KEPT_MAX = 1_000


class RowFault(NamedTuple):
    """What is wrong on which line."""

    line: int
    fault: Fault


@dataclass
class ImportReport:
    """What an import did. `refused` counts rows of chunks that were not imported, `faults` says why."""

    created: int = 0
    changed: int = 0
    left: int = 0
    refused: int = 0
    faults: list[RowFault] = field(default_factory=list)

    def add_faults(self, faults: Sequence[RowFault]) -> None:
        """Keep the first thousand: a wrong file must not fill the memory with complaints."""
        self.faults += faults[: FAULTS_KEPT_MAX - len(self.faults)]


class _Wanted(NamedTuple):
    line: int
    code: str
    link: NewLink


async def import_links(
    connection: asyncpg.Connection,
    policy: Policy,
    lines: Iterable[str],
    *,
    is_csv: bool,
    format_name: str | None = None,
    is_update: bool = False,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> ImportReport:
    """Import all rows. `on_progress` is told the number of rows done after every chunk.

    Raises UnknownFormat when no format is named and the first row fits none.
    """
    report = ImportReport()
    for chunk in _chunks(rows_of(lines, is_csv=is_csv)):
        first = next((row for row in chunk if row.fault is None), None)
        if format_name is None and first is not None:
            format_name = recognise(first.row)
        await _import_chunk(connection, policy, chunk, format_name or "own", is_update, report)
        on_progress(len(chunk))
    return report


def _chunks(rows: Iterator[NumberedRow]) -> Iterator[list[NumberedRow]]:
    while chunk := list(islice(rows, CHUNK_ROWS)):
        yield chunk


async def _import_chunk(
    connection: asyncpg.Connection,
    policy: Policy,
    chunk: list[NumberedRow],
    format_name: str,
    is_update: bool,
    report: ImportReport,
) -> None:
    """Import one chunk in one transaction, or note why not."""
    wanted, faults = _read(chunk, policy, format_name)
    async with connection.transaction():
        terms = await _terms(connection, wanted, faults)
        existing = {
            row["short_code"]: dict(row)
            for row in await connection.fetch(SQL["links_by_codes"], [item.code for item in wanted])
        }
        faults += _clashes(wanted, existing, terms, is_update=is_update)
        if faults:
            report.add_faults(sorted(faults))
            report.refused += len(chunk)
            return
        created = await _insert(connection, [item for item in wanted if item.code not in existing], terms)
        changed = 0
        if is_update:
            changed = await _update(
                connection, [item for item in wanted if item.code in existing], existing, terms
            )
    report.created += created
    report.changed += changed
    report.left += len(wanted) - created - changed


def _read(chunk: list[NumberedRow], policy: Policy, format_name: str) -> tuple[list[_Wanted], list[RowFault]]:
    """The links of a chunk and what is wrong with its rows. A code given twice with the same link counts once."""
    wanted: dict[str, _Wanted] = {}
    faults: list[RowFault] = []
    for row in chunk:
        link = [Fault("row", row.fault)] if row.fault is not None else link_of(row.row, format_name)
        wrong = link if isinstance(link, list) else field_faults(link, policy)
        if isinstance(link, NewLink) and not wrong:
            code = policy.normal(link.code or "")
            earlier = wanted.setdefault(code, _Wanted(row.line, code, link))
            if earlier.link.model_dump(exclude={"code"}) != link.model_dump(exclude={"code"}):
                wrong = [Fault("code", f"{code} is on line {earlier.line} too, with other values")]
        faults += [RowFault(row.line, fault) for fault in wrong]
    return list(wanted.values()), faults


async def _terms(
    connection: asyncpg.Connection, wanted: list[_Wanted], faults: list[RowFault]
) -> dict[int, str]:
    """The destinations of the enrolments the chunk names; unfit ones are added to `faults`."""
    ids = {item.link.campaign_partner_id for item in wanted} - {None}
    rows = await connection.fetch(SQL["enrolments_by_ids"], list(ids)) if ids else []
    enrolments = {row["campaign_partner_id"]: dict(row) for row in rows}
    for item in wanted:
        if item.link.campaign_partner_id is not None:
            enrolment = enrolments.get(item.link.campaign_partner_id)
            faults += [RowFault(item.line, fault) for fault in enrolment_faults(enrolment, item.link, ADMIN)]
        elif item.link.destination_url is None:
            faults.append(
                RowFault(item.line, Fault("destination_url", "is needed, or a campaign_partner_id"))
            )
    for item in wanted:
        if item.link.campaign_partner_id in enrolments:
            item.link.campaign_partner_id = enrolments[item.link.campaign_partner_id]["current_id"]
    return {row["current_id"]: str(row["terms_destination"]) for row in enrolments.values()}


def _destination(link: NewLink, terms: dict[int, str]) -> str:
    return link.destination_url or terms.get(link.campaign_partner_id or 0, "")


def _clashes(
    wanted: list[_Wanted],
    existing: dict[str, dict[str, Any]],
    terms: dict[int, str],
    *,
    is_update: bool,
) -> list[RowFault]:
    """Rows whose code exists and means something else."""
    faults = []
    for item in wanted:
        row = existing.get(item.code)
        if row is None:
            continue
        if row["is_deleted"]:
            faults.append(RowFault(item.line, Fault("code", f"{item.code} belonged to a deleted link")))
        elif (
            not is_update
            and row["full_url"] != link_row(item.link, _destination(item.link, terms))["full_url"]
        ):
            faults.append(RowFault(item.line, Fault("code", f"{item.code} exists with another destination")))
    return faults


async def _insert(connection: asyncpg.Connection, wanted: list[_Wanted], terms: dict[int, str]) -> int:
    """Insert the new links of a chunk; how many."""
    rows = [
        (item.code, *insert_values(link_row(item.link, _destination(item.link, terms)))) for item in wanted
    ]
    if not rows:
        return 0
    await connection.executemany(SQL["add_link"], rows)
    made = await connection.fetch(SQL["links_by_codes"], [row[0] for row in rows])
    await log_action(connection, ADMIN, "create", TABLE, [row["partner_link_id"] for row in made])
    return len(made)


async def _update(
    connection: asyncpg.Connection,
    wanted: list[_Wanted],
    existing: dict[str, dict[str, Any]],
    terms: dict[int, str],
) -> int:
    """Bring existing links to what the file says; how many differed."""
    changed = 0
    for item in wanted:
        destination = _destination(item.link, terms)
        changed += await write_changes(connection, ADMIN, existing[item.code], item.link, destination)
    return changed
