"""The partners of a campaign as a programme names them: the partner, the approved enrolment, rates, links."""

from __future__ import annotations

from typing import Any

import asyncpg

from attribution.faults import Fault, Refused
from attribution.keys import ADMIN
from attribution.link_fields import LinkChanges, Policy
from attribution.link_rows import insert_values, link_body, link_row
from attribution.links import SQL as LINKS
from attribution.links import write_changes
from attribution.outcomes import Ledger, Outcome
from attribution.programme import all_overrides
from attribution.programme_fields import Override, ProgrammeLink, ProgrammePartner
from attribution.versions import SQL


async def apply_partner(
    ledger: Ledger, policy: Policy, version_id: int, destination: str, partner: ProgrammePartner, path: str
) -> None:
    """Bring one partner of a campaign version to what the programme says."""
    partner_id = await _partner(ledger, partner)
    enrolment_id = await _enrolment(ledger, version_id, partner_id, partner.email)
    if {"override", "overrides"} & partner.model_fields_set:
        await _overrides(ledger, version_id, partner_id, partner, path)
    codes = [policy.normal(link.code or "") for link in partner.links]
    rows = await ledger.connection.fetch(LINKS["links_by_codes"], codes) if codes else []
    stored = {row["short_code"]: dict(row) for row in rows}
    for index, (code, link) in enumerate(zip(codes, partner.links, strict=True)):
        await _link(
            ledger, policy, enrolment_id, destination, code, link, stored.get(code), f"{path}.links[{index}]"
        )


async def _partner(ledger: Ledger, partner: ProgrammePartner) -> int:
    """The partner's number; a suspended or rejected one stays so."""
    row = await ledger.connection.fetchrow(SQL["partner_by_email"], partner.email)
    given: dict[str, Any] = {
        "name": partner.name,
        "tier": partner.tier,
        "website_url": partner.website_url,
        "status": "active",
    }
    if row is None:
        partner_id: int = await ledger.connection.fetchval(SQL["add_partner"], partner.email, *given.values())
        await ledger.created("partner", "partners", partner_id, partner.email, given)
        return partner_id
    before = {name: row[name] for name in given}
    for name in ("tier", "website_url"):
        if name not in partner.model_fields_set:
            given[name] = before[name]
    if before["status"] != "pending":
        given["status"] = before["status"]
    if given == before:
        ledger.left("partner", partner.email)
    else:
        await ledger.connection.execute(SQL["change_partner"], row["partner_id"], *given.values())
        await ledger.changed("partner", "partners", row["partner_id"], partner.email, before, given)
    return int(row["partner_id"])


async def _enrolment(ledger: Ledger, version_id: int, partner_id: int, name: str) -> int:
    row = await ledger.connection.fetchrow(SQL["enrolment_of_partner"], version_id, partner_id)
    if row is None:
        enrolment_id: int = await ledger.connection.fetchval(SQL["add_enrolment"], version_id, partner_id)
        await ledger.created(
            "enrolment", "campaign_partners", enrolment_id, name, {"campaign_version_id": version_id}
        )
        return enrolment_id
    if row["status"] == "approved":
        ledger.left("enrolment", name)
    else:
        await ledger.connection.execute(SQL["approve_enrolment"], row["campaign_partner_id"])
        before = {"status": row["status"]}
        await ledger.changed(
            "enrolment", "campaign_partners", row["campaign_partner_id"], name, before, {"status": "approved"}
        )
    return int(row["campaign_partner_id"])


async def _overrides(
    ledger: Ledger, version_id: int, partner_id: int, partner: ProgrammePartner, path: str
) -> None:
    """Make the partner's rates those listed. An old rate is ended, never rewritten."""
    rows = await ledger.connection.fetch(SQL["overrides_of_partner"], version_id, partner_id)
    wanted = {item.event: item for item in all_overrides(partner)}
    for row in rows:
        override = wanted.get(row["event"])
        is_same = override is not None and _same(row, override)
        if is_same:
            del wanted[row["event"]]
            ledger.left("override", _title(partner, row["event"]))
            continue
        await ledger.connection.execute(
            SQL["end_override" if row["is_begun"] else "delete_override"], row["partner_campaign_override_id"]
        )
        if override is None:
            await ledger.changed(
                "override", "partner_campaign_overrides", row["partner_campaign_override_id"],
                _title(partner, row["event"]), {"is_ended": False}, {"is_ended": True},
            )  # fmt: skip
    for override in wanted.values():
        await _add_override(ledger, version_id, partner_id, partner, override, path)


def _same(row: asyncpg.Record, override: Override) -> bool:
    stored = (row["commission_type"], row["commission_value"], row["notes"])
    return stored == (override.type, override.value, override.notes)


def _title(partner: ProgrammePartner, event: str | None) -> str:
    return f"{partner.email} ({event or 'all events'})"


async def _add_override(
    ledger: Ledger,
    version_id: int,
    partner_id: int,
    partner: ProgrammePartner,
    override: Override,
    path: str,
) -> None:
    type_id = None
    if override.event is not None:
        type_id = await ledger.connection.fetchval(SQL["event_type_by_name"], override.event)
        if type_id is None:
            raise Refused([Fault(f"{path}.override.event", f"{override.event} is no known event type")])
    after = {"type": override.type, "value": str(override.value), "notes": override.notes}
    number = await ledger.connection.fetchval(
        SQL["add_override"], partner_id, version_id, type_id, override.type, override.value, override.notes
    )
    await ledger.created(
        "override", "partner_campaign_overrides", number, _title(partner, override.event), after
    )


async def _link(
    ledger: Ledger,
    policy: Policy,
    enrolment_id: int,
    destination: str,
    code: str,
    link: ProgrammeLink,
    row: dict[str, Any] | None,
    path: str,
) -> None:
    """Make or change one link. Fields the file does not name keep what the API may have given them."""
    if row is None:
        link.campaign_partner_id = enrolment_id
        values = link_row(link, link.destination_url or destination)
        number = await ledger.connection.fetchval(LINKS["add_link"], code, *insert_values(values))
        if number is None:
            raise Refused([Fault(f"{path}.code", f"{code} was taken this moment")])
        await ledger.created("link", "partner_links", number, code, values)
        return
    if row["is_deleted"]:
        raise Refused([Fault(f"{path}.code", f"{code} belonged to a deleted link")])
    if row["campaign_partner_id"] != enrolment_id:
        raise Refused([Fault(f"{path}.code", f"{code} is a link of somebody else")])
    kept = {name: value for name, value in link_body(row, policy).items() if name in LinkChanges.model_fields}
    merged = LinkChanges.model_validate(kept)
    for name in link.model_fields_set & LinkChanges.model_fields.keys():
        setattr(merged, name, getattr(link, name))
    is_changed = await write_changes(
        ledger.connection, ADMIN, row, merged, merged.destination_url or destination
    )
    ledger.outcomes.append(Outcome("changed" if is_changed else "left", "link", code))
