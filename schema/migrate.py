"""Brings a PostgreSQL database to the newest revision. `clickledger up` and `clickledger migrate` call it.

Alembic is configured in code from the installed package, so no alembic.ini is needed and any path will do. One
transaction holds an advisory lock and all revisions: processes that start together wait for each other, and a
migration that fails leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from importlib.resources import files

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

MIGRATION_LOCK = 0x436C69636B6C64
"""Advisory lock of a migration in progress; any number would do as long as nobody else takes it ("Clickld")."""
SERVER_VERSION_MIN = 150_000
CONNECT_SECONDS_MAX = 10.0


class UnsuitableServer(Exception):
    """The server or database cannot hold Clickledger's tables; the message says why in one sentence."""


def migrate(database_url: str) -> str:
    """Run every revision the database lacks and return the one it is at then.

    Parameters
    ----------
    database_url
        `postgresql://…` as asyncpg reads it (a unix socket is `?host=/directory`).

    Raises
    ------
    UnsuitableServer
        When PostgreSQL is older than 15 or the database is not UTF-8.
    """
    return asyncio.run(_migrate(database_url))


def current_revision(database_url: str) -> str | None:
    """The revision the database is at, None before the first migration."""
    return asyncio.run(_current_revision(database_url))


async def _migrate(database_url: str) -> str:
    engine = _engine(database_url)
    try:
        async with engine.begin() as connection:
            await _demand_suitable(connection)
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.run_sync(_upgrade)
            revision = await connection.run_sync(_revision)
    finally:
        await engine.dispose()
    assert revision is not None
    return revision


async def _current_revision(database_url: str) -> str | None:
    engine = _engine(database_url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_revision)
    finally:
        await engine.dispose()


def _engine(database_url: str) -> AsyncEngine:
    """An engine whose connections asyncpg opens itself: the URL means here exactly what it means to the pools."""

    async def connect() -> asyncpg.Connection:
        settings = {"application_name": "clickledger-migrate", "timezone": "UTC", "search_path": "public"}
        return await asyncpg.connect(database_url, timeout=CONNECT_SECONDS_MAX, server_settings=settings)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)


async def _demand_suitable(connection: AsyncConnection) -> None:
    version = int(await connection.scalar(text("SHOW server_version_num")) or 0)
    if version < SERVER_VERSION_MIN:
        raise UnsuitableServer(f"PostgreSQL 15 or newer is needed; this server is {version // 10_000}.")
    encoding = await connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise UnsuitableServer(f"The database must be encoded in UTF8; this one is in {encoding}.")


def _upgrade(connection: Connection) -> None:
    config = Config()
    # Config reads % as the start of an interpolation.
    config.set_main_option("script_location", str(files("schema.migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
