"""`/v1/keys`: an admin makes, lists and revokes API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from attribution.api.link_routes import Cursor, Limit, cursor_number, next_cursor
from attribution.api.list_bodies import page
from attribution.api.tenancy import Asking
from attribution.audit import log_action
from attribution.faults import NotFound
from attribution.keys import SQL, issue_key, revoke_key
from attribution.link_fields import INT_MAX, Id, Label, Moment, Text

router = APIRouter(tags=["keys"])


class NewKey(BaseModel):
    """Whose key, and what for."""

    model_config = ConfigDict(extra="forbid")

    role: Text
    vendor_id: Id | None = None
    partner_id: Id | None = None
    label: Label | None = None
    expires_at: Moment | None = None


class KeyBody(BaseModel):
    """A new key. `key` is shown this once."""

    api_key_id: int
    key: str


class KeyRow(BaseModel):
    """A key, without its secret."""

    api_key_id: int
    key_prefix: str
    role: str
    vendor_id: int | None
    partner_id: int | None
    label: str | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


@router.post("/v1/keys", status_code=201)
async def post_key(asking: Asking, new: NewKey) -> KeyBody:
    """Make a key. It is shown this once and stored as a hash."""
    async with asking.owner_transaction() as connection:
        key = await issue_key(connection, new.role, new.vendor_id, new.partner_id, new.label, new.expires_at)
        terms = new.model_dump(mode="json", exclude_none=True)
        await log_action(connection, asking.caller, "create", "api_keys", [key.api_key_id], {"after": terms})
    return KeyBody(api_key_id=key.api_key_id, key=key.plaintext)


@router.get("/v1/keys", responses=page("keys", KeyRow))
async def get_keys(asking: Asking, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    """All keys, without their secrets."""
    async with asking.owner_transaction() as connection:
        rows = await connection.fetch(SQL["list_keys"], cursor_number(cursor), limit)
    items = [dict(row) for row in rows]
    return {"keys": items, "next_cursor": next_cursor(items, limit, "api_key_id")}


@router.delete("/v1/keys/{api_key_id}", status_code=204)
async def remove_key(asking: Asking, api_key_id: Annotated[int, Path(ge=1, le=INT_MAX)]) -> None:
    """Revoke a key at once."""
    async with asking.owner_transaction() as connection:
        if not await revoke_key(connection, api_key_id):
            raise NotFound(f"There is no live key {api_key_id}.")
        await log_action(connection, asking.caller, "revoke", "api_keys", [api_key_id])
