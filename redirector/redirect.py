"""One visitor's request for a code, from address line to answer: find the link, decide, keep the click, answer.

Both front ends ask `redirect_plainly` first, and `answer` for what is not plain; neither knows more about links. Nothing here
speaks ASGI. The only waits are for a link that is not cached, for a click cap, and for the click to be durable.
"""

from __future__ import annotations

from typing import Any

from redirector.cookies import CookiePolicy, max_age_s, read_cookie
from redirector.decision import STATUS, CachedLink, Outcome, choose, has_fallback, stop
from redirector.destination import Destination
from redirector.link_cache import LinkCache
from redirector.recorder import Event, NotKept, Recorder
from redirector.traits import Traits, macro_value
from redirector.visitor import Visit
from redirector.worker_number import WorkerNumber
from schema import keys
from schema.agents import is_crawler
from schema.countries import Countries
from schema.events import CODE_CHARS_MAX, KIND_CLICK, KIND_FALLBACK, KIND_HEAD, KIND_PREFETCH, QUERY_CHARS_MAX
from schema.ids import CookieIdMinter, click_ms
from schema.links import normalise_code
from schema.redis_client import UNREACHABLE, RedisClient
from schema.settings import Settings
from schema.urls import escape_unsafe

Headers = list[tuple[bytes, bytes]]
TRAILING = "/.,)!"
"""What a chat program or a sentence glues to a link; tolerated when the exact code is unknown."""


