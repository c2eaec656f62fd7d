"""`up`, and each room as a command of its own: `door`, `flusher`, `attributor`, `publisher`, `api`, `migrate`.

`up` and `door` supervise child processes; the others run their room in this process, for an operator whose own
supervisor keeps it running. All take the same settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clickledger.commands.options import DataDirOption, console

HostOption = Annotated[
    str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]", show_default=False)
]
PortOption = Annotated[
    int | None, typer.Option(help="Port of the door.  [default: 8080]", show_default=False)
]
ApiPortOption = Annotated[
    int | None, typer.Option(help="Port of the API.  [default: 8081]", show_default=False)
]
WorkersOption = Annotated[
    int | None, typer.Option(help="Door processes sharing the port.  [default: 1]", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (up, migrate, door, flusher, attributor, publisher, api):
        app.command()(command)


def up(
    data_dir: DataDirOption = None,
    host: HostOption = None,
    port: PortOption = None,
    api_port: ApiPortOption = None,
    workers: WorkersOption = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Load a small sample programme if the ledger is empty.")
    ] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="The sample programme, and live demo traffic through the door.")
    ] = False,
) -> None:
    """Run the whole system on this machine until Ctrl-C."""
    from clickledger.engines.data_dir import DataDir
    from clickledger.leftovers import end_leftovers
    from clickledger.metrics_server import share_metrics, take_place
    from clickledger.servers import named_settings
    from schema.logs import set_up_logs

    settings = named_settings(data_dir=data_dir, host=host, port=port, api_port=api_port, workers=workers)
    set_up_logs("supervisor", settings.log_level)
    directory = DataDir(settings.data_dir)
    directory.lock()
    end_leftovers(directory.path)
    share_metrics(directory.path / "metrics")
    take_place("supervisor")
    from clickledger.up import Up  # counts metrics, so only after they have a place

    Up(settings, directory, console()).run(is_sample=sample, is_demo=demo)


def migrate(data_dir: DataDirOption = None) -> None:
    """Bring the database to the newest schema."""
    from clickledger.first_start import migrate_patiently
    from clickledger.servers import settings_for

    settings = settings_for(needs_database=True, data_dir=data_dir)
    assert settings.database_url is not None
    console().print(f"The database is at revision {migrate_patiently(settings.database_url)}.")


def door(
    data_dir: DataDirOption = None,
    host: HostOption = None,
    port: PortOption = None,
    workers: WorkersOption = None,
) -> None:
    """Answer visitors: WORKERS processes on one port, restarted when they die. Needs Redis."""
    from clickledger.engines.data_dir import DataDir
    from clickledger.metrics_server import share_metrics, take_place
    from clickledger.servers import settings_for
    from schema.logs import set_up_logs

    settings = settings_for(needs_redis=True, data_dir=data_dir, host=host, port=port, workers=workers)
    set_up_logs("door", settings.log_level)
    directory = DataDir(settings.data_dir)
    directory.lock()
    share_metrics(directory.path / "metrics")
    take_place("supervisor")
    from clickledger.doors import run_doors

    run_doors(settings, directory)


def flusher(data_dir: DataDirOption = None) -> None:
    """Write captured clicks to PostgreSQL. Needs both servers."""
    _run_here("flusher", data_dir, needs_database=True, needs_redis=True)


def attributor(data_dir: DataDirOption = None) -> None:
    """Attribute conversions: touches, commissions, credits. Needs PostgreSQL."""
    _run_here("attributor", data_dir, needs_database=True)


def publisher(
    data_dir: DataDirOption = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Bring every link and key to Redis anew, then end.")
    ] = False,
) -> None:
    """Bring link and key changes from PostgreSQL to Redis. Needs both servers."""
    if rebuild:
        _rebuild(data_dir)
    else:
        _run_here("publisher", data_dir, needs_database=True, needs_redis=True)


def api(data_dir: DataDirOption = None, host: HostOption = None, api_port: ApiPortOption = None) -> None:
    """Serve the marketers' API. Needs PostgreSQL."""
    _run_here("api", data_dir, needs_database=True, host=host, api_port=api_port)


def _run_here(
    name: str,
    data_dir: Path | None,
    *,
    needs_database: bool = False,
    needs_redis: bool = False,
    **given: object,
) -> None:
    from clickledger.child import end_quietly_on_sigterm, run_room
    from clickledger.metrics_server import serve_metrics
    from clickledger.ports import listen
    from clickledger.servers import settings_for
    from schema.logs import set_up_logs

    settings = settings_for(
        needs_database=needs_database, needs_redis=needs_redis, data_dir=data_dir, **given
    )
    set_up_logs(name, settings.log_level)
    if name == "api":
        listen(settings.host, settings.api_port, "CLICKLEDGER_API_PORT").close()
    serve_metrics(settings.metrics_port)
    end_quietly_on_sigterm()
    run_room(name, settings)


def _rebuild(data_dir: Path | None) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from clickledger.servers import settings_for
    from redirector.publisher import rebuild

    settings = settings_for(needs_database=True, needs_redis=True, data_dir=data_dir)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console()) as progress:
        task = progress.add_task("links", total=None)
        count = rebuild(settings, lambda done, total: progress.update(task, completed=done, total=total))
    console().print(f"{count:,} links are in Redis.")
