"""`clickledger clicks import FILE`: history from another tracker, through the same stream and writer as live clicks."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from clickledger.commands.options import DataDirOption, console
from clickledger.errors import StartError

if TYPE_CHECKING:
    from redirector.history import RowFault
    from schema.settings import Settings

FAULTS_SHOWN_MAX = 20

FileArgument = Annotated[
    Path, typer.Argument(help="CSV with a header, or NDJSON.", exists=True, dir_okay=False, readable=True)
]

group = typer.Typer(no_args_is_help=True, help="Clicks as files.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="clicks")


@group.command(name="import")
def import_(file: FileArgument, data_dir: DataDirOption = None) -> None:
    """Import past clicks. Columns: code, clicked_at (RFC 3339); import_id, cookie_id, ip, user_agent, referrer,
    sub1…sub5, utm_* if you have them. Importing the same file again stores nothing twice."""
    from clickledger.servers import settings_for

    settings = settings_for(needs_redis=True, data_dir=data_dir)
    appended, faults = asyncio.run(_import(file, settings))
    for fault in faults[:FAULTS_SHOWN_MAX]:
        console().print(f"line {fault.number}: {fault.message}")
    if len(faults) > FAULTS_SHOWN_MAX:
        console().print(f"and {len(faults) - FAULTS_SHOWN_MAX:,} more lines")
    console().print(f"{appended:,} clicks handed to the writer, {len(faults):,} lines left out.")
    if faults:
        raise typer.Exit(1)


async def _import(file: Path, settings: Settings) -> tuple[int, list[RowFault]]:
    from redirector.history import BadFile, ClickImport, read_rows
    from schema.redis_client import connect_redis

    assert settings.redis_url is not None
    client = connect_redis(settings.redis_url)
    is_case_sensitive = settings.code_case == "sensitive"
    load = ClickImport(client, settings.stream_shards, is_case_sensitive=is_case_sensitive)
    faults: list[RowFault] = []
    try:
        with Progress(console=console()) as progress, file.open("rb") as raw:
            task = progress.add_task("clicks", total=os.fstat(raw.fileno()).st_size or 1)
            text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
            rows = read_rows(text)
            while (outcome := await load.append(rows)) is not None:
                faults += outcome
                progress.update(task, completed=raw.tell())
    except (BadFile, UnicodeDecodeError) as error:
        raise StartError(f"{file}: {error}") from error
    finally:
        await client.aclose()
    return load.appended, faults
