"""The complete ASGI application of the door: the redirect for every code, the small fixed answers, health.

`/-/…` and the fixed paths go to a Starlette router; everything else is a code and goes straight to the `Redirector`,
past all routing, because it is what the door exists for.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from redirector.decision import Outcome
from redirector.entrance import Entrance
from redirector.protocol import REDIRECT, RedirectHeads
from redirector.recorder import NotKept
from redirector.redirect import Answer, Redirector, unavailable
from redirector.usual_get import Reader
from redirector.visitor import Network, Visit, read_fields
from schema import metrics
from schema.settings import Settings

ALLOW = "GET, HEAD, OPTIONS"
FIXED = frozenset({"/", "/robots.txt", "/favicon.ico"})
ROOMS = ("/-/", "/.well-known/")
INTAKE = frozenset({"/-/pb", "/-/px.gif", "/-/conversions", "/-/refunds", "/-/leads"})


class Tally:
    """Counts and times of answers, kept as plain numbers and brought to Prometheus once a second.

    A labelled, multiprocess counter costs 2 us an increment; at 50,000 redirects a second that is a tenth of a core.
    """

    def __init__(self) -> None:
        self._outcomes = dict.fromkeys(Outcome, 0)
        self._seconds = metrics.Observed(metrics.REDIRECT_SECONDS)

    def add(self, outcome: Outcome, seconds: float) -> None:
        """One answer."""
        self._outcomes[outcome] += 1
        self._seconds.add(seconds)

    def export(self) -> None:
        """Bring the metrics up to date and start again from zero."""
        for outcome, count in self._outcomes.items():
            if count:
                metrics.REDIRECTS.labels(outcome.value).inc(count)
        self._outcomes = dict.fromkeys(Outcome, 0)
        self._seconds.export()


class DoorApp:
    """The ASGI callable. `is_ready` says whether a redirect can be served and a click kept."""

    def __init__(
        self,
        settings: Settings,
        redirector: Redirector,
        tally: Tally,
        is_ready: Callable[[], bool],
        intake: Entrance,
    ) -> None:
        self.redirector = redirector
        self.reader = Reader()
        self.heads = RedirectHeads(redirector.steady_headers)
        self.tally = tally
        self.trusted: tuple[Network, ...] = settings.trusted_networks
        self._rooms: ASGIApp = _rooms(settings, is_ready)
        self.intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        path: str = scope.get("path", "")
        if scope["type"] != "http" or path in FIXED or path.startswith(ROOMS):
            await (self.intake if path in INTAKE else self._rooms)(scope, receive, send)
            return
        visit = self._visit(scope)
        plain = self.redirector.redirect_plainly(path[1:], visit) if scope["method"] == "GET" else None
        if plain is None:
            answer = await self._answer(path[1:], scope["method"], visit)
        else:
            redirect, click = plain
            try:
                await self.redirector.recorder.keep(click)
            except NotKept:
                answer = unavailable()
            else:
                if REDIRECT in scope.get("extensions", ()):
                    await send({"type": REDIRECT, "redirect": redirect})
                    self.tally.add(Outcome.REDIRECT, time.perf_counter() - started)
                    return
                answer = self.redirector.answer_with(redirect)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})
        self.tally.add(answer.outcome, time.perf_counter() - started)

    async def _answer(self, code: str, method: str, visit: Visit) -> Answer:
        if method in ("GET", "HEAD"):
            return await self.redirector.answer(code, visit, is_head=method == "HEAD")
        return _method_answer(method)

    def _visit(self, scope: Scope) -> Visit:
        client = scope["client"]
        is_https = scope["scheme"] == "https"
        fields = read_fields(scope["headers"])
        return Visit(
            fields, client and client[0], scope["query_string"], is_https=is_https, trusted=self.trusted
        )


def _method_answer(method: str) -> Answer:
    status = 204 if method == "OPTIONS" else 405
    headers = [(b"allow", ALLOW.encode("ascii"))]
    if status == 405:
        headers.append((b"content-length", b"0"))
    return Answer(status, headers, Outcome.METHOD)


def _rooms(settings: Settings, is_ready: Callable[[], bool]) -> Router:
    """The routes that are not codes. Conversion intake is no part of them: a postback wants a redirect's speed."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        is_open = is_ready()
        return PlainTextResponse("ready\n" if is_open else "not ready\n", status_code=200 if is_open else 503)

    async def robots(_: Request) -> Response:
        return PlainTextResponse("User-agent: *\nDisallow: /\n")

    async def favicon(_: Request) -> Response:
        return Response(status_code=204, headers={"cache-control": "public, max-age=86400"})

    async def gpc(_: Request) -> Response:
        return JSONResponse({"gpc": True, "lastUpdate": "2026-11-20"})

    async def landing(_: Request) -> Response:
        if settings.landing_url is None:
            return PlainTextResponse("There is no such link.\n", status_code=404)
        return RedirectResponse(settings.landing_url, status_code=302)

    return Router(
        routes=[
            Route("/-/healthz", healthz),
            Route("/-/readyz", readyz),
            Route("/robots.txt", robots),
            Route("/favicon.ico", favicon),
            Route("/.well-known/gpc.json", gpc),
            Route("/", landing),
        ],
        redirect_slashes=False,
    )
