"""`clickledger clicks import FILE`: history from another tracker, through the same stream and writer as live clicks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from clickledger.commands.importing import FileArgument, import_file, report
from clickledger.commands.options import DataDirOption

if TYPE_CHECKING:
    from redirector.row_files import RowFault
    from schema.settings import Settings

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
    report("clicks", *asyncio.run(_import(file, settings)))


async def _import(file: Path, settings: Settings) -> tuple[int, list[RowFault]]:
    from redirector.history import ClickImport, read_click_rows
    from schema.redis_client import connect_redis

    assert settings.redis_url is not None
    client = connect_redis(settings.redis_url)
    is_case_sensitive = settings.code_case == "sensitive"
    load = ClickImport(client, settings.stream_shards, is_case_sensitive=is_case_sensitive)
    try:
        faults = await import_file(file, "clicks", load, read_click_rows)
    finally:
        await client.aclose()
    return load.appended, faults
