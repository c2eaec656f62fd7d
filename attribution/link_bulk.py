"""Makes many links in one transaction, each on its own: what is wrong with one does not keep the others back.

`POST /v1/links/bulk` hands over up to a thousand unchecked items and gets as many results in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
from pydantic import ValidationError

from attribution.faults import Conflict, Fault, Forbidden, Refused, faults_of
from attribution.keys import Caller
from attribution.link_fields import NewLink, Policy
from attribution.links import create_link

ITEMS_MAX = 1_000


async def create_links(
    connection: asyncpg.Connection, policy: Policy, caller: Caller, items: Sequence[Any]
) -> list[dict[str, Any]]:
    """For each item either `{"status": 201, "link": …}` or `{"status": 403 | 409 | 422, "errors": […]}`."""
    return [await _create(connection, policy, caller, item) for item in items]


async def _create(
    connection: asyncpg.Connection, policy: Policy, caller: Caller, item: Any
) -> dict[str, Any]:
    try:
        async with connection.transaction():
            link = await create_link(connection, policy, caller, NewLink.model_validate(item))
    except ValidationError as error:
        return _failed(422, faults_of(error))
    except Conflict as error:
        return _failed(409, error.faults)
    except Refused as error:
        return _failed(422, error.faults)
    except Forbidden as error:
        return _failed(403, [Fault("", str(error))])
    return {"status": 201, "link": link}


def _failed(status: int, faults: Sequence[Fault]) -> dict[str, Any]:
    return {
        "status": status,
        "errors": [{"field": fault.field, "message": fault.message} for fault in faults],
    }
