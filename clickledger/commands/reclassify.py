"""`clickledger reclassify --from DATE`: stored clicks judged anew by today's rules for robots."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import Progress

from clickledger.commands.options import DataDirOption, console

FromOption = Annotated[
    datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC) of the clicks to judge.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reclassify)


def reclassify(since: FromOption, data_dir: DataDirOption = None) -> None:
    """Judge stored clicks anew after the rules for robots changed; stats, cookies and totals follow, conversions are
    attributed again unless approved, and the audit log says so."""
    from clickledger.servers import settings_for
    from flusher.reclassify import reclassify as reclassify_clicks

    settings = settings_for(needs_database=True, data_dir=data_dir)
    assert settings.database_url is not None
    since_ms = int(since.replace(tzinfo=UTC).timestamp() * 1000)
    with Progress(console=console()) as progress:
        task = progress.add_task("clicks", total=1)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        done = asyncio.run(reclassify_clicks(settings.database_url, since_ms, show))
        progress.update(task, completed=1, total=1)
    for (before, after), count in sorted(done.clicks.items()):
        console().print(f"{before:<8} to {after:<8} {count:>12,}")
    console().print(
        f"{done.agents:,} user agents are judged differently, {sum(done.clicks.values()):,} clicks changed."
    )
