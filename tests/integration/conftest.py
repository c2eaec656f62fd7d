"""One migrated database a test process for the tests that roll back what they did; copying one each would take longer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest


@pytest.fixture(scope="session")
def rehearsal_url(engines: Any, migrated_template: str) -> Iterator[str]:
    """A migrated database nothing is ever committed to: see `sample_ledger.rehearse`."""
    name = f"clickledger_rehearsal_{os.getpid()}"
    _on_server(engines.database_url, f'CREATE DATABASE "{name}" TEMPLATE "{migrated_template}"')
    yield urlsplit(engines.database_url)._replace(path=f"/{name}").geturl()
    _on_server(engines.database_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def _on_server(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url, timeout=30)
        try:
            await connection.execute(statement)
        finally:
            await connection.close(timeout=10)

    asyncio.run(run())
