"""`/v1/conversions/{id}`: the outcome of one conversion, the explanation of it, and its approval or rejection.

What the caller may see is decided in its own tenancy first; what tenants may not write is then written by the
ledger's own functions on a connection of the engine.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

from attribution.api.conversion_bodies import CONVERSION, EXPLANATION
from attribution.api.tenancy import Asking, Tenancy
from attribution.conversion_view import find_conversion, view_conversion, view_explanation
from attribution.explain import load_explanation
from attribution.faults import Conflict, Fault, NotFound
from attribution.lifecycle import Answer, approve, reject

router = APIRouter(tags=["conversions"])


class Approval(BaseModel):
    """How to approve."""

    model_config = ConfigDict(extra="forbid")

    lifts_hold: bool = Field(False, description="Approve although it is held: somebody has looked.")


class Rejection(BaseModel):
    """Why it is rejected."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$", examples=["fraud"])


@router.get("/v1/conversions/{conversion_id}", responses=CONVERSION)
async def get_conversion(asking: Asking, conversion_id: UUID) -> dict[str, Any]:
    """What became of it: outcome, commission, the touches of every model, credits, adjustments. A partner sees its own
    touches, credits and part of the commission."""
    async with asking.transaction() as connection:
        return await view_conversion(connection, asking.caller, conversion_id)


@router.get("/v1/conversions/{conversion_id}/explain", responses=EXPLANATION)
async def get_explanation(asking: Asking, conversion_id: UUID) -> dict[str, Any]:
    """Why: every candidate click, in or out, and every rate considered, won or lost."""
    number = await _number_seen(asking, conversion_id)
    async with asking.engine_transaction() as connection:
        explanation = await load_explanation(connection, number)
    if explanation is None:
        raise NotFound(f"There is no conversion {conversion_id}.")
    async with asking.transaction() as connection:
        return await view_explanation(connection, asking.caller, conversion_id, explanation)


@router.post("/v1/conversions/{conversion_id}/approve", responses=CONVERSION)
async def approve_conversion(
    asking: Asking, conversion_id: UUID, approval: Annotated[Approval | None, Body()] = None
) -> dict[str, Any]:
    """Approve it with its adjustments: what it pays is final from then on."""
    number = await _number_seen(asking, conversion_id)
    lifts_hold = approval is not None and approval.lifts_hold
    async with asking.engine_transaction(is_writing=True) as connection:
        answer = await approve(connection, number, asking.caller, lifts_hold=lifts_hold)
    return await _after(asking, conversion_id, answer)


@router.post("/v1/conversions/{conversion_id}/reject", responses=CONVERSION)
async def reject_conversion(asking: Asking, conversion_id: UUID, rejection: Rejection) -> dict[str, Any]:
    """Reject it with its adjustments: it pays nothing, for good."""
    number = await _number_seen(asking, conversion_id)
    async with asking.engine_transaction(is_writing=True) as connection:
        answer = await reject(connection, number, asking.caller, rejection.reason)
    return await _after(asking, conversion_id, answer)


async def _number_seen(asking: Tenancy, conversion_id: UUID) -> int:
    """The number of a conversion the caller may see. Raises NotFound."""
    async with asking.transaction() as connection:
        return int((await find_conversion(connection, conversion_id))["conversion_event_id"])


async def _after(asking: Tenancy, conversion_id: UUID, answer: Answer) -> dict[str, Any]:
    """The conversion as it is now. Raises Conflict where the lifecycle refused; that was committed to the audit."""
    if not answer.is_done:
        raise Conflict([Fault("status", answer.detail)])
    async with asking.transaction() as connection:
        return await view_conversion(connection, asking.caller, conversion_id)
