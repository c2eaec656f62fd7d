"""The conversion endpoints: who may report, what they report, and 202 once it is durable.

Each takes a whole `Request` and returns an `Answer`; `room.py` reads the one and sends the other. A report is never
interpreted here beyond its own fields: whether it repeats another, and who earns, is found out behind the writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from redirector.cookies import CookiePolicy, read_cookie
from redirector.intake.answers import (
    PIXEL,
    Answer,
    Fault,
    Refusal,
    json_answer,
    problem,
    refused,
    unauthorized,
)
from redirector.intake.credentials import Credentials, Vendor, active
from redirector.intake.fields import Fields
from redirector.intake.idempotency import first_received_ms
from redirector.intake.outcomes import Outcomes, seconds_preferred
from redirector.intake.postback import Postback, is_signed, read_postback
from redirector.intake.reports import (
    CONVERSION_FIELDS,
    LEAD_FIELDS,
    REFUND_FIELDS,
    Build,
    Desk,
    conversion_of,
    lead_of,
    refund_of,
)
from redirector.intake.request import Request
from redirector.recorder import NotKept, Recorder
from redirector.visitor import HeaderFields, Network, Visit, read_fields
from schema import metrics
from schema.conversions import REFUSED, REPORTS_MAX, Event
from schema.ids import CookieIdMinter, wall_clock_ms
from schema.redis_client import UNREACHABLE, RedisClient


class Endpoints:
    """What the endpoints share. One per door process."""

    def __init__(
        self,
        client: RedisClient,
        credentials: Credentials,
        recorder: Recorder,
        outcomes: Outcomes,
        cookie: CookiePolicy,
        trusted: tuple[Network, ...],
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._recorder = recorder
        self._outcomes = outcomes
        self._cookie = cookie
        self._trusted = trusted
        self._mint = CookieIdMinter().mint  # a report id is a UUIDv7 too

    async def postback(self, request: Request) -> Answer:
        """`/-/pb`: one conversion in a query or a form."""
        query = _whole_query(request)
        given = read_postback(query)
        vendor = await self._vendor_of(given, query, request)
        wait_s = _wait_s(request)
        desk = Desk(vendor, wall_clock_ms(), self._mint, is_awaited=wait_s > 0)
        event = _read_given(given, desk)
        if given.faults:
            raise Refusal(refused(given.faults))
        return await self._take([event], wait_s, is_list=False)

    def postback_plainly(self, query: bytes, fields: HeaderFields) -> tuple[Answer, Event] | None:
        """The same at once, for the common case: a key we hold, nothing wrong, nobody who waits for the outcome.

        The answer counts once the event is kept. None: not the common case, nothing was done.
        """
        if b"prefer" in fields:
            return None
        given = read_postback(query)
        vendor = self._credentials.held(given.key) if given.key and given.signature is None else None
        if vendor is None:
            return None
        event = _read_given(given, Desk(vendor, wall_clock_ms(), self._mint))
        if given.faults:
            return None
        return json_answer(202, _accepted(event)), event

    async def pixel(self, request: Request) -> Answer:
        """`/-/px.gif`: a postback by the buyer's own browser. Always the same picture, whatever happens."""
        try:
            reason = await self._take_pixel(request)
        except Refusal as refusal:
            reason = "not_allowed" if refusal.answer.status in (401, 403) else "bad_fields"
        except (NotKept, *UNREACHABLE):
            reason = "not_kept"
        if reason is not None:
            metrics.PIXEL_FAULTS.labels(reason).inc()
        return Answer(200, PIXEL, b"image/gif")

    async def _take_pixel(self, request: Request) -> str | None:
        """Keep what it reports; the reason where it is nothing to book. A known vendor's fault is kept as well."""
        given = read_postback(request.query)
        is_unsigned = given.key is None and given.signature is None
        if is_unsigned and given.vendor is not None:
            named = await self._credentials.vendor_named(given.vendor)
            vendor = active(named) if named is not None and named.is_unsigned_pixel_allowed else None
        else:
            vendor = await self._vendor_of(given, request.query, request)
        if vendor is None:
            return "not_allowed"
        desk = Desk(vendor, wall_clock_ms(), self._mint, confidence="medium" if is_unsigned else "high")
        self._add_visitor(given, request)
        event = _read_given(given, desk)
        if not given.faults:
            await self._recorder.keep(event)
            return None
        await self._recorder.keep(_refused_event(event, given))
        return "bad_fields"

    def _add_visitor(self, given: Postback, request: Request) -> None:
        """What the browser itself tells: our cookie, where it sends one, its address and its name."""
        client = request.scope["client"]
        fields = read_fields(request.scope["headers"])
        visit = Visit(fields, client[0] if client else None, b"", trusted=self._trusted)
        cookie_id, _ = read_cookie(visit.cookies, self._cookie)
        told = {"cookie_id": cookie_id, "ip": visit.ip, "user_agent": visit.user_agent or None}
        for name, value in told.items():
            given.fields.setdefault(name, value)

    async def conversions(self, request: Request) -> Answer:
        """`POST /-/conversions`: one conversion, or a list of up to 1,000."""
        wait_s = _wait_s(request)
        return await self._json(request, conversion_of, CONVERSION_FIELDS, wait_s, is_list_allowed=True)

    async def refunds(self, request: Request) -> Answer:
        """`POST /-/refunds`: one refund or chargeback, or a list."""
        return await self._json(request, refund_of, REFUND_FIELDS, 0, is_list_allowed=True)

    async def leads(self, request: Request) -> Answer:
        """`POST /-/leads`: one lead, or a list."""
        return await self._json(request, lead_of, LEAD_FIELDS, 0, is_list_allowed=True)

    async def _json(
        self, request: Request, build: Build, known: frozenset[str], wait_s: int, *, is_list_allowed: bool
    ) -> Answer:
        vendor = await self._credentials.vendor_of_key(_bearer(request))
        value = _json_of(request.body)
        is_list = isinstance(value, list)
        items: list[Any] = value if isinstance(value, list) else [value]
        if is_list and not (is_list_allowed and 0 < len(items) <= REPORTS_MAX):
            raise Refusal(refused([Fault("", f"a list must have 1 to {REPORTS_MAX} entries")]))
        desk = Desk(vendor, wall_clock_ms(), self._mint, is_awaited=wait_s > 0)
        events = _build_all(items, build, known, desk, is_list=is_list)
        first_ms = await first_received_ms(self._client, vendor.vendor_id, request, desk.now_ms)
        if first_ms != desk.now_ms:
            events = _build_all(items, build, known, desk._replace(now_ms=first_ms), is_list=is_list)
        return await self._take(events, wait_s, is_list=is_list)

    async def _vendor_of(self, given: Postback, query: bytes, request: Request) -> Vendor:
        """The vendor whose key or signature this is. Raises Refusal (401, 403)."""
        if given.signature is not None:
            named = await self._credentials.vendor_named(given.vendor or "")
            if named is None or not is_signed(query, given.signature, named.secrets):
                raise Refusal(unauthorized("The signature is not that of the vendor named."))
            return active(named)
        return await self._credentials.vendor_of_key(given.key or _bearer(request))

    async def _take(self, events: Sequence[Event], wait_s: int, *, is_list: bool) -> Answer:
        """Keep the events, wait for what becomes of them where that was asked for, and answer."""
        report_ids = [event["report_id"] for event in events]
        is_waiting = wait_s > 0 and await self._outcomes.expect(report_ids)
        try:
            for acknowledgement in {self._recorder.keep(event) for event in events}:
                await acknowledgement
        except BaseException:
            if is_waiting:
                self._outcomes.give_up(report_ids)
            raise
        if is_waiting:
            outcomes = await self._outcomes.collect(report_ids, wait_s)
            return _outcome_answer(events, outcomes, wait_s, is_list=is_list)
        accepted = [_accepted(event) for event in events]
        return json_answer(202, accepted if is_list else accepted[0])


