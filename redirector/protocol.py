"""The fast front end: uvicorn's HTTP protocol, which answers a visitor's GET of a cached link itself.

Everything else, and everything unusual about a request, goes on to the ASGI application unchanged; so does a request
that arrives while its connection still owes an answer or reads slowly. Decision, destination, cookie and recorder are
the application's own; only the way from parsed header to written answer is shorter: no scope, no task, no messages.
Both front ends pass the same tests and answer with the same bytes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from redirector.redirect import unavailable
from redirector.visitor import Visit

if TYPE_CHECKING:
    from redirector.app import DoorApp
    from redirector.recorder import Acknowledgement
    from redirector.redirect import Answer


class DoorProtocol(HttpToolsProtocol):
    """One connection. `app` is the `DoorApp`, which knows the redirector."""

    app: DoorApp

    def on_message_begin(self) -> None:
        """Begin a request; the ASGI scope waits until somebody needs it."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Answer plainly, or hand over to the application."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._is_usual() and self._answer_plainly():
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def _is_usual(self) -> bool:
        """Whether this is a GET of a path without escapes, on a connection that takes what we write."""
        parser = self.parser
        return (
            parser.get_method() == b"GET"
            and not self.flow.write_paused
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and self.url[:1] == b"/"
            and self.url.isascii()
            and b"%" not in self.url.partition(b"?")[0]
            and b"#" not in self.url
        )

    def _answer_plainly(self) -> bool:
        """Whether this is a visitor's GET of a cached link; its answer is then on its way."""
        started = time.perf_counter()
        path, _, query = self.url.partition(b"?")
        app = self.app
        peer = self.client and self.client[0]
        visit = Visit(self.headers, peer, query, is_https=self.scheme == "https", trusted=app.trusted)
        plain = app.redirector.answer_plainly(path[1:].decode("ascii"), visit)
        if plain is None:
            return False
        answer, acknowledgement = plain
        is_kept_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        cycle = PlainCycle(self, answer, started, is_kept_alive)
        self.cycle = cycle  # type: ignore[assignment]
        acknowledgement.add_done_callback(cycle.send)
        return True


class _NobodyWaits:
    """Stands where uvicorn would wake an application that waits for a message."""

    def set(self) -> None:
        """Nothing."""


class PlainCycle:
    """One plain answer between its decision and its acknowledgement; looks to uvicorn like its own cycles."""

    __slots__ = (
        "_answer",
        "_protocol",
        "_started",
        "body",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
    )
    message_event = _NobodyWaits()

    def __init__(self, protocol: DoorProtocol, answer: Answer, started: float, keep_alive: bool) -> None:
        self._protocol = protocol
        self._answer = answer
        self._started = started
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False
        self.more_body = True
        self.body = bytearray()

    def send(self, acknowledgement: Acknowledgement) -> None:
        """Write the answer; called when the click is durable, or can not be kept."""
        answer = self._answer if acknowledgement.exception() is None else unavailable()
        protocol = self._protocol
        if not self.disconnected:
            protocol.transport.write(render(answer, protocol.server_state.default_headers, self.keep_alive))
            self.response_complete = True
            if not self.keep_alive:
                protocol.transport.close()
            protocol.on_response_complete()
        protocol.app.tally.add(answer.outcome, time.perf_counter() - self._started)


def render(answer: Answer, default_headers: list[tuple[bytes, bytes]], keep_alive: bool) -> bytes:
    """An answer as uvicorn writes it."""
    lines = [STATUS_LINE[answer.status]]
    for name, value in default_headers + answer.headers:
        lines += (name, b": ", value, b"\r\n")
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    lines += (b"\r\n", answer.body)
    return b"".join(lines)
