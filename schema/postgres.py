"""Opens PostgreSQL the one way Clickledger uses it: UTC, named application, bounded pool, bounded statements."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg

UNREACHABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)
"""What a caller catches where PostgreSQL may be away."""


async def connect_pool(
    url: str,
    application: str,
    *,
    connections_max: int = 4,
    timeout_s: float = 60.0,
    prepare: Callable[[asyncpg.Connection], Coroutine[Any, Any, None]] | None = None,
    is_reset: bool = True,
) -> asyncpg.Pool:
    """A pool whose connections speak UTC; `timeout_s` bounds connecting and every statement on the client.

    `prepare` is awaited once for each new connection (to set codecs). `is_reset=False` saves a round trip each time a
    connection is given back, for users that leave nothing behind: all they set is local to a transaction.
    """
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=connections_max,
        command_timeout=timeout_s,
        timeout=min(timeout_s, 10.0),
        init=prepare,
        reset=None if is_reset else _leave,
        server_settings=_session_settings(application),
    )


async def connect_session(
    url: str, application: str, *, timeout_s: float, **settings: str
) -> asyncpg.Connection:
    """One connection that speaks UTC, outside of any pool; `timeout_s` bounds every statement, `settings` are PostgreSQL's."""
    return await asyncpg.connect(
        url,
        timeout=10.0,
        command_timeout=timeout_s,
        server_settings=_session_settings(application) | settings,
    )


def _session_settings(application: str) -> dict[str, str]:
    return {"application_name": f"clickledger-{application}", "timezone": "UTC"}


async def _leave(_connection: asyncpg.Connection) -> None:
    """An open transaction has been rolled back already."""
