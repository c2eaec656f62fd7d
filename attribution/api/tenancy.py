"""Who asks, and a transaction in which PostgreSQL shows them their own rows only.

Every request of the API authenticates a bearer key and then works inside `Tenancy.transaction`, which takes the
role `clickledger_tenant`: row-level security, not a WHERE somebody may forget, keeps tenants apart.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, NamedTuple

import asyncpg
from fastapi import Depends, Request

from attribution.api.problems import Unauthorized
from attribution.faults import Forbidden
from attribution.keys import Caller, authenticate
from attribution.link_fields import Policy
from schema.queries import load_queries
from schema.settings import Settings

SQL = load_queries("attribution", "tenancy.sql")
ACQUIRE_S_MAX = 5.0


class Tenancy(NamedTuple):
    """What a request handler gets: the caller, the deployment's policy, and the way to the tables."""

    caller: Caller
    policy: Policy
    settings: Settings
    pool: asyncpg.Pool

    @asynccontextmanager
    async def transaction(self, *, is_snapshot: bool = False) -> AsyncIterator[Any]:
        """A transaction as this caller; committed when the block ends without an exception. A snapshot only reads, and
        all its queries see the same moment."""
        isolation: Literal["repeatable_read", "read_committed"] = (
            "repeatable_read" if is_snapshot else "read_committed"
        )
        async with (
            self.pool.acquire(timeout=ACQUIRE_S_MAX) as connection,
            connection.transaction(isolation=isolation, readonly=is_snapshot),
        ):
            await connection.execute(
                SQL["become_tenant"],
                self.caller.role,
                "" if self.caller.vendor_id is None else str(self.caller.vendor_id),
                "" if self.caller.partner_id is None else str(self.caller.partner_id),
            )
            yield connection

    @asynccontextmanager
    async def engine_transaction(self, *, is_writing: bool = False) -> AsyncIterator[Any]:
        """A transaction of the engine, outside row-level security, for what tenants may have done but not write
        themselves. The caller has looked whether this tenant may see the thing. Raises Forbidden where a partner writes.
        """
        if is_writing and self.caller.role == "partner":
            raise Forbidden("A partner may read this only.")
        async with self.pool.acquire(timeout=ACQUIRE_S_MAX) as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def owner_transaction(self) -> AsyncIterator[Any]:
        """A transaction outside row-level security, for an admin only. Raises Forbidden."""
        if self.caller.role != "admin":
            raise Forbidden("Only an admin key may do this.")
        async with self.pool.acquire(timeout=ACQUIRE_S_MAX) as connection, connection.transaction():
            yield connection


async def tenancy_of(request: Request) -> Tenancy:
    """The tenancy of the request's bearer key. Raises Unauthorized."""
    scheme, _, plaintext = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not plaintext.strip():
        raise Unauthorized
    state = request.app.state
    async with state.pool.acquire(timeout=ACQUIRE_S_MAX) as connection:
        caller = await authenticate(connection, plaintext.strip())
    if caller is None:
        raise Unauthorized
    return Tenancy(caller, state.policy, state.settings, state.pool)


Asking = Annotated[Tenancy, Depends(tenancy_of)]
