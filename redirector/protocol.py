"""The two front ends as uvicorn HTTP protocols: one connection each, waiting no longer than it may for a request.

`AsgiProtocol` is uvicorn's own. `FastProtocol` answers a visitor's GET of a cached link, and a usual postback, by
itself: no parser callbacks, no scope, no task, no messages. Everything else, and everything unusual about a request,
it leaves to uvicorn and the ASGI application; so too what arrives while the connection still owes an answer or
reads slowly. Decision, destination, cookie and recorder are the application's own. Both pass the same tests and
answer with the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from redirector.decision import Outcome
from redirector.redirect import unavailable
from redirector.visitor import Visit

if TYPE_CHECKING:
    from redirector.app import DoorApp
    from redirector.intake.answers import Answer as IntakeAnswer
    from redirector.recorder import NotKept
    from redirector.redirect import Headers, Redirect
    from redirector.usual_get import UsualGet
    from redirector.visitor import HeaderFields

POSTBACK = "-/pb"
REDIRECT = "clickledger.redirect"
"""The type of an ASGI message of ours, and the extension by which a scope offers it."""
WHOLE_REDIRECT: dict[str, dict[object, object]] = {REDIRECT: {}}


class AsgiProtocol(HttpToolsProtocol):
    """One connection. Instead of a timer for each answer, 1.2 us, a sweep closes what waited for too long."""

    app: DoorApp

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.peer = self.client and self.client[0]
        self.waits_since = self.loop.time()

    def on_response_complete(self) -> None:
        """Go on with the next request; as uvicorn does, but for the timer."""
        self.server_state.total_requests += 1
        self.waits_since = self.loop.time()
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline and not self.transport.is_closing():
            self._start_asgi_task(*self.pipeline.pop())

    def on_message_begin(self) -> None:
        """As uvicorn does; the application may send a redirect whole."""
        super().on_message_begin()
        self.scope["extensions"] = WHOLE_REDIRECT

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        cycle.__class__ = AsgiCycle  # uvicorn makes its own, and has no place to name another
        cycle.heads = self.app.heads
        super()._start_asgi_task(cycle, app)

    def _owes_nothing(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def close_if_late(self, now: float) -> None:
        """Close where no whole request head came within the time for it since the connection was made or answered."""
        if now - self.waits_since > self.timeout_keep_alive and self._owes_nothing():
            self.transport.close()


class AsgiCycle(RequestResponseCycle):
    """uvicorn's answer to one request, with one more message: a redirect, sent whole.

    uvicorn's own two messages cost 4 us more: they search every header for line breaks, twice. A `Redirect` has none.
    """

    heads: RedirectHeads

    async def send(self, message: Any) -> None:
        """Send a message of ASGI, or `{"type": REDIRECT, "redirect": Redirect}`."""
        if message["type"] != REDIRECT:
            await super().send(message)
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        is_last = not self.keep_alive
        self.transport.write(self.heads.render(message["redirect"], self.default_headers, is_last=is_last))
        self.response_started = self.response_complete = True
        if is_last:
            self.transport.close()
        self.on_response()


def sweep(connections: Iterable[Any], now: float) -> None:
    """Close the connections that wait for too long; `now` is the loop's time."""
    for connection in list(connections):
        connection.close_if_late(now)


class FastProtocol(AsgiProtocol):
    """One connection. `app` is the `DoorApp`, which knows the redirector."""

    _is_reading = False

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._read = self.app.reader.read
        self._redirect_cycle = RedirectCycle(self)

    def on_message_begin(self) -> None:
        """The first byte of a request arrived."""
        super().on_message_begin()
        self._is_reading = True

    def on_message_complete(self) -> None:
        """The last byte of a request arrived."""
        self._is_reading = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Answer plainly, or hand over to uvicorn."""
        if (
            self._owes_nothing()
            and not self._is_reading
            and not self.flow.write_paused
            and (request := self._read(data)) is not None
            and self._answer_plainly(request)
        ):
            return
        super().data_received(data)

    def _answer_plainly(self, request: UsualGet) -> bool:
        """Whether this is a visitor's GET of a cached link; its answer is then on its way."""
        started = time.perf_counter()
        path, query, fields = request
        if path == POSTBACK:
            return self._take_plainly(query, fields)
        app = self.app
        visit = Visit(fields, self.peer, query, is_https=self.scheme == "https", trusted=app.trusted)
        plain = app.redirector.redirect_plainly(path, visit)
        if plain is None:
            return False
        redirect, click = plain
        cycle = self._redirect_cycle
        cycle.redirect, cycle.started, cycle.response_complete = redirect, started, False
        self.cycle = cycle  # type: ignore[assignment]
        app.redirector.recorder.keep_for(cycle, click)
        return True

    def _take_plainly(self, query: bytes, fields: HeaderFields) -> bool:
        """Whether this is a postback as usual; its answer is then on its way."""
        room = self.app.intake.room
        plain = room.answer_plainly(query, fields) if room is not None else None
        if room is None or plain is None:
            return False
        answer, report = plain
        cycle = ReportCycle(self, answer)
        self.cycle = cycle  # type: ignore[assignment]
        room.recorder.keep_for(cycle, report)
        return True


