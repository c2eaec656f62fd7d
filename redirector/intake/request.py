"""One request to a conversion endpoint: head and bounded body out of ASGI messages."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from starlette.types import Receive, Scope

from redirector.intake.answers import Refusal, problem

BODY_S_MAX = 10.0
_CLOSE = ((b"connection", b"close"),)
_PLAIN = (b"", b"identity")


class Gone(Exception):
    """The client left before its request was whole."""


class Request(NamedTuple):
    """A whole request. Header names are in lower case; of a repeated one the last value counts."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    query: bytes
    body: bytes
    scope: Scope


async def read_request(scope: Scope, receive: Receive, body_max: int) -> Request:
    """The request of this scope. Raises Refusal (413, 415, 408) or Gone."""
    headers = dict(scope["headers"])
    body = b""
    if scope["method"] == "POST":
        if headers.get(b"content-encoding", b"") not in _PLAIN:
            raise Refusal(problem(415, "Send the body without Content-Encoding.", headers=_CLOSE))
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > body_max:
            raise _too_large(body_max)
        try:
            async with asyncio.timeout(BODY_S_MAX):
                body = await _read_body(receive, body_max)
        except TimeoutError:
            raise Refusal(problem(408, "The body did not arrive in time.", headers=_CLOSE)) from None
    return Request(scope["method"], scope["path"], headers, scope["query_string"], body, scope)


async def _read_body(receive: Receive, body_max: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        piece = message.get("body", b"")
        size += len(piece)
        if size > body_max:
            raise _too_large(body_max)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def _too_large(body_max: int) -> Refusal:
    """413. The rest is read and thrown away by the server: closing now would reset the connection before the sender
    has read why."""
    return Refusal(problem(413, f"The body may have {body_max} bytes at most."))
