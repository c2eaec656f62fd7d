"""`clickledger status`: one look at how the system is."""

from __future__ import annotations

import asyncio

import typer

from clickledger.commands.options import DataDirOption, JsonOption, console


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(data_dir: DataDirOption = None, json: JsonOption = False) -> None:
    """Streams, lag, watermark, spool, dead letters, partitions ahead, versions."""
    import orjson

    from clickledger.servers import settings_for
    from clickledger.status import read_status

    settings = settings_for(needs_database=True, needs_redis=True, data_dir=data_dir)
    body = asyncio.run(read_status(settings))
    if json:
        typer.echo(orjson.dumps(body).decode())
        return
    streams = ", ".join(
        f"{row['shard']}: {row['length']} ({row['pending']} pending)" for row in body["streams"]
    )
    lines = {
        "version": f"{body['version']} (PostgreSQL {body['versions']['postgres']})",
        "clicks stored": f"{body['clicks_stored']:,} of {body['clicks_captured']:,} captured",
        "lag": f"{body['lag_seconds']} s (oldest unflushed click: {body['oldest_unflushed_at'] or 'none'})",
        "watermark": body["watermark"] or "nothing stored yet",
        "streams": streams,
        "spool": f"{body['spool_bytes']:,} bytes",
        "dead letters": f"{body['dead_letters']:,}",
        "partitions ahead": f"{body['partitions_ahead']} months",
    }
    for name, value in lines.items():
        console().print(f"{name:<17} {value}")
