"""Pages without a key: health, readiness, and a plain list of endpoints that loads nothing from anywhere else."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from schema.postgres import UNREACHABLE

router = APIRouter(include_in_schema=False)

READY_S_MAX = 2.0
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
th { text-align: left; } td, th { padding: 0.25rem 1rem 0.25rem 0; vertical-align: top; }
"""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/-/healthz")
async def healthz() -> JSONResponse:
    """This process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/-/readyz")
async def readyz(request: Request) -> JSONResponse:
    """PostgreSQL answers too."""
    try:
        async with request.app.state.pool.acquire(timeout=READY_S_MAX) as connection:
            await connection.fetchval("SELECT 1", timeout=READY_S_MAX)
    except UNREACHABLE:
        return JSONResponse({"status": "PostgreSQL cannot be reached"}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Every endpoint with its purpose and parameters."""
    return HTMLResponse(_page(request.app.openapi()), headers=_HEADERS)


def _page(spec: dict[str, Any]) -> str:
    sections = "".join(
        _operation(method, path, operation)
        for path, operations in spec["paths"].items()
        for method, operation in operations.items()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(spec['info']['title'])}</title>"
        f"<style>{_STYLE}</style><h1>{escape(spec['info']['title'])} {escape(spec['info']['version'])}</h1>"
        "<p>Send <code>Authorization: Bearer &lt;key&gt;</code>. The whole description is "
        f"<a href=/v1/openapi.json>OpenAPI 3.1</a>.</p>{sections}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(item['name'])}</code><td>{escape(item.get('description', ''))}"
        for item in operation.get("parameters", [])
    )
    table = f"<table><tr><th>parameter<th>meaning{rows}</table>" if rows else ""
    summary = escape(operation.get("description", ""))
    return f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{summary}</p>{table}"
