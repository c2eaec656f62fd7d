"""A fault is bad input as a value: which field, and what is wrong with it in a sentence for its author.

The rules of links, programmes and keys return or raise them; the API turns them into problem+json, the command
line into lines of text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pydantic import ValidationError


class Fault(NamedTuple):
    """One wrong field. `field` is its path, `rules.0.when.country` or `vendors[0].email`."""

    field: str
    message: str


class Refused(Exception):
    """The input cannot be accepted; every fault found is named."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"{fault.field} {fault.message}" for fault in self.faults))


class Conflict(Refused):
    """The input is sound but something that exists already stands in its way."""


class NotFound(Exception):
    """What was asked for does not exist, or not for this caller."""


class Forbidden(Exception):
    """The caller may not do this."""


class Busy(Exception):
    """Too much of this is going on already; later it will be possible."""


class Outdated(Exception):
    """The thing is no longer as the caller last saw it."""


def faults_of(error: ValidationError) -> list[Fault]:
    """pydantic's errors as faults, without echoing the input."""
    return [Fault(_path(entry["loc"]), _sentence(entry)) for entry in error.errors(include_input=False)]


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "body"


def _sentence(entry: Any) -> str:
    message = str(entry["msg"])
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
