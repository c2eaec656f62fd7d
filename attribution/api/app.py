"""The marketers' API: one FastAPI application, and the process that serves it.

`run_api` is called by the command line and the supervisor; `build_app` also by the tests. The API speaks to
PostgreSQL only; what it changes reaches the doors through the outbox.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import PackageNotFoundError, version

import uvicorn
from fastapi import FastAPI

from attribution.api import (
    attribution_routes,
    conversion_routes,
    fact_routes,
    key_routes,
    link_routes,
    list_routes,
    pages,
    qr_routes,
    stats_routes,
)
from attribution.api.body_limit import BodyLimit
from attribution.api.dashboard import dashboard_routes
from attribution.api.description import describe
from attribution.api.problems import add_problem_handlers
from attribution.api.rate_limit import RateLimit
from attribution.link_fields import Policy
from schema.postgres import UNREACHABLE, connect_pool
from schema.settings import Settings

CONNECTIONS_MAX = 8
STATEMENT_S_MAX = 30.0
STOP_S_MAX = 10


def build_app(settings: Settings) -> FastAPI:
    """The application for these settings; its pool opens with its lifespan."""
    assert settings.database_url is not None
    url = settings.database_url

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await connect_pool(
            url, "api", connections_max=CONNECTIONS_MAX, timeout_s=STATEMENT_S_MAX, is_reset=False
        )
        try:
            yield
        finally:
            try:
                await asyncio.wait_for(app.state.pool.close(), STOP_S_MAX)
            except (TimeoutError, *UNREACHABLE):
                app.state.pool.terminate()

    app = FastAPI(
        title="Clickledger API",
        version=_version(),
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,  # what clients name their functions after
    )
    app.state.settings = settings
    app.state.policy = Policy.of(settings)
    add_problem_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(RateLimit, requests_per_minute=settings.api_requests_per_minute)
    app.include_router(dashboard_routes())
    # Stats and pictures first: a link's code may contain anything after /v1/links/.
    app.include_router(stats_routes.link_router)
    for routes in (
        *(pages, stats_routes, qr_routes, link_routes, fact_routes, list_routes, key_routes),
        *(conversion_routes, attribution_routes),
    ):
        app.include_router(routes.router)
    describe(app)
    return app


def run_api(settings: Settings) -> None:
    """Serve the API until SIGTERM or SIGINT; what is in flight is answered."""
    app = build_app(settings)
    # A long series is ten thousand objects, none in a cycle: looking through them took as long as making them.
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.api_port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=STOP_S_MAX,
    )
    _Server(config).run()


class _Server(uvicorn.Server):
    """uvicorn raises the signal that ended it once more afterwards; a graceful stop is to end with status 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the serving and nothing else."""
        previous = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _version() -> str:
    try:
        return version("clickledger")
    except PackageNotFoundError:
        return "0"
