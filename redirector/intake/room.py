"""The room of the conversion endpoints: puts its parts together, reads each request, sends each answer.

Pure ASGI, like the redirect: a shop's postbacks come in bursts and want the same speed. The reports have a recorder
and a spool of their own, so that neither can push the other out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import structlog
from prometheus_client import Counter
from starlette.types import Receive, Scope, Send

from redirector.appender import Appender, Command
from redirector.cookies import CookiePolicy
from redirector.intake.answers import PIXEL, Answer, Refusal, problem, unavailable
from redirector.intake.credentials import Credentials
from redirector.intake.endpoints import Endpoints
from redirector.intake.outcomes import Outcomes
from redirector.intake.request import Gone, Request, read_request
from redirector.recorder import REPORTS, NotKept, Recorder
from redirector.spool import Spool
from redirector.visitor import HeaderFields
from schema import keys, metrics
from schema.conversions import BLOCK_EVENTS_MAX, Event
from schema.redis_client import UNREACHABLE, RedisClient
from schema.settings import Settings

MEGABYTE = 1024 * 1024
REPORTS_WAITING_MAX = 10_000
"""Held in memory at most while no path takes them: ten full lists."""

_log = structlog.get_logger()


POSTBACK_PATH = "/-/pb"
PIXEL_PATH = "/-/px.gif"
NOT_KEPT = "The report cannot be kept now; send it again."


class Place(NamedTuple):
    """One path: what answers it, how, and how much body it takes."""

    answer: Callable[[Request], Awaitable[Answer]]
    methods: tuple[str, ...]
    body_max: int


class IntakeRoom:
    """The ASGI callable. Create it inside a running event loop."""

    def __init__(self, settings: Settings, client: RedisClient, command: Command, spool: Path) -> None:
        assert settings.redis_url is not None
        self.credentials = Credentials(client)
        # One stream for all doors: of two reports of a conversion the one answered first is the conversion.
        append = Appender(command, [keys.conversions(0)], 0)
        self.recorder = Recorder(
            append,
            append.ping,
            Spool(spool, settings.spool_mb_max * MEGABYTE),
            settings.capture_budget_ms / 1000,
            REPORTS,
            BLOCK_EVENTS_MAX,
            REPORTS_WAITING_MAX,
        )
        self.recorder.recover()
        self.outcomes = Outcomes(settings.redis_url)
        self._endpoints = endpoints = Endpoints(
            client,
            self.credentials,
            self.recorder,
            self.outcomes,
            CookiePolicy(settings.cookie_name, settings.cookie_domain),
            settings.trusted_networks,
        )
        self._pixel = endpoints.pixel
        self._places = {
            POSTBACK_PATH: Place(endpoints.postback, ("GET", "POST"), 64 * 1024),
            "/-/conversions": Place(endpoints.conversions, ("POST",), 2 * MEGABYTE),
            "/-/refunds": Place(endpoints.refunds, ("POST",), MEGABYTE),
            "/-/leads": Place(endpoints.leads, ("POST",), MEGABYTE),
        }
        self._counted: dict[tuple[str, int], Counter] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        try:
            if path == PIXEL_PATH:
                answer = await self._picture(scope)
            else:
                answer = await self._answer(self._places[path], scope, receive)
        except Gone:
            return
        self._count(path, answer.status)
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": self.headers_of(answer)}
        )
        await send({"type": "http.response.body", "body": answer.body})

    def answer_plainly(self, query: bytes, fields: HeaderFields) -> tuple[Answer, Event] | None:
        """A postback's answer without ASGI, where it is as usual, and what `recorder` must keep before it is sent."""
        return self._endpoints.postback_plainly(query, fields)

    def told(self, error: NotKept | None, answer: Answer) -> Answer:
        """What a plain postback is answered in the end; counted."""
        if error is not None:
            answer = unavailable(NOT_KEPT)
        self._count(POSTBACK_PATH, answer.status)
        return answer

    @staticmethod
    def headers_of(answer: Answer) -> list[tuple[bytes, bytes]]:
        """The headers of an answer, in the order they are sent."""
        return [
            (b"content-type", answer.content_type),
            (b"cache-control", b"no-store"),
            (b"content-length", str(len(answer.body)).encode("ascii")),
            *answer.headers,
        ]

    async def _picture(self, scope: Scope) -> Answer:
        """The pixel, also where we fail ourselves: a shop's page must never show a broken image."""
        try:
            request = Request(
                scope["method"], PIXEL_PATH, dict(scope["headers"]), scope["query_string"], b"", scope
            )
            return await self._pixel(request)
        except Exception as error:
            _log.error("pixel_failed", error=repr(error)[:300], exc_info=True)
            metrics.PIXEL_FAULTS.labels("failed").inc()
            return Answer(200, PIXEL, b"image/gif")

    async def _answer(self, place: Place, scope: Scope, receive: Receive) -> Answer:
        method = scope["method"]
        if place.methods and method not in place.methods:
            allow = ((b"allow", ", ".join((*place.methods, "OPTIONS")).encode("ascii")),)
            if method == "OPTIONS":
                return Answer(204, headers=allow)
            return problem(405, f"Use {' or '.join(place.methods)}.", headers=allow)
        try:
            return await place.answer(await read_request(scope, receive, place.body_max))
        except Refusal as refusal:
            return refusal.answer
        except (NotKept, *UNREACHABLE) as error:
            _log.warning("report_not_kept", path=scope["path"], error=repr(error)[:200])
            return unavailable(NOT_KEPT)
        except Gone:
            raise
        except Exception as error:
            _log.error("intake_failed", path=scope["path"], error=repr(error)[:300], exc_info=True)
            return problem(500, "Something went wrong here; it has been logged.")

    def _count(self, path: str, status: int) -> None:
        """A labelled counter costs 2 us to find; those used stay at hand."""
        counter = self._counted.get((path, status))
        if counter is None:
            counter = metrics.CONVERSION_REQUESTS.labels(path, str(status))
            self._counted[path, status] = counter
        counter.inc()

    async def close(self) -> None:
        """Bring home what is waiting."""
        await self.recorder.close()
        await self.outcomes.close()
