"""`/v1/links`: create, read, list, edit, delete. The rules are in `attribution.links`; this is their HTTP shape."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from attribution.api.tenancy import Asking
from attribution.link_fields import INT_MAX, LinkChanges, NewLink, Rule
from attribution.links import create_link, delete_link, edit_link, get_link, list_links

router = APIRouter(tags=["links"])

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,10}$", description="`next_cursor` of the page before.")
]


class LinkBody(BaseModel):
    """A link as the API shows it."""

    link_id: int
    code: str
    short_url: str
    destination_url: str | None
    full_url: str
    campaign_partner_id: int | None
    vendor_id: int | None
    label: str | None
    rules: list[Rule]
    utm_params: dict[str, str]
    custom_params: dict[str, str]
    forward_query: str | list[str]
    starts_at: datetime | None
    expires_at: datetime | None
    max_clicks: int | None
    fallback_url: str | None
    redirect_status: int
    is_disabled: bool
    created_at: datetime
    updated_at: datetime


class LinkPage(BaseModel):
    """One page of links."""

    links: list[LinkBody]
    next_cursor: str | None


def next_cursor(rows: list[dict[str, Any]], limit: int, name: str) -> str | None:
    """Where the next page begins, None after the last."""
    return str(rows[-1][name]) if len(rows) == limit else None


def cursor_number(cursor: str | None) -> int:
    """The number in a cursor, no larger than PostgreSQL's integer."""
    return min(int(cursor or 0), INT_MAX)


@router.post("/v1/links", status_code=201, responses={201: {"model": LinkBody}})
async def post_link(asking: Asking, new: NewLink, response: Response) -> dict[str, Any]:
    """Make a link: on an enrolment (`campaign_partner_id`) or plain (`destination_url`). Without `code` one is made up."""
    async with asking.transaction() as connection:
        link = await create_link(connection, asking.policy, asking.caller, new)
    response.headers["Location"] = "/v1/links/" + quote(link["code"], safe="/")
    return link


@router.get("/v1/links", responses={200: {"model": LinkPage}})
async def get_links(
    asking: Asking,
    limit: Limit = 100,
    cursor: Cursor = None,
    campaign_partner_id: Annotated[int | None, Query(ge=1, le=INT_MAX)] = None,
) -> dict[str, Any]:
    """The caller's links, oldest first."""
    async with asking.transaction() as connection:
        links = await list_links(connection, asking.policy, cursor_number(cursor), limit, campaign_partner_id)
    return {"links": links, "next_cursor": next_cursor(links, limit, "link_id")}


@router.get("/v1/links/{code:path}", responses={200: {"model": LinkBody}})
async def get_one_link(asking: Asking, code: str) -> dict[str, Any]:
    """One link. A code may contain `/`."""
    async with asking.transaction() as connection:
        return await get_link(connection, asking.policy, code)


@router.patch("/v1/links/{code:path}", responses={200: {"model": LinkBody}})
async def patch_link(asking: Asking, code: str, changes: LinkChanges) -> dict[str, Any]:
    """Change the given fields; every door follows within a second. The code itself never changes."""
    async with asking.transaction() as connection:
        return await edit_link(connection, asking.policy, asking.caller, code, changes)


@router.delete("/v1/links/{code:path}", status_code=204)
async def remove_link(asking: Asking, code: str) -> None:
    """Delete a link: visitors get 410, its clicks stay, its code is never used again."""
    async with asking.transaction() as connection:
        await delete_link(connection, asking.policy, asking.caller, code)
