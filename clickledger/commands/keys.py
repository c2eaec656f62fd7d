"""`clickledger keys create|revoke|list`: API keys. A new key is printed this once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from clickledger.commands.options import DataDirOption, console
from clickledger.errors import StartError

Answer = TypeVar("Answer")
KEYS_LISTED_MAX = 10_000

RoleOption = Annotated[str, typer.Option(help="admin, vendor or partner.")]
VendorOption = Annotated[int | None, typer.Option(help="The vendor of a vendor key.")]
PartnerOption = Annotated[int | None, typer.Option(help="The partner of a partner key.")]
LabelOption = Annotated[str | None, typer.Option(help="What the key is for.")]
KeyArgument = Annotated[str, typer.Argument(help="The key's number, its prefix as listed, or the whole key.")]

group = typer.Typer(no_args_is_help=True, help="API keys.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="keys")


@group.command()
def create(
    role: RoleOption,
    vendor_id: VendorOption = None,
    partner_id: PartnerOption = None,
    label: LabelOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a key. It is printed this once; only its hash is stored."""
    from attribution.faults import Refused
    from attribution.keys import create_key

    try:
        plaintext = _with_connection(
            data_dir, lambda connection: create_key(connection, role, vendor_id, partner_id, label)
        )
    except Refused as refused:
        raise StartError(
            "; ".join(f"--{fault.field.replace('_', '-')} {fault.message}" for fault in refused.faults)
        ) from refused
    typer.echo(plaintext)


@group.command()
def revoke(key: KeyArgument, data_dir: DataDirOption = None) -> None:
    """Revoke a key; it stops working at once."""
    from attribution.keys import find_key, revoke_key

    async def act(connection: Any) -> bool:
        number = await find_key(connection, key)
        return number is not None and await revoke_key(connection, number)

    if not _with_connection(data_dir, act):
        console().print("There is no such live key, or the prefix is that of several.")
        raise typer.Exit(1)
    console().print("Revoked.")


@group.command(name="list")
def list_(data_dir: DataDirOption = None) -> None:
    """List keys by number and prefix; the keys themselves are not stored."""
    from attribution.keys import SQL

    rows = _with_connection(
        data_dir, lambda connection: connection.fetch(SQL["list_keys"], 0, KEYS_LISTED_MAX)
    )
    for row in rows:
        owner = row["vendor_id"] or row["partner_id"] or ""
        state = (
            "revoked"
            if row["revoked_at"]
            else f"expires {row['expires_at']}"
            if row["expires_at"]
            else "live"
        )
        used = row["last_used_at"].isoformat(timespec="minutes") if row["last_used_at"] else "never used"
        console().print(
            f"{row['api_key_id']:<5} {row['key_prefix']}…  {row['role']} {owner}  {state}  {used}  {row['label'] or ''}"
        )


def _with_connection(data_dir: Any, act: Callable[[Any], Awaitable[Answer]]) -> Answer:
    """Run `act` on a connection to the ledger."""
    import asyncpg

    from clickledger.servers import settings_for

    settings = settings_for(needs_database=True, data_dir=data_dir)

    async def run() -> Answer:
        connection = await asyncpg.connect(settings.database_url, timeout=10, command_timeout=30)
        try:
            return await act(connection)
        finally:
            await connection.close(timeout=5)

    return asyncio.run(run())
