"""Answers of the conversion endpoints: JSON, problem+json that names each bad field (RFC 9457), and the pixel."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

Headers = tuple[tuple[bytes, bytes], ...]

RETRY_AFTER_S = 2
FAULTS_MAX = 100
"""Faults named in one answer; a list of a thousand bad conversions need not be answered in full."""
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
"""The usual transparent GIF of 1 x 1 in 43 bytes."""


class Fault(NamedTuple):
    """What is wrong with one field."""

    field: str
    message: str


class Answer(NamedTuple):
    """Status, body, and headers beyond those every answer has."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    headers: Headers = ()


class Refusal(Exception):
    """The request ends here, with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_answer(status: int, value: Any, headers: Headers = ()) -> Answer:
    """A JSON body."""
    return Answer(status, orjson.dumps(value), headers=headers)


def problem(status: int, detail: str, faults: Sequence[Fault] = (), headers: Headers = ()) -> Answer:
    """A problem+json body; `errors` names fields."""
    title = HTTPStatus(status).phrase
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if faults:
        body["errors"] = [{"field": fault.field, "message": fault.message} for fault in faults[:FAULTS_MAX]]
    return Answer(status, orjson.dumps(body), b"application/problem+json", headers)


def refused(faults: Sequence[Fault]) -> Answer:
    """422 for these fields."""
    return problem(422, f"{len(faults)} field(s) cannot be accepted.", faults)


def unauthorized(detail: str) -> Answer:
    """401."""
    return problem(401, detail, headers=((b"www-authenticate", b"Bearer"),))


def unavailable(detail: str) -> Answer:
    """503, to be repeated soon."""
    return problem(503, detail, headers=((b"retry-after", str(RETRY_AFTER_S).encode("ascii")),))
