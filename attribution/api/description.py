"""The OpenAPI document: what FastAPI derives from the routes, with what holds for all of them added.

Every operation wants a key, may fail with the same problems, and says so; a generated client gets one error type.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

PROBLEM = "application/problem+json"
PROBLEMS = {
    "400": "The body is not JSON.",
    "401": "No working key.",
    "403": "This key may not do that.",
    "404": "It does not exist, or not for this key.",
    "409": "Something that exists stands in the way.",
    "412": "It changed since the caller read it.",
    "413": "The body is too large.",
    "422": "Fields that cannot be accepted, each named.",
    "429": "Too many requests; `Retry-After` says when.",
    "503": "PostgreSQL cannot be reached now; `Retry-After` says when.",
}
PROBLEM_SCHEMA = {
    "title": "Problem",
    "description": "RFC 9457.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def describe(app: FastAPI) -> None:
    """Have the application serve the completed document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "clk_…"}}
    document["security"] = [{"key": []}]
    for operations in document["paths"].values():
        for operation in operations.values():
            _add_problems(operation["responses"])
    return document


def _add_problems(responses: dict[str, Any]) -> None:
    for status, description in PROBLEMS.items():
        responses[status] = {
            "description": description,
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
