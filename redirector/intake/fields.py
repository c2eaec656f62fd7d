"""The fields of one reported object, taken out one by one; what is wrong with each is noted, never raised. Pure.

Types are strict: text is text, amounts are text in the grammar of `schema.money`. `None` stands for a field that is
not given. Ids that travel through a browser (a cookie) are hints: a malformed one counts as none.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from redirector.intake.answers import Fault
from redirector.visitor import fold_address
from schema.conversions import ID_CHARS_MAX, METADATA_BYTES_MAX
from schema.ids import parse_click_id
from schema.money import BadAmount, amount_text, canonical_amount, is_currency, parse_amount

AHEAD_MS_MAX = 5 * 60_000
"""A clock may be wrong by this much."""
BACKDATE_MS_MAX = 90 * 86_400_000
OLDEST_MS = 946_684_800_000
"""1 January 2000: no imported conversion is older."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Fields:
    """One object. `path` is put before names in faults: `3.` for the fourth of a list."""

    __slots__ = ("_given", "_path", "faults")

    def __init__(self, given: dict[str, Any], faults: list[Fault], path: str = "") -> None:
        self._given = given
        self._path = path
        self.faults = faults

    def fault(self, name: str, message: str) -> None:
        """Note what is wrong with a field."""
        self.faults.append(Fault(self._path + name, message))

    def refuse_unknown(self, known: frozenset[str]) -> None:
        """Note fields that mean nothing: a misspelt one must not be lost in silence."""
        for name in self._given.keys() - known:
            is_ours = name.startswith("commission")
            self.fault(name, "is calculated here, never taken over" if is_ours else "is not a known field")

    def text(self, name: str, chars_max: int = ID_CHARS_MAX, *, is_needed: bool = False) -> str | None:
        """Text without control characters, spaces around it cut off."""
        value = self._given.get(name)
        if value is None:
            if is_needed:
                self.fault(name, "is needed")
            return None
        if type(value) is not str:
            self.fault(name, "must be text")
            return None
        value = value.strip()
        if not value:
            self.fault(name, "is empty")
        elif len(value) > chars_max:
            self.fault(name, f"is longer than {chars_max} characters")
        elif _CONTROL.search(value):
            self.fault(name, "contains control characters")
        else:
            return value
        return None

    def currency(self, default: str | None, *, is_needed: bool = True) -> str | None:
        """An ISO 4217 code, or the vendor's own."""
        value = self._given.get("currency")
        if value is None:
            if default is None and is_needed:
                self.fault("currency", "is needed: the vendor has no default currency")
            return default
        if is_currency(value):
            return str(value)
        self.fault("currency", "must be a currency code of ISO 4217 in capital letters")
        return None

    def amount(self, currency: str | None) -> str | None:
        """The amount as text with its currency's digits; None where it is not given."""
        value = self._given.get("amount")
        if value is None:
            return None
        if type(value) is not str:
            self.fault("amount", 'must be text, like "12.34"')
            return None
        try:
            return f"{parse_amount(value, None):f}" if currency is None else canonical_amount(value, currency)
        except BadAmount as error:
            self.fault("amount", str(error))
            return None

    def occurred_ms(self, now_ms: int, *, is_import: bool = False) -> int:
        """`occurred_at`, an RFC 3339 time that is neither in the future nor too old; now where it is not given."""
        value = self.text("occurred_at", is_needed=is_import)
        if value is None:
            return now_ms
        at_ms = moment_ms(value)
        if at_ms is None:
            self.fault("occurred_at", "must be an RFC 3339 time with its offset")
        elif at_ms > now_ms + AHEAD_MS_MAX:
            self.fault("occurred_at", "is in the future")
        elif at_ms < (OLDEST_MS if is_import else now_ms - BACKDATE_MS_MAX):
            self.fault("occurred_at", "is too old" if is_import else "is more than 90 days ago")
        else:
            return at_ms
        return now_ms

    def click_id(self) -> int | None:
        """The click id the landing page was called with."""
        value = self.text("click_id")
        if value is None:
            return None
        click_id = parse_click_id(value)
        if click_id is None:
            self.fault("click_id", "is not a click id")
        return click_id

    def cookie_id(self) -> str | None:
        """The value of our cookie; anything else counts as none, for visitors can change it."""
        value = self.text("cookie_id")
        try:
            return None if value is None else str(uuid.UUID(value))
        except ValueError:
            return None

    def address(self) -> str | None:
        """The buyer's address."""
        value = self.text("ip")
        if value is None:
            return None
        address = fold_address(value)
        if address is None:
            self.fault("ip", "is not an address")
        return address

    def metadata(self) -> dict[str, Any]:
        """What the vendor wants kept, a JSON object, unchanged."""
        value = self._given.get("metadata")
        if value is None:
            return {}
        if type(value) is not dict:
            self.fault("metadata", "must be a JSON object")
            return {}
        try:
            text = orjson.dumps(value)
        except orjson.JSONEncodeError:
            self.fault("metadata", "is nested too deeply")
            return {}
        if len(text) > METADATA_BYTES_MAX:
            self.fault("metadata", f"is longer than {METADATA_BYTES_MAX} bytes")
        elif b"\\u0000" in text.replace(b"\\\\", b""):
            self.fault("metadata", "contains a NUL character")
        else:
            return value
        return {}


def zero(currency: str) -> str:
    """No amount at all, with the currency's digits."""
    return amount_text(Decimal(0), currency)


def moment_ms(text: str) -> int | None:
    """The RFC 3339 time in Unix milliseconds, or None."""
    if _MOMENT.fullmatch(text) is None:
        return None
    try:
        return int(datetime.fromisoformat(text.upper()).timestamp() * 1000)
    except ValueError:
        return None
