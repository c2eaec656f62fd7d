"""Every named block of every SQL file prepares against the migrated database."""

from __future__ import annotations

import asyncio

import asyncpg

from schema.queries import load_queries
from tests.tidy.sources import query_files


def test_every_query_prepares(database_url: str) -> None:
    blocks = {
        f"{file}: {name}": statement
        for file in query_files()
        for name, statement in load_queries(*_place(file)).items()
    }
    assert blocks
    assert asyncio.run(_faults(database_url, blocks)) == {}


def _place(file: str) -> tuple[str, str]:
    """The package and the file name that `load_queries` wants."""
    folder, _, name = file.rpartition("/")
    return folder.replace("/", "."), name


async def _faults(url: str, blocks: dict[str, str]) -> dict[str, str]:
    connection = await asyncpg.connect(url, timeout=30)
    faults = {}
    try:
        for statement in blocks.values():
            if statement.upper().startswith("CREATE TEMP"):
                await connection.execute(statement)  # others of its file read it; it ends with the session
        for place, statement in blocks.items():
            if statement.upper().startswith("CREATE TEMP"):
                continue
            try:
                await connection.prepare(statement)
            except asyncpg.PostgresError as error:
                faults[place] = str(error)
    finally:
        await connection.close(timeout=5)
    return faults
