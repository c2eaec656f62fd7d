"""The partners of a campaign as a programme names them: the partner, the approved enrolment, rates, links."""

from __future__ import annotations

from typing import Any

from attribution.faults import Fault, Refused
from attribution.keys import ADMIN
from attribution.link_fields import LinkChanges, Policy
from attribution.link_rows import insert_values, link_body, link_row
from attribution.links import SQL as LINKS
from attribution.links import write_changes
from attribution.outcomes import Ledger, Outcome
from attribution.overrides import apply_overrides
from attribution.programme_fields import ProgrammeLink, ProgrammePartner
from attribution.versions import SQL


async def apply_partner(
    ledger: Ledger, policy: Policy, version_id: int, destination: str, partner: ProgrammePartner, path: str
) -> None:
    """Bring one partner of a campaign version to what the programme says."""
    partner_id = await _partner(ledger, partner)
    enrolment_id = await _enrolment(ledger, version_id, partner_id, partner.email)
    if {"override", "overrides"} & partner.model_fields_set:
        await apply_overrides(ledger, version_id, partner_id, partner, path)
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
