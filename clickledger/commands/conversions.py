"""`clickledger conversions import FILE`, and `secret`: history from another tracker, and the key to sign postbacks with."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickledger.commands.importing import FileArgument, import_file, report
from clickledger.commands.options import DataDirOption, console
from clickledger.errors import StartError

if TYPE_CHECKING:
    from redirector.intake.credentials import Vendor
    from redirector.row_files import RowFault
    from schema.redis_client import RedisClient
    from schema.settings import Settings

SECRET_BYTES = 24

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
    report("conversions", *asyncio.run(_import(file, key, settings)))


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
    from redirector.conversion_history import ConversionImport, read_conversion_rows
    from schema.redis_client import connect_redis

    assert settings.redis_url is not None
    client = connect_redis(settings.redis_url)
    try:
        load = ConversionImport(client, await _vendor_of(client, key))
        faults = await import_file(file, "conversions", load, read_conversion_rows)
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
