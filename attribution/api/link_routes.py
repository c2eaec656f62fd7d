"""`/v1/links`: create, read, list, edit, delete. The rules are in `attribution.links`; this is their HTTP shape."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from attribution.api.code_paths import link_path
from attribution.api.known_parameters import known_parameters
from attribution.api.tenancy import Asking
from attribution.link_bulk import ITEMS_MAX, create_links
from attribution.link_etags import etag_of, is_matched
from attribution.link_fields import INT_MAX, LinkChanges, NewLink, Rule
from attribution.link_search import LinkSearch, Order, Standing, find_links
from attribution.links import create_link, delete_link, edit_link, get_link

router = APIRouter(tags=["links"])

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(pattern=r"^[0-9]{1,10}$", description="`next_cursor` of the page before.")
]
IfMatch = Annotated[
    str | None,
    Header(max_length=1000, description="`ETag` of the link as you read it; 412 if it changed since."),
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


class ManyLinks(BaseModel):
    """Links to be made, each as for `POST /v1/links`."""

    model_config = ConfigDict(extra="forbid")

    links: list[dict[str, Any]] = Field(min_length=1, max_length=ITEMS_MAX)


class ItemFault(BaseModel):
    """What is wrong with one field of an item."""

    field: str
    message: str


class ItemResult(BaseModel):
    """What became of one item: 201 with its link, or 403, 409 or 422 with what is wrong."""

    status: int
    link: LinkBody | None = None
    errors: list[ItemFault] | None = None


class ManyResults(BaseModel):
    """One result an item, in their order."""

    created: int
    results: list[ItemResult]


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
    response.headers["Location"] = link_path(link["code"])
    response.headers["ETag"] = etag_of(link)
    return link


@router.post("/v1/links/bulk", responses={200: {"model": ManyResults}})
async def post_links(asking: Asking, many: ManyLinks) -> dict[str, Any]:
    """Make up to 1,000 links. Each stands on its own: one that cannot be made does not keep the others back."""
    async with asking.transaction() as connection:
        results = await create_links(connection, asking.policy, asking.caller, many.links)
    return {"created": sum(result["status"] == 201 for result in results), "results": results}


def search_asked(
    q: Annotated[
        str | None,
        Query(
            max_length=200,
            description="Words looked for: each must begin a word of the link's code, label or destination. Case does "
            "not matter; a whole short URL finds its link.",
            examples=["summer shoes"],
        ),
    ] = None,
    campaign: Annotated[
        int | None, Query(ge=1, le=INT_MAX, description="Only links of this campaign.")
    ] = None,
    partner: Annotated[int | None, Query(ge=1, le=INT_MAX, description="Only links of this partner.")] = None,
    campaign_partner_id: Annotated[
        int | None, Query(ge=1, le=INT_MAX, description="Only links of this enrolment.")
    ] = None,
    status: Annotated[
        Standing | None,
        Query(
            description="How they stand now: `disabled`, `expired`, `scheduled` (not started yet) or `active`."
        ),
    ] = None,
    order: Annotated[Order, Query(description="A cursor goes with the order it came in.")] = "oldest",
) -> LinkSearch:
    """What is looked for; all conditions given must hold."""
    return LinkSearch(q, campaign, partner, campaign_partner_id, status, order)


@router.get("/v1/links", responses={200: {"model": LinkPage}}, dependencies=[Depends(known_parameters)])
async def get_links(
    asking: Asking,
    search: Annotated[LinkSearch, Depends(search_asked)],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The caller's links, or those that match, a page at a time."""
    beyond = None if cursor is None else cursor_number(cursor)
    async with asking.transaction() as connection:
        links = await find_links(connection, asking.policy, search, beyond, limit)
    return {"links": links, "next_cursor": next_cursor(links, limit, "link_id")}


@router.get(
    "/v1/links/{code:path}", responses={200: {"model": LinkBody}, 304: {"description": "As you have it."}}
)
async def get_one_link(
    asking: Asking,
    code: str,
    response: Response,
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Any:
    """One link. A code may contain `/`; one that ends in `/stats` is written with `%2F`."""
    async with asking.transaction() as connection:
        link = await get_link(connection, asking.policy, code)
    etag = etag_of(link)
    if if_none_match is not None and is_matched(if_none_match, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return link


@router.patch("/v1/links/{code:path}", responses={200: {"model": LinkBody}})
async def patch_link(
    asking: Asking, code: str, changes: LinkChanges, response: Response, if_match: IfMatch = None
) -> dict[str, Any]:
    """Change the given fields; every door follows within a second. The code itself never changes."""
    async with asking.transaction() as connection:
        link = await edit_link(connection, asking.policy, asking.caller, code, changes, if_match)
    response.headers["ETag"] = etag_of(link)
    return link


@router.delete("/v1/links/{code:path}", status_code=204)
async def remove_link(asking: Asking, code: str, if_match: IfMatch = None) -> None:
    """Delete a link: visitors get 410, its clicks stay, its code is never used again."""
    async with asking.transaction() as connection:
        await delete_link(connection, asking.policy, asking.caller, code, if_match)
