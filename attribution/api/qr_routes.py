"""`/v1/links/{code}/qr.svg` and `.png`: the short URL of a link as a QR code, made for every request, kept nowhere."""

from __future__ import annotations

import io
from typing import Annotated

import segno
from fastapi import APIRouter, Query
from fastapi.responses import Response

from attribution.api.code_paths import BelowCode
from attribution.api.tenancy import Asking
from attribution.links import get_link

router = APIRouter(tags=["links"], route_class=BelowCode)

Scale = Annotated[int, Query(ge=1, le=40, description="Pixels a module.")]
Border = Annotated[int, Query(ge=0, le=20, description="Modules of margin; readers want 4.")]
PICTURE = {"type": "string", "format": "binary"}
MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png"}


async def _picture(asking: Asking, code: str, kind: str, scale: int, border: int) -> Response:
    async with asking.transaction() as connection:
        link = await get_link(connection, asking.policy, code)
    picture = io.BytesIO()
    segno.make_qr(link["short_url"], error="m").save(picture, kind=kind, scale=scale, border=border)
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(picture.getvalue(), media_type=MEDIA_TYPES[kind], headers=headers)


@router.get(
    "/v1/links/{code:path}/qr.svg",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {"schema": PICTURE}}, "description": "The picture."}},
)
async def get_svg(asking: Asking, code: str, scale: Scale = 8, border: Border = 4) -> Response:
    """The short URL of a link as a QR code, to print at any size."""
    return await _picture(asking, code, "svg", scale, border)


@router.get(
    "/v1/links/{code:path}/qr.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": PICTURE}}, "description": "The picture."}},
)
async def get_png(asking: Asking, code: str, scale: Scale = 8, border: Border = 4) -> Response:
    """The short URL of a link as a QR code, in pixels."""
    return await _picture(asking, code, "png", scale, border)
