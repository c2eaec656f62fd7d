"""`clickledger rollups rebuild`: counts every rollup anew from the clicks and conversions that are stored."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from clickledger.commands.options import DataDirOption, console

group = typer.Typer(no_args_is_help=True, help="What stats are read from.")

FromOption = Annotated[
    datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC).  [default: the oldest kept]"),
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="rollups")


@group.command()
def rebuild(since: FromOption = None, data_dir: DataDirOption = None) -> None:
    """Count all rollups anew, a day at a time, beside a running system. Days whose clicks were dropped stay."""
    from attribution.rebuild import rebuild_rollups
    from clickledger.servers import settings_for

    settings = settings_for(needs_database=True, data_dir=data_dir)
    assert settings.database_url is not None
    with Progress(
        *Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn(), console=console()
    ) as progress:
        task = progress.add_task("days", total=None)
        rebuilt = asyncio.run(
            rebuild_rollups(
                settings.database_url,
                since.date() if since else None,
                lambda done, total: progress.update(task, completed=done, total=total),
            )
        )
    console().print(
        f"{rebuilt.days:,} days, {rebuilt.clicks:,} clicks and {rebuilt.conversions:,} conversions counted."
    )