class _NobodyWaits:
    """Stands where uvicorn would wake an application that waits for a message."""

    def set(self) -> None:
        """Nothing."""


class Cycle:
    """A plain answer between its decision and the fate of its event; looks to uvicorn like its own cycles."""

    __slots__ = ("body", "disconnected", "keep_alive", "more_body", "protocol", "response_complete")
    message_event = _NobodyWaits()

    def __init__(self, protocol: FastProtocol) -> None:
        self.protocol = protocol
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False
        self.more_body = False
        self.body = b""

    def write(self, answer: bytes) -> None:
        """Send the answer, where somebody still waits for it."""
        self.response_complete = True
        protocol = self.protocol
        if self.disconnected or protocol.transport.is_closing():
            return
        protocol.transport.write(answer)
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

    def render(self, status: int, headers: Headers, body: bytes) -> bytes:
        """An answer as uvicorn writes it."""
        default_headers = self.protocol.server_state.default_headers
        return render_head(status, default_headers + headers, is_last=not self.keep_alive) + body


class RedirectCycle(Cycle):
    """A redirect, asked for at `started` (seconds of perf_counter). A connection uses one again and again."""

    __slots__ = ("redirect", "started")
    redirect: Redirect
    started: float

    def told(self, error: NotKept | None) -> None:
        """Answer: the click is durable, or could not be kept."""
        app = self.protocol.app
        outcome = Outcome.REDIRECT
        if error is None:
            default_headers = self.protocol.server_state.default_headers
            self.write(app.heads.render(self.redirect, default_headers, is_last=not self.keep_alive))
        else:
            answer = unavailable()
            outcome = answer.outcome
            self.write(self.render(answer.status, answer.headers, answer.body))
        app.tally.add(outcome, time.perf_counter() - self.started)


class ReportCycle(Cycle):
    """A postback."""

    __slots__ = ("_answer",)

    def __init__(self, protocol: FastProtocol, answer: IntakeAnswer) -> None:
        super().__init__(protocol)
        self._answer = answer

    def told(self, error: NotKept | None) -> None:
        """Answer: the report is durable, or could not be kept."""
        room = self.protocol.app.intake.room
        assert room is not None
        answer = room.told(error, self._answer)
        self.write(self.render(answer.status, room.headers_of(answer), answer.body))


class RedirectHeads:
    """The heads of redirects. What all of one second have in common is written once: 2 us less for each."""

    def __init__(self, steady_headers: Headers) -> None:
        self._steady = steady_headers
        self._default: Headers = []
        self._beginnings: dict[int, str] = {}

    def render(self, redirect: Redirect, default_headers: Headers, *, is_last: bool) -> bytes:
        """The whole answer. `default_headers` is uvicorn's list, a new one each second."""
        if default_headers is not self._default:
            self._default, self._beginnings = default_headers, {}
        beginning = self._beginnings.get(redirect.status) or self._begin(redirect.status)
        ending = "\r\nset-cookie: ".join((redirect.location, *redirect.cookies))
        last = "connection: close\r\n" if is_last else ""
        return f"{beginning}{ending}\r\n{last}\r\n".encode("ascii")

    def _begin(self, status: int) -> str:
        headers = [*self._default, *self._steady, (b"location", b"")]
        beginning = render_head(status, headers).removesuffix(b"\r\n\r\n").decode("ascii")
        self._beginnings[status] = beginning
        return beginning


def render_head(status: int, headers: Headers, *, is_last: bool = False) -> bytes:
    """The head of an answer as uvicorn writes it."""
    lines = [STATUS_LINE[status]]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    if is_last:
        lines.append(b"connection: close\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)
