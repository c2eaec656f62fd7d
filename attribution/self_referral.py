"""Holds conversions whose buyer is a partner credited for them: never dropped in silence, never approved by itself.

Buyers are known as keyed hashes only, so a partner's own e-mail and payment accounts are hashed under the same vendor's
key and compared. A cookie that bought under such a name is the partner's own device, and who clicks from the address
and browser of that device within a day is taken for the partner too, whatever name the order bears. `settlement` calls
it with decided journeys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from attribution.candidates import CUSTOMERS_OF_COOKIE_MAX, TOUCHES_MAX
from attribution.decision import Decision
from attribution.terms import Connection
from schema.customers import customer_hash, email_hash
from schema.queries import load_queries

SQL = load_queries("attribution", "self_referral.sql")


class Owner(NamedTuple):
    """A partner as a customer of one vendor."""

    vendor_id: int
    partner_id: int


Names = dict[tuple[int, str], set[int]]
"""The partners behind a vendor's customer hash."""
Devices = dict[Owner, dict[UUID, datetime]]
"""The partners' own cookies, each with when it was first seen to be theirs."""


async def held_for_buyers(connection: Connection, decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions, with a hold wherever a credited partner bought from itself."""
    owners = {owner for decision in decisions for owner in _owners(decision)}
    if not owners:
        return list(decisions)
    names = await _names(connection, sorted(owners))
    devices = await _devices(connection, names)
    visitors = await _visitors(connection, decisions, devices) if devices else {}
    return [
        decision._replace(
            holds=(*decision.holds, *_holds(decision, names, devices, visitors.get(place, set())))
        )
        for place, decision in enumerate(decisions)
    ]


def _owners(decision: Decision) -> set[Owner]:
    """The credited partners."""
    return {Owner(decision.conversion.vendor_id, touch.partner_id) for touch in decision.touches}


async def _names(connection: Connection, owners: Sequence[Owner]) -> Names:
    """What the partners would be called as customers."""
    names: Names = {}
    for row in await connection.fetch(SQL["partner_contacts"], *map(list, zip(*owners, strict=True))):
        for name in _hashes(row["customer_key"], row["contact"]):
            names.setdefault((row["vendor_id"], name), set()).add(row["partner_id"])
    return names


@lru_cache(65_536)
def _hashes(key: bytes, contact: str) -> tuple[str, str]:
    """A contact may be reported as an e-mail or as a customer id."""
    return email_hash(key, contact), customer_hash(key, contact)


async def _devices(connection: Connection, names: Names) -> Devices:
    asked = [(place, *name) for place, name in enumerate(names)]
    owners = list(names.items())
    devices: Devices = {}
    columns = map(list, zip(*asked, strict=True))
    for row in await connection.fetch(SQL["own_devices"], *columns, CUSTOMERS_OF_COOKIE_MAX):
        (vendor_id, _), partners = owners[row["place"]]
        for partner_id in partners:
            known = devices.setdefault(Owner(vendor_id, partner_id), {})
            known[row["cookie_id"]] = min(row["linked_at"], known.get(row["cookie_id"], row["linked_at"]))
    return devices


async def _visitors(
    connection: Connection, decisions: Sequence[Decision], devices: Devices
) -> dict[int, set[int]]:
    """For each decision the partners from whose address the buyer came, by place."""
    own = [
        (place, owner.partner_id, cookie_id)
        for place, decision in enumerate(decisions)
        for owner in _owners(decision)
        for cookie_id in _known(devices, owner, decision.conversion.occurred_at)
    ]
    theirs = [
        (place, None, touch.cookie_id)
        for place in sorted({place for place, _, _ in own})
        for touch in decisions[place].touches
        if touch.cookie_id is not None
    ]
    if not own:
        return {}
    wanted = [*own, *theirs]
    moments = [decisions[place].conversion.occurred_at for place, _, _ in wanted]
    buyers = {place: set(decisions[place].conversion.visitor_hashes) for place, _, _ in own}
    seen: list[tuple[int, int, int]] = []
    for row in await connection.fetch(
        SQL["visitors_of_cookies"],
        list(range(len(wanted))),
        [cookie_id for _, _, cookie_id in wanted],
        moments,
        min(moments) - timedelta(days=1),
        max(moments),
        TOUCHES_MAX,
    ):
        place, partner_id, _ = wanted[row["place"]]
        if partner_id is None:
            buyers[place].add(row["visitor_hash"])
        else:
            seen.append((place, partner_id, row["visitor_hash"]))
    found: dict[int, set[int]] = {}
    for place, partner_id, visitor in seen:
        if visitor in buyers[place]:
            found.setdefault(place, set()).add(partner_id)
    return found


def _known(devices: Devices, owner: Owner, at: datetime) -> list[UUID]:
    """The partner's own cookies as they were known then."""
    return [cookie_id for cookie_id, linked_at in devices.get(owner, {}).items() if linked_at <= at]


def _holds(decision: Decision, names: Names, devices: Devices, visitors: Iterable[int]) -> list[str]:
    """Why the conversion is held: one reason a partner, the plainest."""
    conversion = decision.conversion
    buyers = {
        partner_id
        for name in (conversion.customer_id, conversion.customer_email)
        if name is not None
        for partner_id in names.get((conversion.vendor_id, name), ())
    }
    cookies = {conversion.cookie_id, *(touch.cookie_id for touch in decision.touches)}
    holds = []
    for owner in sorted(_owners(decision)):
        if owner.partner_id in buyers:
            holds.append(f"self_referral: partner {owner.partner_id}")
        elif cookies.intersection(_known(devices, owner, conversion.occurred_at)):
            holds.append(f"self_referral: device of partner {owner.partner_id}")
        elif owner.partner_id in visitors:
            holds.append(f"self_referral: address of partner {owner.partner_id}")
    return holds
