"""Turns every failure into a problem+json answer (RFC 9457) that names the wrong field and never shows internals."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from attribution.faults import Busy, Conflict, Fault, Forbidden, NotFound, Outdated, Refused
from schema.postgres import UNREACHABLE

LOG = structlog.get_logger()
RETRY_AFTER_S = 2
BUSY_RETRY_S = 10


class Unauthorized(Exception):
    """No key, or one that does not work."""


def problem(
    status: int,
    detail: str,
    faults: Sequence[Fault] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """One problem+json answer; `errors` names fields."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if faults:
        body["errors"] = [{"field": fault.field, "message": fault.message} for fault in faults]
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every exception the API can meet."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    for unreachable in UNREACHABLE:
        app.add_exception_handler(unreachable, _unavailable)


async def _refused(_request: Request, error: Any) -> JSONResponse:
    return problem(422, f"{len(error.faults)} field(s) cannot be accepted.", error.faults)


async def _conflict(_request: Request, error: Any) -> JSONResponse:
    return problem(409, "This stands in the way of something that exists.", error.faults)


async def _not_found(_request: Request, error: Exception) -> JSONResponse:
    return problem(404, str(error))


async def _forbidden(_request: Request, error: Exception) -> JSONResponse:
    return problem(403, str(error))


async def _busy(_request: Request, error: Exception) -> JSONResponse:
    return problem(429, str(error), headers={"Retry-After": str(BUSY_RETRY_S)})


async def _outdated(_request: Request, error: Exception) -> JSONResponse:
    return problem(412, str(error))


async def _unauthorized(_request: Request, _error: Exception) -> JSONResponse:
    detail = "Send a working key: Authorization: Bearer clk_…"
    return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


async def _misshapen(_request: Request, error: Any) -> JSONResponse:
    faults = [Fault(_field(entry["loc"]), _sentence(entry["msg"])) for entry in error.errors()]
    return problem(422, f"{len(faults)} field(s) cannot be accepted.", faults)


def _field(location: tuple[int | str, ...]) -> str:
    """`rules.0.to` from (`body`, `rules`, 0, `to`)."""
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ")


async def _http(_request: Request, error: Any) -> JSONResponse:
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _bad_value(_request: Request, error: Exception) -> JSONResponse:
    LOG.warning("api_value_refused_by_postgresql", error=type(error).__name__)
    return problem(422, "PostgreSQL cannot store one of the values.")


async def _taken(_request: Request, _error: Exception) -> JSONResponse:
    return problem(409, "This exists already.")


async def _no_privilege(_request: Request, _error: Exception) -> JSONResponse:
    return problem(403, "This key may not do that.")


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    LOG.warning("api_postgresql_away", error=type(error).__name__)
    detail = "The ledger cannot be reached now. Redirects are not affected."
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    LOG.error("api_failed", method=request.method, error=type(error).__name__, exc_info=error)
    return problem(500, "Something went wrong here; it has been logged.")


_HANDLERS: dict[Any, Any] = {
    Refused: _refused,
    Conflict: _conflict,
    NotFound: _not_found,
    Forbidden: _forbidden,
    Outdated: _outdated,
    Busy: _busy,
    Unauthorized: _unauthorized,
    RequestValidationError: _misshapen,
    HTTPException: _http,
    asyncpg.DataError: _bad_value,
    asyncpg.CheckViolationError: _bad_value,
    asyncpg.UniqueViolationError: _taken,
    asyncpg.InsufficientPrivilegeError: _no_privilege,
    asyncpg.QueryCanceledError: _unavailable,
    Exception: _unexpected,
}
