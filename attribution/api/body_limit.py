"""Refuses request bodies above a limit while they arrive, whatever their Content-Length claims."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 2_000_000


class BodyLimit:
    """ASGI middleware; the exception it raises from `receive` is answered like any other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it brings."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_BYTES_MAX:
                raise HTTPException(413, f"The body may have {BODY_BYTES_MAX} bytes at most.")
            return message

        await self._app(scope, counted if scope["type"] == "http" else receive, send)
