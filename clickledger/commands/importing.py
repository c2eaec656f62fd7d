"""What the commands that import a file share: a progress bar by bytes, the first faults, the sums, the exit code."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TextIO

import typer
from rich.progress import Progress

from clickledger.commands.options import console
from clickledger.errors import StartError

if TYPE_CHECKING:
    from redirector.row_files import Row, RowFault

FAULTS_SHOWN_MAX = 20

FileArgument = Annotated[
    Path, typer.Argument(help="CSV with a header, or NDJSON.", exists=True, dir_okay=False, readable=True)
]


class Load(Protocol):
    """Appends rows block by block."""

    appended: int

    async def append(self, rows: Iterator[Row | RowFault]) -> list[RowFault] | None:
        """One block's worth; the faults of rows left out, None at the end."""


async def import_file(
    file: Path, what: str, load: Load, read: Callable[[TextIO], Iterator[Row | RowFault]]
) -> list[RowFault]:
    """Bring a whole file in; the faults of the rows left out. Raises StartError when it is no such file."""
    from redirector.row_files import BadFile

    faults: list[RowFault] = []
    try:
        with Progress(console=console()) as progress, file.open("rb") as raw:
            task = progress.add_task(what, total=os.fstat(raw.fileno()).st_size or 1)
            text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")  # it closes `raw` when it goes
            rows = read(text)
            while (outcome := await load.append(rows)) is not None:
                faults += outcome
                progress.update(task, completed=raw.tell())
    except (BadFile, UnicodeDecodeError) as error:
        raise StartError(f"{file}: {error}") from error
    return faults


def report(what: str, appended: int, faults: list[RowFault]) -> None:
    """Say how it went; status 1 when rows were left out."""
    for fault in faults[:FAULTS_SHOWN_MAX]:
        console().print(f"line {fault.number}: {fault.message}")
    if len(faults) > FAULTS_SHOWN_MAX:
        console().print(f"and {len(faults) - FAULTS_SHOWN_MAX:,} more lines")
    console().print(f"{appended:,} {what} handed to the writer, {len(faults):,} lines left out.")
    if faults:
        raise typer.Exit(1)
