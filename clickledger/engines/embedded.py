"""Both engines, started for the length of a `with` block: what tests and benches use.

`clickledger up` does not: its supervisor keeps each engine running on its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg

from clickledger.engines.data_dir import DataDir
from clickledger.engines.postgres import DATABASE, Postgres
from clickledger.engines.valkey import Valkey


class Running(NamedTuple):
    """Two engines that serve."""

    postgres: Postgres
    valkey: Valkey


@contextmanager
def running_engines(path: Path, *, is_durable: bool = True) -> Iterator[Running]:
    """PostgreSQL (its database made, not migrated) and Valkey in `path`; stopped at the end of the block."""
    directory = DataDir(path)
    directory.lock()
    with ExitStack() as stack:
        stack.callback(directory.unlock)
        postgres, valkey = directory.engines(is_durable=is_durable)
        for engine in (postgres, valkey):
            process = engine.start()
            stack.callback(engine.stop, process)
        make_database(postgres)
        yield Running(postgres, valkey)


def make_database(postgres: Postgres) -> None:
    """Create the database of a serving PostgreSQL unless it is there."""
    asyncio.run(_make_database(postgres))


async def _make_database(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.url_of("postgres"), timeout=30)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f'CREATE DATABASE "{DATABASE}"')
    finally:
        await connection.close(timeout=5)
