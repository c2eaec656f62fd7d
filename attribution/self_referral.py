"""Holds conversions whose buyer is a partner credited for them: never dropped in silence, never approved by itself.

Buyers are known as keyed hashes only, so a partner's own e-mail and payment accounts are hashed under the same
vendor's key and compared. `settlement` calls it with decided journeys.
"""

from __future__ import annotations

from collections.abc import Sequence

from attribution.decision import Decision
from attribution.terms import SQL, Connection
from schema.customers import customer_hash, email_hash


async def held_for_buyers(connection: Connection, decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions, with a hold wherever a credited partner bought from itself."""
    asked = [
        decision
        for decision in decisions
        if decision.touches and (decision.conversion.customer_id or decision.conversion.customer_email)
    ]
    if not asked:
        return list(decisions)
    partners = sorted({touch.partner_id for decision in asked for touch in decision.touches})
    vendors = sorted({decision.conversion.vendor_id for decision in asked})
    contacts = await connection.fetch(SQL["partner_contacts"], partners)
    keys = {row[0]: row[1] for row in await connection.fetch(SQL["customer_keys"], vendors)}
    own: dict[tuple[int, str], int] = {}
    for vendor_id, key in keys.items():
        for row in contacts:
            for made in (email_hash, customer_hash):
                own[vendor_id, made(key, row["contact"])] = row["partner_id"]
    return [_held(decision, own) for decision in decisions]


def _held(decision: Decision, own: dict[tuple[int, str], int]) -> Decision:
    conversion = decision.conversion
    buyers = {
        own.get((conversion.vendor_id, name))
        for name in (conversion.customer_id, conversion.customer_email)
        if name is not None
    }
    found = sorted(buyers & {touch.partner_id for touch in decision.touches} - {None}, key=str)
    return decision._replace(
        holds=(*decision.holds, *(f"self_referral: partner {partner_id}" for partner_id in found))
    )
