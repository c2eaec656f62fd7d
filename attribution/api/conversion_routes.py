"""`/v1/conversions/{id}`: the outcome of one conversion, the explanation of it, and its approval or rejection, or that of
up to a thousand.

What the caller may see is decided in its own tenancy first; what tenants may not write is then written by the
ledger's own functions on a connection of the engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field

from attribution.api.conversion_bodies import CONVERSION, EXPLANATION
from attribution.api.link_routes import ItemFault
from attribution.api.tenancy import Asking, Tenancy
from attribution.conversion_view import find_conversion, numbers_seen, view_conversion, view_explanation
from attribution.explain import load_explanation
from attribution.faults import Conflict, Fault, NotFound
from attribution.lifecycle import Answer, approve, reject

router = APIRouter(tags=["conversions"])

Ids = Annotated[list[UUID], Field(min_length=1, max_length=1000)]
Decide = Callable[[Any, int], Awaitable[Answer]]


class Approval(BaseModel):
    """How to approve."""

    model_config = ConfigDict(extra="forbid")

    lifts_hold: bool = Field(False, description="Approve although it is held: somebody has looked.")


class Rejection(BaseModel):
    """Why it is rejected."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$", examples=["fraud"])


class ManyApprovals(Approval):
    """Which to approve."""

    conversion_ids: Ids


class ManyRejections(Rejection):
    """Which to reject."""

    conversion_ids: Ids


class DecisionResult(BaseModel):
    """What became of one: 200, 404 where there is none for this key, 409 with why the lifecycle refused."""

    conversion_id: UUID
    status: int
    errors: list[ItemFault] | None = None


class ManyDecisions(BaseModel):
    """One result an id, in their order."""

    done: int
    results: list[DecisionResult]


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


@router.post("/v1/conversions/approve", responses={200: {"model": ManyDecisions}})
async def approve_conversions(asking: Asking, many: ManyApprovals) -> dict[str, Any]:
    """Approve up to 1,000, each on its own and committed by itself: one that may not be approved keeps no other back,
    and after an interruption the same request goes on where it stopped."""

    async def decide(connection: Any, number: int) -> Answer:
        return await approve(connection, number, asking.caller, lifts_hold=many.lifts_hold)

    return await _decide(asking, many.conversion_ids, decide)


@router.post("/v1/conversions/reject", responses={200: {"model": ManyDecisions}})
async def reject_conversions(asking: Asking, many: ManyRejections) -> dict[str, Any]:
    """Reject up to 1,000 for one reason, in the same way."""

    async def decide(connection: Any, number: int) -> Answer:
        return await reject(connection, number, asking.caller, many.reason)

    return await _decide(asking, many.conversion_ids, decide)


async def _decide(asking: Tenancy, conversion_ids: Sequence[UUID], decide: Decide) -> dict[str, Any]:
    async with asking.transaction() as connection:
        numbers = await numbers_seen(connection, conversion_ids)
    results = []
    for conversion_id in conversion_ids:
        async with asking.engine_transaction(is_writing=True) as connection:
            number = numbers.get(conversion_id)
            answer = Answer(False) if number is None else await decide(connection, number)
        results.append(_result(conversion_id, number is not None, answer))
    return {"done": sum(result["status"] == 200 for result in results), "results": results}


def _result(conversion_id: UUID, is_seen: bool, answer: Answer) -> dict[str, Any]:
    if answer.is_done:
        return {"conversion_id": conversion_id, "status": 200}
    fault = ("status", answer.detail) if is_seen else ("conversion_id", "names no conversion")
    errors = [{"field": fault[0], "message": fault[1]}]
    return {"conversion_id": conversion_id, "status": 409 if is_seen else 404, "errors": errors}


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
