"""The API keeps its own description: schemathesis reads the OpenAPI document and tries what it allows and what it does
not, against a served API over a real database. Bounded: so many examples an operation, and no more.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance
from test_api import PROGRAMME, add_clicks

from attribution.api.app import build_app
from attribution.keys import create_key
from schema.settings import Settings

EXAMPLES = 8
NOT_ASKED = [positive_data_acceptance]
"""A schema cannot say that a period ends after it begins, or that a destination is a URL of an allowed scheme."""
ROLES = ("admin", "partner")


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The API in a thread of this process, as uvicorn serves it."""
    app = build_app(settings.model_copy(update={"api_requests_per_minute": 1_000_000}))
    config = uvicorn.Config(app, port=settings.api_port, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{settings.api_port}"
    finally:
        server.should_exit = True
        thread.join(20)


async def _fill(url: str) -> dict[str, str]:
    """A small programme with a link and clicks, and a key for each role."""
    connection = await asyncpg.connect(url)
    await connection.execute(PROGRAMME)
    await connection.execute(
        """INSERT INTO partner_links (short_code, campaign_partner_id, full_url)
           VALUES ('a', 1, 'https://shop.example/')"""
    )
    await add_clicks(connection, 1, datetime.now(UTC), 20, partner_id=1, version_id=1)
    keys = {
        "admin": await create_key(connection, "admin"),
        "partner": await create_key(connection, "partner", partner_id=1),
    }
    await connection.close()
    return keys


@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ROLES)
def test_schemathesis_finds_nothing(settings: Settings, role: str) -> None:
    keys = asyncio.run(_fill(str(settings.database_url)))
    headers = {"Authorization": f"Bearer {keys[role]}"}
    with served(settings) as url:
        schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) >= 20
        faults = [fault for operation in operations if (fault := _fault(operation, headers))]
        assert not faults, "\n\n".join(faults)
        assert httpx.get(f"{url}/-/readyz").status_code == 200


def _fault(operation: Any, headers: dict[str, str]) -> str | None:
    """What schemathesis finds wrong with the answers to valid and invalid requests of one operation."""

    @given(case=operation.as_strategy())
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def one(case: Any) -> None:
        # A body of links a thousand long is tested elsewhere; a code of a key that is revoked would end the run.
        if operation.method.upper() == "DELETE" and "/keys/" in operation.path:
            return
        case.call_and_validate(headers=headers, excluded_checks=NOT_ASKED)

    try:
        one()
    except FailureGroup as found:
        return f"{operation.method} {operation.path}: {found}"
    return None
