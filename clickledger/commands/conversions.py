"""`clickledger conversions import FILE`, and `secret`: history from another tracker, and the key to sign postbacks with."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from clickledger.commands.options import DataDirOption, console
from clickledger.errors import StartError

if TYPE_CHECKING:
    from redirector.history import RowFault
    from redirector.intake.credentials import Vendor
    from schema.redis_client import RedisClient
    from schema.settings import Settings

FAULTS_SHOWN_MAX = 20
SECRET_BYTES = 24

FileArgument = Annotated[
    Path, typer.Argument(help="CSV with a header, or NDJSON.", exists=True, dir_okay=False, readable=True)
]
KeyOption = Annotated[
    str | None, typer.Option(help="The vendor's key; without one each row names its vendor's e-mail.")
]
VendorOption = Annotated[int, typer.Option("--vendor-id", help="Number of the vendor.")]

group = typer.Typer(no_args_is_help=True, help="Conversions as files, and signed postbacks.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="conversions")


@group.command(name="import")
def import_(file: FileArgument, key: KeyOption = None, data_dir: DataDirOption = None) -> None:
    """Import past conversions. Columns: occurred_at (RFC 3339), vendor (its e-mail) unless --key is given, and the
    fields of POST /-/conversions. Importing the same file again stores nothing twice."""
    from clickledger.servers import settings_for

    settings = settings_for(needs_redis=True, data_dir=data_dir)
    appended, faults = asyncio.run(_import(file, key, settings))
    for fault in faults[:FAULTS_SHOWN_MAX]:
        console().print(f"line {fault.number}: {fault.message}")
    if len(faults) > FAULTS_SHOWN_MAX:
        console().print(f"and {len(faults) - FAULTS_SHOWN_MAX:,} more lines")
    console().print(f"{appended:,} conversions handed to the writer, {len(faults):,} lines left out.")
    if faults:
        raise typer.Exit(1)


@group.command()
def secret(vendor_id: VendorOption, data_dir: DataDirOption = None) -> None:
    """Make a new secret for signing postbacks and show it, this once. The one before goes on working."""
    from clickledger.servers import settings_for

    settings = settings_for(needs_database=True, data_dir=data_dir)
    fresh = secrets.token_urlsafe(SECRET_BYTES)
    if not asyncio.run(_add_secret(settings, vendor_id, fresh)):
        console().print(f"There is no vendor {vendor_id}.")
        raise typer.Exit(1)
    console().print(fresh)


async def _import(file: Path, key: str | None, settings: Settings) -> tuple[int, list[RowFault]]:
    from redirector.conversion_history import ConversionImport, read_rows
    from redirector.history import BadFile
    from schema.redis_client import connect_redis

    assert settings.redis_url is not None
    client = connect_redis(settings.redis_url)
    faults: list[RowFault] = []
    try:
        load = ConversionImport(client, await _vendor_of(client, key))
        with Progress(console=console()) as progress, file.open("rb") as raw:
            task = progress.add_task("conversions", total=os.fstat(raw.fileno()).st_size or 1)
            text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")  # it closes `raw` when it goes
            rows = read_rows(text)
            while (outcome := await load.append(rows)) is not None:
                faults += outcome
                progress.update(task, completed=raw.tell())
    except (BadFile, UnicodeDecodeError) as error:
        raise StartError(f"{file}: {error}") from error
    finally:
        await client.aclose()
    return load.appended, faults


async def _vendor_of(client: RedisClient, key: str | None) -> Vendor | None:
    from redirector.intake.answers import Refusal
    from redirector.intake.credentials import Credentials

    if key is None:
        return None
    try:
        return await Credentials(client).vendor_of_key(key)
    except Refusal as refusal:
        raise StartError("The key is not the working key of an active vendor.") from refusal


async def _add_secret(settings: Settings, vendor_id: int, fresh: str) -> bool:
    import asyncpg

    from schema.queries import load_queries

    connection = await asyncpg.connect(settings.database_url, timeout=10, command_timeout=30)
    try:
        return (
            await connection.fetchval(load_queries("clickledger")["add_secret"], vendor_id, fresh) is not None
        )
    finally:
        await connection.close(timeout=5)
