"""The fast front end: uvicorn's HTTP protocol, which answers a visitor's GET of a cached link, and a usual
postback, itself.

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
    from redirector.intake.answers import Answer as IntakeAnswer
    from redirector.intake.room import IntakeRoom
    from redirector.recorder import Acknowledgement
    from redirector.redirect import Answer

Headers = list[tuple[bytes, bytes]]
POSTBACK = b"/-/pb"


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
        if path == POSTBACK:
            return self._take_plainly(query)
        peer = self.client and self.client[0]
        visit = Visit(self.headers, peer, query, is_https=self.scheme == "https", trusted=app.trusted)
        plain = app.redirector.answer_plainly(path[1:].decode("ascii"), visit)
        if plain is None:
            return False
        answer, acknowledgement = plain
        cycle = PlainCycle(self, answer, started, self._is_kept_alive())
        self.cycle = cycle  # type: ignore[assignment]
        acknowledgement.add_done_callback(cycle.send)
        return True

    def _take_plainly(self, query: bytes) -> bool:
        """Whether this is a postback as usual; its answer is then on its way."""
        room = self.app.intake.room
        plain = room.answer_plainly(query, self.headers) if room is not None else None
        if room is None or plain is None:
            return False
        answer, acknowledgement = plain
        cycle = ReportCycle(self, room, answer, self._is_kept_alive())
        self.cycle = cycle  # type: ignore[assignment]
        acknowledgement.add_done_callback(cycle.send)
        return True

    def _is_kept_alive(self) -> bool:
        return self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()


class _NobodyWaits:
    """Stands where uvicorn would wake an application that waits for a message."""

    def set(self) -> None:
        """Nothing."""


class Cycle:
    """One plain answer between its decision and its acknowledgement; looks to uvicorn like its own cycles."""

    __slots__ = ("_protocol", "body", "disconnected", "keep_alive", "more_body", "response_complete")
    message_event = _NobodyWaits()

    def __init__(self, protocol: DoorProtocol, keep_alive: bool) -> None:
        self._protocol = protocol
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False
        self.more_body = True
        self.body = bytearray()

    def _write(self, status: int, headers: Headers, body: bytes) -> None:
        protocol = self._protocol
        if not self.disconnected:
            head = render(status, protocol.server_state.default_headers + headers, self.keep_alive)
            protocol.transport.write(head + body)
            self.response_complete = True
            if not self.keep_alive:
                protocol.transport.close()
            protocol.on_response_complete()


class PlainCycle(Cycle):
    """A redirect."""

    __slots__ = ("_answer", "_started")

    def __init__(self, protocol: DoorProtocol, answer: Answer, started: float, keep_alive: bool) -> None:
        super().__init__(protocol, keep_alive)
        self._answer = answer
        self._started = started

    def send(self, acknowledgement: Acknowledgement) -> None:
        """Write the answer; called when the click is durable, or can not be kept."""
        answer = self._answer if acknowledgement.exception() is None else unavailable()
        self._write(answer.status, answer.headers, answer.body)
        self._protocol.app.tally.add(answer.outcome, time.perf_counter() - self._started)


class ReportCycle(Cycle):
    """A postback."""

    __slots__ = ("_answer", "_room")

    def __init__(
        self, protocol: DoorProtocol, room: IntakeRoom, answer: IntakeAnswer, keep_alive: bool
    ) -> None:
        super().__init__(protocol, keep_alive)
        self._room = room
        self._answer = answer

    def send(self, acknowledgement: Acknowledgement) -> None:
        """Write the answer; called when the report is durable, or can not be kept."""
        answer = self._room.told(acknowledgement, self._answer)
        self._write(answer.status, self._room.headers_of(answer), answer.body)


def render(status: int, headers: Headers, keep_alive: bool) -> bytes:
    """The head of an answer as uvicorn writes it."""
    lines = [STATUS_LINE[status]]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)
