"""Postbacks: names other trackers use, brought to ours, and signatures over the query. Pure.

Senders change the host and keep their parameters: names are compared without case, the first column of `_ALIASES` is
what the field is called in JSON. Parameters nobody knows are ignored, as every tracker sends its own.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from redirector.intake.answers import Fault

PARAMETERS_MAX = 100
_ALIASES = {
    "click_id": "click_id clickid clk cks awc cjevent irclickid dub_id",
    "transaction_id": "transaction_id txn order_id orderid oid ref invoiceid",
    "amount": "amount amt",
    "currency": "currency cr",
    "event": "event",
    "status": "status",
    "coupon": "coupon coupon_code vc promocode",
    "customer_id": "customer_id customerid",
    "customer_email": "customer_email",
    "cookie_id": "cookie_id",
    "occurred_at": "occurred_at eventtime eventdate",
    "parent_transaction_id": "parent_transaction_id",
    "ip": "ip",
    "user_agent": "user_agent",
    "key": "key token verification_token",
    "sig": "sig",
    "vendor": "vendor",
    "adv1": "adv1",
    "adv2": "adv2",
    "adv3": "adv3",
    "adv4": "adv4",
    "adv5": "adv5",
    "nid": "nid",
}
_NAMES = {alias.encode(): field for field, aliases in _ALIASES.items() for alias in aliases.split()}
_KEPT = frozenset({"status", "adv1", "adv2", "adv3", "adv4", "adv5"})
"""What goes into metadata."""


class Postback(NamedTuple):
    """What a postback says: fields as in JSON, credentials, and the names its sender used for both."""

    fields: dict[str, object]
    key: str | None
    signature: str | None
    vendor: str | None
    names: dict[str, str]
    faults: list[Fault]


def read_postback(query: bytes) -> Postback:
    """The parameters of a query or form."""
    given: dict[str, str] = {}
    names: dict[str, str] = {}
    faults: list[Fault] = []
    pairs = query.split(b"&", PARAMETERS_MAX)
    if len(pairs) > PARAMETERS_MAX:
        faults.append(Fault("", f"more than {PARAMETERS_MAX} parameters"))
    for pair in pairs[:PARAMETERS_MAX]:
        raw_name, _, raw_value = pair.partition(b"=")
        field = _NAMES.get(raw_name) or _NAMES.get(_bytes(raw_name).lower())
        if field is None or not raw_value:  # an empty parameter is a macro its sender had nothing for
            continue
        name = raw_name.decode("latin-1")
        try:
            value = _bytes(raw_value).decode().strip()
        except UnicodeDecodeError:
            # Never replaced: a replaced character would make two different ids one.
            faults.append(Fault(name, "is not UTF-8"))
            continue
        if raw_name == b"transaction_id" and _is_everflow(query):
            field = "click_id"
        if not value:
            continue
        if given.get(field, value) != value:
            faults.append(Fault(name, "is given twice, differently"))
        given[field], names[field] = value, name
    key, signature, vendor = given.pop("key", None), given.pop("sig", None), given.pop("vendor", None)
    return Postback(_fields(given), key, signature, vendor, names, faults)


def _is_everflow(query: bytes) -> bool:
    """Whether it is an Everflow postback, whose transaction_id is the click and whose order_id is the sale."""
    return query.startswith(b"nid=") or b"&nid=" in query


def _fields(given: dict[str, str]) -> dict[str, object]:
    given.pop("nid", None)
    fields: dict[str, object] = {}
    kept: dict[str, str] = {}
    for name, value in given.items():
        if name in _KEPT:
            kept[name] = value
        else:
            fields[name] = value.upper() if name == "currency" else value
    if kept:
        fields["metadata"] = kept
    return fields


def _bytes(raw: bytes) -> bytes:
    """Without its percent-encoding."""
    if b"%" in raw or b"+" in raw:
        return unquote_to_bytes(raw.replace(b"+", b" "))
    return raw


def signed_text(query: bytes) -> bytes:
    """What is signed: the parameters as they were sent, without `sig`, sorted and joined with `&`."""
    return b"&".join(sorted(pair for pair in query.split(b"&") if pair and not pair.startswith(b"sig=")))


def signature_of(query: bytes, secret: str) -> str:
    """Hex HMAC-SHA256 of a query under a secret."""
    return hmac.digest(secret.encode(), signed_text(query), hashlib.sha256).hex()


def is_signed(query: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """Whether one of the vendor's secrets made this signature; compared in constant time."""
    given = signature.lower().encode("utf-8", "replace")
    return any(hmac.compare_digest(signature_of(query, secret).encode(), given) for secret in secrets)
