"""API keys: made once, shown once, stored as a hash, and turned back into the caller they stand for.

The command line and the API create and revoke them; the API authenticates every request with one. The publisher
copies live ones to Redis for the door.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import NamedTuple

import asyncpg

from attribution.faults import Fault, Refused
from schema.queries import load_queries

SQL = load_queries("attribution", "keys.sql")

ROLES = ("admin", "vendor", "partner")
SECRET_CHARS = 32
PREFIX_SECRET_CHARS = 6
"""How much of the secret the list of keys shows, to tell keys apart; the rest keeps 154 bits."""
KEY_CHARS_MAX = 128
_ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Caller(NamedTuple):
    """Who a key stands for. An admin has neither vendor nor partner."""

    role: str
    vendor_id: int | None = None
    partner_id: int | None = None
    api_key_id: int | None = None


ADMIN = Caller("admin")


class IssuedKey(NamedTuple):
    """A key just made; `plaintext` is not kept anywhere."""

    api_key_id: int
    plaintext: str


async def create_key(
    connection: asyncpg.Connection,
    role: str,
    vendor_id: int | None = None,
    partner_id: int | None = None,
    label: str | None = None,
) -> str:
    """Make a key and return it in clear, this once. Raises Refused as `issue_key` does."""
    return (await issue_key(connection, role, vendor_id, partner_id, label)).plaintext


async def issue_key(
    connection: asyncpg.Connection,
    role: str,
    vendor_id: int | None = None,
    partner_id: int | None = None,
    label: str | None = None,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Make a key `clk_<role>_<secret>` and store its hash. Raises Refused naming the wrong field."""
    await _check_owner(connection, role, vendor_id, partner_id)
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARS))
    plaintext = f"clk_{role}_{secret}"
    api_key_id = await connection.fetchval(
        SQL["add_key"],
        hash_key(plaintext),
        plaintext[: -SECRET_CHARS + PREFIX_SECRET_CHARS],
        role,
        vendor_id,
        partner_id,
        label,
        expires_at,
    )
    return IssuedKey(api_key_id, plaintext)


async def _check_owner(
    connection: asyncpg.Connection, role: str, vendor_id: int | None, partner_id: int | None
) -> None:
    """Raise Refused unless exactly the owner that goes with the role is named and exists."""
    if role not in ROLES:
        raise Refused([Fault("role", f"must be one of {', '.join(ROLES)}")])
    owners = {"vendor": vendor_id, "partner": partner_id}
    faults = []
    for kind, owner in owners.items():
        if kind == role and owner is None:
            faults.append(Fault(f"{kind}_id", f"is needed for a {kind} key"))
        elif kind == role and not await connection.fetchval(SQL[f"{kind}_exists"], owner):
            faults.append(Fault(f"{kind}_id", f"names no {kind}"))
        elif kind != role and owner is not None:
            faults.append(Fault(f"{kind}_id", f"does not go with the role {role}"))
    if faults:
        raise Refused(faults)


async def revoke_key(connection: asyncpg.Connection, api_key_id: int) -> bool:
    """Revoke a key; False if there is no such live key."""
    return await connection.fetchval(SQL["revoke_key"], api_key_id) is not None


async def find_key(connection: asyncpg.Connection, text: str) -> int | None:
    """The id of the one key that `text` means: its number, its prefix as listed, or the whole key."""
    rows = await connection.fetch(SQL["find_keys"], text, hash_key(text))
    return rows[0]["api_key_id"] if len(rows) == 1 else None


async def authenticate(connection: asyncpg.Connection, plaintext: str) -> Caller | None:
    """Who the key stands for, or None when it is unknown, revoked or expired."""
    if not plaintext.startswith("clk_") or len(plaintext) > KEY_CHARS_MAX:
        return None
    key_hash = hash_key(plaintext)
    row = await connection.fetchrow(SQL["key_by_hash"], key_hash)
    if row is None or not hmac.compare_digest(row["key_hash"], key_hash):
        return None
    if row["is_use_unnoted"]:
        await connection.execute(SQL["note_key_use"], row["api_key_id"])
    return Caller(row["role"], row["vendor_id"], row["partner_id"], row["api_key_id"])


def hash_key(plaintext: str) -> str:
    """The hex SHA-256 under which a key is stored."""
    return hashlib.sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()
