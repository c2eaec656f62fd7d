"""`clickledger verify`: audits the ledger, exits 1 if anything disagrees."""

from __future__ import annotations

import typer

from clickledger.commands.options import DataDirOption, JsonOption, console


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(data_dir: DataDirOption = None, json: JsonOption = False) -> None:
    """Check that ids, times, cookies, totals and references agree; exits 1 with a report if anything does not."""
    import orjson

    from attribution.verify import verify as verify_ledger
    from clickledger.servers import settings_for

    settings = settings_for(needs_database=True, data_dir=data_dir)
    assert settings.database_url is not None
    checks = verify_ledger(settings.database_url)
    is_ok = all(check.ok for check in checks)
    if json:
        body = {"ok": is_ok, "checks": [check._asdict() for check in checks]}
        typer.echo(orjson.dumps(body).decode())
    else:
        for check in checks:
            console().print(
                f"{'ok' if check.ok else 'WRONG':<6} {check.name:<28} {check.examined:>12,} examined"
                + (f"  {check.violations:,} wrong" if not check.ok else "")
            )
            for example in check.detail:
                console().print(f"         {example}")
    if not is_ok:
        raise typer.Exit(1)
