"""Asking a running system for its books: a programme to click on, the stored click ids, `verify`."""

from __future__ import annotations

import asyncio
import http.client
import json
from contextlib import closing
from pathlib import Path

import asyncpg

from tests.running_system import Up, clickledger, wait_until

PROGRAMME = Path(__file__).with_name("programme.yaml")


def apply_programme(up: Up, file: Path = PROGRAMME, path: str = "/ben-2") -> None:
    """Apply a programme and wait until the door serves the last of its links."""
    applied = clickledger("apply", str(file), cwd=up.data_dir.parent, data_dir=up.data_dir, **up.settings)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    wait_until(lambda: _status(up, path) == 302, 10, "the programme to be published")


def _status(up: Up, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", up.ports["port"], timeout=10)) as connection:
        connection.request("HEAD", path)
        return connection.getresponse().status


def query(up: Up, statement: str) -> list[asyncpg.Record]:
    """Rows of the system's database."""

    async def run() -> list[asyncpg.Record]:
        engines = json.loads((up.data_dir / "engines.json").read_text())
        connection = await asyncpg.connect(
            up.settings.get("database_url") or engines["database_url"], timeout=10
        )
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return asyncio.run(run())


def stored_ids(up: Up) -> set[int]:
    """Ids of all stored clicks that were no HEAD; empty while PostgreSQL is away."""
    try:
        return {
            row["click_id"] for row in query(up, "SELECT click_id FROM clicks WHERE click_class <> 'head'")
        }
    except (OSError, asyncpg.PostgresError):
        return set()


def assert_books_are_clean(up: Up) -> None:
    """`clickledger verify` finds nothing."""
    verified = clickledger("verify", "--json", cwd=up.data_dir.parent, data_dir=up.data_dir, **up.settings)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert json.loads(verified.stdout)["ok"]
