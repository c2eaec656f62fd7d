"""Brings the ledger to what a programme file says, in one transaction, and reports what was created, changed, left.

`clickledger apply` calls `apply_programme`. Applying the same file again changes nothing; what the file does not
name is left alone, except rules and overrides of a campaign or partner that lists its own.
"""

from __future__ import annotations

from typing import Any

import asyncpg

from attribution.enrol import apply_partner
from attribution.faults import Refused
from attribution.link_fields import Policy
from attribution.outcomes import Ledger, Outcome
from attribution.programme import deployment_faults
from attribution.programme_fields import Campaign, Programme, Vendor
from attribution.programme_rules import apply_rules
from attribution.versions import (
    SQL,
    add_version,
    carry_over,
    partner_tier_values,
    stored_partner_tiers,
    stored_terms,
    stored_tiers,
    terms_of,
    tier_values,
)


async def apply_programme(
    connection: asyncpg.Connection, policy: Policy, programme: Programme
) -> list[Outcome]:
    """Apply the whole programme or none of it. Raises Refused naming each fault by its path."""
    faults = deployment_faults(programme, policy)
    if faults:
        raise Refused(faults)
    ledger = Ledger(connection)
    async with connection.transaction():
        await connection.execute(SQL["lock_apply"])
        for index, vendor in enumerate(programme.vendors):
            await _apply_vendor(ledger, policy, vendor, f"vendors[{index}]")
    return ledger.outcomes


async def _apply_vendor(ledger: Ledger, policy: Policy, vendor: Vendor, path: str) -> None:
    row = await ledger.connection.fetchrow(SQL["vendor_by_email"], vendor.email)
    given = {"name": vendor.name, "company_name": vendor.company_name, "website_url": vendor.website_url}
    if row is None:
        vendor_id = await ledger.connection.fetchval(SQL["add_vendor"], vendor.email, *given.values())
        await ledger.created("vendor", "vendors", vendor_id, vendor.email, given)
    else:
        vendor_id = row["vendor_id"]
        before = {name: row[name] for name in given}
        given = {
            name: value if name in vendor.model_fields_set else before[name] for name, value in given.items()
        }
        if given == before:
            ledger.left("vendor", vendor.email)
        else:
            await ledger.connection.execute(SQL["change_vendor"], vendor_id, *given.values())
            await ledger.changed("vendor", "vendors", vendor_id, vendor.email, before, given)
    for index, campaign in enumerate(vendor.campaigns):
        await _apply_campaign(ledger, policy, vendor_id, campaign, f"{path}.campaigns[{index}]")


async def _apply_campaign(
    ledger: Ledger, policy: Policy, vendor_id: int, campaign: Campaign, path: str
) -> None:
    row = await ledger.connection.fetchrow(SQL["campaign_by_name"], vendor_id, campaign.name)
    if row is None:
        version_id = await _new_campaign(ledger, vendor_id, campaign)
    else:
        version_id = await _existing_campaign(ledger, row, campaign)
    if campaign.rules is not None:
        await apply_rules(ledger, version_id, campaign.rules, path)
    for index, partner in enumerate(campaign.partners):
        await apply_partner(
            ledger, policy, version_id, campaign.destination_url, partner, f"{path}.partners[{index}]"
        )


async def _new_campaign(ledger: Ledger, vendor_id: int, campaign: Campaign) -> int:
    campaign_id = await ledger.connection.fetchval(SQL["add_campaign"], vendor_id, campaign.status)
    version_id = await add_version(ledger.connection, campaign_id, campaign)
    await ledger.created("campaign", "campaigns", campaign_id, campaign.name, terms_of(campaign))
    return version_id


async def _existing_campaign(ledger: Ledger, row: asyncpg.Record, campaign: Campaign) -> int:
    """Publish a new version if a term differs; the current version's number in the end."""
    version_id: int = row["campaign_version_id"]
    before: dict[str, Any] = stored_terms(row) | {"status": row["status"]}
    after: dict[str, Any] = terms_of(campaign) | {"status": campaign.status}
    before["tiers"] = await stored_tiers(ledger.connection, version_id)
    after["tiers"] = tier_values(campaign.commission.tiers)
    before["partner_tiers"] = await stored_partner_tiers(ledger.connection, version_id)
    after["partner_tiers"] = partner_tier_values(campaign)
    if before == after:
        ledger.left("campaign", campaign.name)
        return version_id
    if before["status"] != after["status"]:
        await ledger.connection.execute(SQL["set_campaign_status"], row["campaign_id"], campaign.status)
    if before | {"status": None} != after | {"status": None}:
        is_moved = before["destination_url"] != after["destination_url"]
        old_id, version_id = version_id, await add_version(ledger.connection, row["campaign_id"], campaign)
        await carry_over(ledger.connection, old_id, version_id, campaign.destination_url, is_moved=is_moved)
        before["version_number"], after["version_number"] = row["version_number"], row["version_number"] + 1
    await ledger.changed("campaign", "campaigns", row["campaign_id"], campaign.name, before, after)
    return version_id
