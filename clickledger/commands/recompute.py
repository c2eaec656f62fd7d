"""`clickledger recompute --from --to`: attributes the conversions of a period again and prints what that changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from clickledger.commands.options import DataDirOption, JsonOption, console

if TYPE_CHECKING:
    from attribution.recompute import Change, Recomputed

FromOption = Annotated[
    str, typer.Option("--from", help="First moment, inclusive: a date or an RFC 3339 time.")
]
ToOption = Annotated[str, typer.Option("--to", help="Last moment, exclusive.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(recompute)


def recompute(
    from_: FromOption,
    to: ToOption,
    dry_run: DryRunOption = False,
    data_dir: DataDirOption = None,
    json: JsonOption = False,
) -> None:
    """Attribute the conversions of a period again, by the terms they were first priced under. Approved and paid ones stay
    as they are; exits 1 where one could not be worked out."""
    import orjson

    from attribution.faults import Refused
    from attribution.periods import moment_of
    from attribution.recompute import recompute as recompute_period
    from clickledger.servers import settings_for

    settings = settings_for(needs_database=True, data_dir=data_dir)
    assert settings.database_url is not None
    try:
        start, end = moment_of("--from", from_), moment_of("--to", to)
    except Refused as refused:
        raise typer.BadParameter(str(refused)) from refused
    if end <= start:
        raise typer.BadParameter("--to must be later than --from")
    done = asyncio.run(recompute_period(settings.database_url, start, end, is_dry_run=dry_run))
    if json:
        body = done._asdict() | {"changes": [change._asdict() for change in done.changes]}
        typer.echo(orjson.dumps(body).decode())
    else:
        _show(done, is_dry_run=dry_run)
    if done.failures:
        raise typer.Exit(1)


def _show(done: Recomputed, *, is_dry_run: bool) -> None:
    for change in done.changes:
        console().print(f"{change.transaction_id or change.conversion_id}: {_difference(change)}")
    if done.changed > len(done.changes):
        console().print(f"and {done.changed - len(done.changes):,} more")
    for name, reason in done.failures:
        console().print(f"{name}: cannot be worked out: {reason}")
    verb = "would change" if is_dry_run else "changed"
    console().print(
        f"{done.examined:,} conversions attributed again, {done.changed:,} {verb}, {done.final:,} final."
    )


def _difference(change: Change) -> str:
    """`commission 10.00 -> 12.00, touches 2 -> 3`; the hash of the touches says only that they differ."""
    parts = [
        f"{name.replace('_', ' ')} {change.before[name]} -> {change.after[name]}"
        for name in change.before
        if name != "digest"
    ]
    return ", ".join(parts) or "other touches"
