"""Refuses request bodies above a limit while they arrive, whatever their Content-Length claims."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attribution.api.problems import problem

BODY_BYTES_MAX = 2_000_000


class TooLarge(Exception):
    """The body went over the limit."""


class BodyLimit:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it brings."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0
        is_started = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_BYTES_MAX:
                raise TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except TooLarge:
            if not is_started:
                answer = problem(413, f"The body may have {BODY_BYTES_MAX} bytes at most.")
                await answer(scope, receive, send)
