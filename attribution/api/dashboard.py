"""Serves the dashboard: the files below `static/`, read once when the application is built.

`/` is the page itself, revalidated at every visit; everything it loads lies under a path holding the hash of all
files, so that browsers may keep it for ever and never mix two versions. The policy sent with the page forbids
inline scripts, inline styles and anything from another origin.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response

STATIC = Path(__file__).with_name("static")
ASSETS_MARK = b"{{assets}}"
PRELOADS_MARK = b"{{preloads}}"
HASH_CHARS = 16
GZIP_BYTES_MIN = 512
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Accept-Encoding",
}
FOR_EVER = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"


class StaticFile(NamedTuple):
    """One file as it is sent: plain, and compressed where that pays."""

    media_type: str
    etag: str
    plain: bytes
    zipped: bytes | None


class Dashboard(NamedTuple):
    """The page and, by path below `/assets/{version}/`, what it loads."""

    version: str
    page: StaticFile
    assets: dict[str, StaticFile]


def load_dashboard(folder: Path = STATIC) -> Dashboard:
    """Read every file that has a media type; licences stay on disk."""
    bodies = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }
    version = hashlib.sha256(b"\0".join(name.encode() + b"\0" + body for name, body in bodies.items()))
    mark = version.hexdigest()[:HASH_CHARS]
    page = bodies.pop("index.html").replace(PRELOADS_MARK, _preloads(bodies))
    page = page.replace(ASSETS_MARK, f"/assets/{mark}".encode())
    assets = {name: _static_file(name, body) for name, body in bodies.items()}
    return Dashboard(mark, _static_file("index.html", page), assets)


def dashboard_routes() -> APIRouter:
    """The routes of the dashboard; none of them needs a key, for none of them shows data."""
    router = APIRouter(include_in_schema=False)
    dashboard = load_dashboard()

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        """The one page; its address after `#` says what it shows."""
        return _answer(request, dashboard.page, REVALIDATE)

    @router.api_route("/assets/{version}/{name:path}", methods=["GET", "HEAD"])
    async def asset(request: Request, version: str, name: str) -> Response:
        """One script, style or picture of this version."""
        found = dashboard.assets.get(name)
        if version != dashboard.version or found is None:
            return Response("There is no such file.\n", 404, HEADERS, "text/plain")
        return _answer(request, found, FOR_EVER)

    return router


def _preloads(names: Iterable[str]) -> bytes:
    """Names every module at once: found one import after the other, they would cost a round trip a level."""
    modules = (name for name in names if name.startswith("modules/"))
    return "".join(f'<link rel="modulepreload" href="{{{{assets}}}}/{name}">\n' for name in modules).encode()


def _static_file(name: str, body: bytes) -> StaticFile:
    zipped = gzip.compress(body, mtime=0) if len(body) >= GZIP_BYTES_MIN else None
    etag = hashlib.sha256(body).hexdigest()[:HASH_CHARS]
    return StaticFile(MEDIA_TYPES[Path(name).suffix], etag, body, zipped)


def _answer(request: Request, file: StaticFile, caching: str) -> Response:
    is_zipped = file.zipped is not None and "gzip" in request.headers.get("accept-encoding", "")
    etag = f'"{file.etag}-gzip"' if is_zipped else f'"{file.etag}"'
    headers = HEADERS | {"ETag": etag, "Cache-Control": caching}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if is_zipped:
        headers["Content-Encoding"] = "gzip"
    return Response(file.zipped if is_zipped else file.plain, 200, headers, file.media_type)
