"""Customers become keyed hashes here, before anything of them reaches PostgreSQL. Pure.

Ids and e-mails are normalised, then hashed under their vendor's own random key: hashes of two vendors never compare,
and without the key nobody can try out addresses. Ids and e-mails are told apart inside the hash. The writer hashes
what is reported; the ledger hashes a partner's own addresses to see whether buyer and partner are one.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata


def customer_hash(key: bytes, customer_id: str) -> str:
    """The hash of a vendor's customer id: exactly as sent, but for its Unicode form and spaces around it."""
    return _hash(key, "id", unicodedata.normalize("NFC", customer_id).strip())


def email_hash(key: bytes, email: str) -> str:
    """The hash of an e-mail: without spaces around it, whatever the case of its letters."""
    return _hash(key, "email", unicodedata.normalize("NFC", email).strip().casefold())


def _hash(key: bytes, kind: str, text: str) -> str:
    return hmac.new(key, f"{kind}\n{text}".encode(), hashlib.sha256).hexdigest()
