"""Makes the ledger ready before the rooms start: newest schema, and on the first start a key to talk to the API.

Called by `up`; `migrate` is also a command of its own.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg

from attribution.keys import SQL as KEYS
from attribution.keys import create_key
from clickledger.errors import StartError
from schema.migrate import UnsuitableServer, migrate

CONNECT_SECONDS_MAX = 30.0
"""A named server may be starting at the same time as we are."""


def migrate_patiently(database_url: str) -> str:
    """Migrate, waiting a while for a server that does not answer yet. Raises StartError."""
    deadline = time.monotonic() + CONNECT_SECONDS_MAX
    while True:
        try:
            return migrate(database_url)
        except UnsuitableServer as error:
            raise StartError(str(error)) from error
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
            if time.monotonic() > deadline:
                raise StartError(f"PostgreSQL cannot be reached: {error}") from error
        except asyncpg.PostgresError as error:
            raise StartError(f"PostgreSQL refused: {error}") from error
        time.sleep(0.5)


def first_admin_key(database_url: str) -> str | None:
    """A new admin key if the ledger has no key at all."""
    return asyncio.run(_first_admin_key(database_url))


async def _first_admin_key(database_url: str) -> str | None:
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        if await connection.fetch(KEYS["list_keys"], 0, 1):
            return None
        return await create_key(connection, "admin", label="first start")
    finally:
        await connection.close(timeout=5)
