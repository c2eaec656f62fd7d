"""`clickledger apply FILE.yaml`: a whole programme as code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickledger.commands.options import DataDirOption, console
from clickledger.errors import StartError

if TYPE_CHECKING:
    from attribution.outcomes import Outcome
    from attribution.programme_fields import Programme
    from schema.settings import Settings

FileArgument = Annotated[
    Path, typer.Argument(help="The programme, as YAML.", exists=True, dir_okay=False, readable=True)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(apply)


def apply(file: FileArgument, data_dir: DataDirOption = None) -> None:
    """Bring vendors, campaigns, partners, links, rates and rules to what the file says; prints what it did."""
    from attribution.faults import Refused
    from attribution.programme import read_programme
    from clickledger.servers import settings_for

    settings = settings_for(needs_database=True, data_dir=data_dir)
    try:
        programme = read_programme(file.read_text(encoding="utf-8-sig"))
        outcomes = asyncio.run(_apply(settings, programme))
    except UnicodeDecodeError as error:
        raise StartError(f"{file} is not UTF-8 text: {error}") from error
    except Refused as refused:
        for fault in refused.faults:
            console().print(f"{fault.field}: {fault.message}")
        console().print(f"{file}: nothing was applied.")
        raise typer.Exit(1) from refused
    for outcome in outcomes:
        if outcome.action != "left":
            detail = f"  ({outcome.detail})" if outcome.detail else ""
            console().print(f"{outcome.action:<8} {outcome.kind:<10} {outcome.name}{detail}")
    counts = [
        f"{sum(outcome.action == action for outcome in outcomes):,} {action}"
        for action in ("created", "changed", "left")
    ]
    console().print(", ".join(counts))


async def _apply(settings: Settings, programme: Programme) -> list[Outcome]:
    import asyncpg

    from attribution.apply import apply_programme
    from attribution.link_fields import Policy

    connection = await asyncpg.connect(settings.database_url, timeout=10, command_timeout=600)
    try:
        return await apply_programme(connection, Policy.of(settings), programme)
    finally:
        await connection.close(timeout=5)