class Answer:
    """Status and headers of an answer; bodies are short texts for people."""

    __slots__ = ("body", "headers", "outcome", "status")

    def __init__(self, status: int, headers: Headers, outcome: Outcome, body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.outcome = outcome
        self.body = body


class Redirect:
    """The way on for one visitor; `cookies` are the values of Set-Cookie headers."""

    __slots__ = ("cookies", "location", "status")

    def __init__(self, status: int, location: str, cookies: tuple[str, ...]) -> None:
        self.status = status
        self.location = location
        self.cookies = cookies


class Redirector:
    """The path of every redirect. One per door process."""

    def __init__(
        self,
        settings: Settings,
        links: LinkCache,
        recorder: Recorder,
        number: WorkerNumber,
        caps: Caps,
        countries: Countries,
    ) -> None:
        self._links = links
        self.recorder = recorder
        self._number = number
        self._caps = caps
        self._countries = countries
        self._cookie_ids = CookieIdMinter()
        self._cookie = CookiePolicy(settings.cookie_name, settings.cookie_domain)
        self._is_case_sensitive = settings.code_case == "sensitive"
        self._is_prefetch_refused = settings.prefetch == "refuse"
        self.steady_headers: Headers = [
            (b"cache-control", b"private, no-store"),
            (b"referrer-policy", settings.referrer_policy.encode("ascii")),
            (b"x-robots-tag", b"noindex"),
            (b"content-length", b"0"),
        ]

    def redirect_plainly(self, code: str, visit: Visit) -> tuple[Redirect, Event] | None:
        """The way on for the common request, a visitor's GET of a cached link that is open to everybody, and the
        click that `recorder` must keep before it is sent. None for every other request, which `answer` can answer."""
        cached = self._links.get(code)
        if cached is None or not cached.is_always_open or visit.is_prefetch or is_crawler(visit.user_agent):
            return None
        minter = self._number.minter
        if minter is None:
            return None
        click_id = minter.mint()
        redirect, cookie_id = self._redirect(cached, visit, click_id, is_visitor=True)
        return redirect, _event(click_id, cached, cookie_id, KIND_CLICK, visit)

    def answer_with(self, redirect: Redirect, outcome: Outcome = Outcome.REDIRECT) -> Answer:
        """The answer that sends a visitor on."""
        headers = [*self.steady_headers, (b"location", redirect.location.encode("ascii"))]
        headers += [(b"set-cookie", cookie.encode("ascii")) for cookie in redirect.cookies]
        return Answer(redirect.status, headers, outcome)

    async def answer(self, code: str, visit: Visit, *, is_head: bool) -> Answer:
        """What this visitor gets. Never raises for anything a visitor can send."""
        if visit.is_prefetch and self._is_prefetch_refused and not is_head:
            return _refusal(Outcome.PREFETCH, (b"vary", b"Sec-Purpose"))
        try:
            cached = self._links.get(code) or await self._find(code)
            if cached is None:
                return _refusal(Outcome.UNKNOWN)
            if self._number.minter is None:
                return unavailable()
            click_id = self._number.minter.mint()
            is_visitor = not (is_head or visit.is_prefetch or is_crawler(visit.user_agent))
            if not cached.is_always_open:
                outcome = await self._stop(cached, click_ms(click_id), is_visitor=is_visitor)
                if outcome is not None:
                    return await self._fall_back(
                        cached, outcome, visit, click_id, _kind(visit, is_head=is_head)
                    )
            redirect, cookie_id = self._redirect(cached, visit, click_id, is_visitor=is_visitor)
            kind = KIND_CLICK if is_visitor else _kind(visit, is_head=is_head)
            await self.recorder.keep(_event(click_id, cached, cookie_id, kind, visit))
            return self.answer_with(redirect)
        except (NotKept, *UNREACHABLE):
            return unavailable()

    async def _find(self, code: str) -> CachedLink | None:
        """A link that is not in the cache under the spelling asked for."""
        if len(code) > CODE_CHARS_MAX + len(TRAILING):
            return None
        exact = normalise_code(code, is_case_sensitive=self._is_case_sensitive)
        trimmed = exact.rstrip(TRAILING)
        for spelling in dict.fromkeys((exact, trimmed)):
            if spelling and (cached := await self._look_up(spelling)) is not None:
                return cached
        return None

    async def _look_up(self, code: str) -> CachedLink | None:
        cached = self._links.get(code)
        if cached is not None or self._links.is_known_missing(code):
            return cached
        try:
            return await self._links.fetch(code)
        except UNREACHABLE:
            if (stale := self._links.stale(code)) is not None:
                return stale
            raise

    def _redirect(
        self, cached: CachedLink, visit: Visit, click_id: int, *, is_visitor: bool
    ) -> tuple[Redirect, str | None]:
        """The way on for a visitor of an open link, and the cookie id its click carries."""
        link = cached.link
        now_ms = click_ms(click_id)
        cookie_id, until_s = read_cookie(visit.cookies, self._cookie) if visit.cookies else (None, 0)
        if cached.default.is_plain and cached.is_always_open and not visit.query:
            location = cached.default.fill_plainly(click_id)
        else:
            location = self._location(cached, visit, click_id, now_ms, cookie_id)
        if not is_visitor:
            return Redirect(link.redirect_status, location, ()), cookie_id
        cookie_id = cookie_id or self._cookie_ids.mint(now_ms)
        now_s = now_ms // 1000
        age_s = max_age_s(now_s, until_s, link.window_days)
        cookies = self._cookie.write(cookie_id, now_s, age_s, is_secure=visit.is_https)
        return Redirect(link.redirect_status, location, cookies), cookie_id

    async def _fall_back(
        self, cached: CachedLink, outcome: Outcome, visit: Visit, click_id: int, kind: int
    ) -> Answer:
        """Send a visitor of a closed link where its owner wants, where there is such a place. The click is kept,
        without cookie or click id: it can never earn credit."""
        if not (cached.fallback and has_fallback(outcome)):
            return _refusal(outcome)
        kind = KIND_FALLBACK if kind == KIND_CLICK else kind
        await self.recorder.keep(_event(click_id, cached, None, kind, visit))
        return self.answer_with(Redirect(302, escape_unsafe(cached.fallback), ()), Outcome.FALLBACK)

    async def _stop(self, cached: CachedLink, now_ms: int, *, is_visitor: bool) -> Outcome | None:
        outcome = stop(cached.link, now_ms)
        if outcome is None and cached.link.max_clicks is not None:
            is_open = await self._caps.passes(
                cached.link.link_id, cached.link.max_clicks, is_counted=is_visitor
            )
            outcome = None if is_open else Outcome.CAPPED
        return outcome

    def _location(
        self, cached: CachedLink, visit: Visit, click_id: int, now_ms: int, cookie_id: str | None
    ) -> str:
        """The address this visitor is sent to."""
        traits = Traits(visit, self._countries)
        destination: Destination = cached.default
        if cached.rules:
            # A returning visitor keeps their side of a split; a new one is placed by the click.
            destination = choose(cached, now_ms, traits.value, cookie_id or str(click_id))

        def macro(name: str) -> str:
            return macro_value(name, cached.link, visit, traits, now_ms)

        return destination.fill(click_id, visit.query, macro)


class Caps:
    """Click caps, counted in Redis so that under any concurrency at most `max_clicks` visitors pass."""

    def __init__(self, client: RedisClient) -> None:
        self._client: Any = client

    async def passes(self, link_id: int, max_clicks: int, *, is_counted: bool) -> bool:
        """Whether one more visitor may pass; HEAD and crawlers only look. Raises one of `UNREACHABLE`."""
        key = keys.cap(link_id)
        if not is_counted:
            return int(await self._client.get(key) or 0) < max_clicks
        return int(await self._client.incr(key)) <= max_clicks


def _kind(visit: Visit, *, is_head: bool) -> int:
    return KIND_HEAD if is_head else KIND_PREFETCH if visit.is_prefetch else KIND_CLICK


def _event(click_id: int, cached: CachedLink, cookie_id: str | None, kind: int, visit: Visit) -> Event:
    """The click in `ClickEvent` order."""
    link = cached.link
    return (
        click_id,
        link.link_id,
        link.partner_id,
        link.campaign_version_id,
        link.code,
        cookie_id,
        link.window_days,
        kind,
        visit.ip,
        visit.user_agent,
        visit.referrer,
        visit.language,
        visit.query[:QUERY_CHARS_MAX],
    )


_TEXTS = {
    Outcome.UNKNOWN: b"There is no such link.\n",
    Outcome.NOT_STARTED: b"There is no such link.\n",
    Outcome.DISABLED: b"This link is no longer active.\n",
    Outcome.EXPIRED: b"This link has expired.\n",
    Outcome.PAUSED: b"This link is paused.\n",
    Outcome.CAPPED: b"This link has reached its limit.\n",
    Outcome.PREFETCH: b"Not prefetched.\n",
    Outcome.UNAVAILABLE: b"Please try again in a moment.\n",
}


def unavailable() -> Answer:
    """The answer where the click cannot be kept or the link not be found out."""
    return _refusal(Outcome.UNAVAILABLE, (b"retry-after", b"2"))


def _refusal(outcome: Outcome, *more: tuple[bytes, bytes]) -> Answer:
    body = _TEXTS[outcome]
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-robots-tag", b"noindex"),
        (b"content-length", str(len(body)).encode("ascii")),
        *more,
    ]
    return Answer(STATUS[outcome], headers, outcome, body)
