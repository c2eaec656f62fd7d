"""`clickledger links import FILE` and `links export`: whole link lists, in and out."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from clickledger.commands.options import DataDirOption, console
from clickledger.errors import StartError

if TYPE_CHECKING:
    from attribution.link_import import ImportReport
    from schema.settings import Settings

FAULTS_SHOWN_MAX = 50
FORMATS = ("own", "bitly", "yourls", "shlink", "kutt", "dub")

FileArgument = Annotated[
    Path, typer.Argument(help="CSV with a header, or NDJSON.", exists=True, dir_okay=False, readable=True)
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format", help="own, bitly, yourls, shlink, kutt or dub; recognised by its columns if left out."
    ),
]
UpdateOption = Annotated[
    bool,
    typer.Option("--update", help="Change links that exist with other values, instead of refusing them."),
]
ExportFormatOption = Annotated[str, typer.Option("--format", help="csv or ndjson.")]

group = typer.Typer(no_args_is_help=True, help="Links as files.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="links")


@group.command(name="import")
def import_(
    file: FileArgument,
    format_name: FormatOption = None,
    update: UpdateOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Import links, a thousand at a time, each thousand whole or not at all. A second run changes nothing."""
    from clickledger.servers import settings_for

    if format_name is not None and format_name not in FORMATS:
        raise StartError(f"--format must be one of {', '.join(FORMATS)}.")
    settings = settings_for(needs_database=True, data_dir=data_dir)
    report = asyncio.run(_import(file, settings, format_name, update))
    for line, fault in report.faults[:FAULTS_SHOWN_MAX]:
        console().print(f"line {line}: {fault.field} {fault.message}")
    if len(report.faults) > FAULTS_SHOWN_MAX:
        console().print(f"and {len(report.faults) - FAULTS_SHOWN_MAX:,} more")
    console().print(
        f"{report.created:,} created, {report.changed:,} changed, {report.left:,} left, {report.refused:,} refused"
    )
    if report.refused:
        raise typer.Exit(1)


async def _import(file: Path, settings: Settings, format_name: str | None, is_update: bool) -> ImportReport:
    import asyncpg

    from attribution.link_fields import Policy
    from attribution.link_formats import UnknownFormat
    from attribution.link_import import import_links

    connection = await asyncpg.connect(settings.database_url, timeout=10, command_timeout=60)
    try:
        with (
            Progress(console=console()) as progress,
            file.open("rb") as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as lines,
        ):
            task = progress.add_task("links", total=os.fstat(raw.fileno()).st_size or 1)
            return await import_links(
                connection,
                Policy.of(settings),
                lines,
                is_csv=_is_csv(file),
                format_name=format_name,
                is_update=is_update,
                on_progress=lambda _rows: progress.update(task, completed=raw.tell()),
            )
    except (UnknownFormat, UnicodeDecodeError) as error:
        raise StartError(f"{file}: {error}") from error
    finally:
        await connection.close(timeout=5)


def _is_csv(file: Path) -> bool:
    """By its name, else by its first character: a JSON object begins with a brace."""
    if file.suffix.lower() in (".csv", ".tsv"):
        return True
    if file.suffix.lower() in (".ndjson", ".jsonl", ".json"):
        return False
    with file.open("rb") as raw:
        return not raw.read(64).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{")


@group.command()
def export(export_format: ExportFormatOption = "csv", data_dir: DataDirOption = None) -> None:
    """Write every link to standard output, in the form `links import` reads."""
    from clickledger.servers import settings_for

    if export_format not in ("csv", "ndjson"):
        raise StartError("--format must be csv or ndjson.")
    settings = settings_for(needs_database=True, data_dir=data_dir)
    asyncio.run(_export(settings, is_csv=export_format == "csv"))


async def _export(settings: Settings, *, is_csv: bool) -> None:
    import asyncpg

    from attribution.link_export import export_links
    from attribution.link_fields import Policy

    connection = await asyncpg.connect(settings.database_url, timeout=10, command_timeout=60)
    try:
        async for text in export_links(connection, Policy.of(settings), is_csv=is_csv):
            sys.stdout.write(text)
    finally:
        await connection.close(timeout=5)