def _wait_s(request: Request) -> int:
    prefer = request.headers.get(b"prefer")
    return 0 if prefer is None else seconds_preferred(prefer)


def _whole_query(request: Request) -> bytes:
    """Query and form together: a sender may put either anywhere."""
    if not request.body:
        return request.query
    content_type = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if content_type not in (b"", b"application/x-www-form-urlencoded"):
        raise Refusal(problem(415, "Send parameters in the query or as application/x-www-form-urlencoded."))
    return b"&".join(part for part in (request.query, request.body.strip()) if part)


def _read_given(given: Postback, desk: Desk) -> Event:
    """The conversion a postback reports; its faults go to `given.faults` under the names its sender used."""
    faults: list[Fault] = []
    event = conversion_of(Fields(given.fields, faults), desk)
    for field, message in faults:
        given.faults.append(Fault(given.names.get(field, field), message))
    return event


def _refused_event(event: Event, given: Postback) -> Event:
    """What a pixel reported and nobody could be told is wrong. The writer hashes who bought, as of any report."""
    kept = ("v", "report_id", "vendor_id", "received_ms", "occurred_ms")
    names = ("customer_id", "customer_email", "ip", "user_agent")
    return {
        "kind": REFUSED,
        **{name: event[name] for name in kept},
        **{name: given.fields.get(name) for name in names},
        "faults": [tuple(fault) for fault in given.faults],
        "fields": {name: value for name, value in given.fields.items() if name not in names},
    }


def _bearer(request: Request) -> str:
    scheme, _, key = request.headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not key.strip():
        raise Refusal(unauthorized("Send a working key: Authorization: Bearer clk_…"))
    return key.strip().decode("latin-1")


def _json_of(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(problem(422, f"The body is not JSON: {error}.", [Fault("", "is not JSON")])) from error


def _build_all(
    items: Sequence[Any], build: Build, known: frozenset[str], desk: Desk, *, is_list: bool
) -> list[Event]:
    """The events of all items. Raises Refusal (422) naming the fields of all that are wrong."""
    faults: list[Fault] = []
    events: list[Event] = []
    for number, item in enumerate(items):
        path = f"{number}." if is_list else ""
        if not isinstance(item, dict):
            faults.append(Fault(path.rstrip("."), "must be a JSON object"))
            continue
        fields = Fields(item, faults, path)
        fields.refuse_unknown(known)
        events.append(build(fields, desk))
    if faults:
        raise Refusal(refused(faults))
    return events


def _accepted(event: Event) -> dict[str, Any]:
    """The body of 202 for one report."""
    names = ("conversion_id", "refund_id", "external_lead_id")
    return {name: event[name] for name in names if name in event} | {"status": "accepted"}


def _outcome_answer(
    events: Sequence[Event], outcomes: Sequence[bytes | None], wait_s: int, *, is_list: bool
) -> Answer:
    """200 with what became of them all, 409 for one conflict, 202 where not all is known yet."""
    bodies = [
        _accepted(event) if outcome is None else orjson.loads(outcome)
        for event, outcome in zip(events, outcomes, strict=True)
    ]
    status = 202 if None in outcomes else 200
    if not is_list and bodies[0].get("outcome") == "conflict":
        status = 409
    applied = ((b"preference-applied", b"wait=%d" % wait_s),)
    return json_answer(status, bodies if is_list else bodies[0], applied)
