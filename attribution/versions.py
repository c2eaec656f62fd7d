"""Publishes campaign versions: terms never change, so a changed term is a new version that takes everything along.

`apply` calls it. Enrolments, overrides, rules, milestones and mappings are copied to the new version, links move to
the copied enrolments, and links without a destination of their own get the new one (A28 of the rules).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import asyncpg
import orjson

from attribution.link_rows import compose_for
from attribution.programme_fields import Campaign, Tier
from schema.queries import load_queries

SQL = load_queries("attribution", "programme.sql")

RECOMPOSED_ROWS = 1_000
_TERMS = (
    "name", "description", "destination_url", "default_commission_type", "default_commission_value",
    "cookie_duration_days", "attribution_model", "half_life_days", "click_param", "pricing", "rule_mode",
    "is_rules_on_overrides", "hold_days", "flat_refund", "is_coupon_wins", "rebill_months_max",
    "is_upgrade_reattributed", "is_pending_counted", "is_held_after_end",
)  # fmt: skip


def terms_of(campaign: Campaign) -> dict[str, Any]:
    """The columns of a version as the programme states them."""
    given = {name: getattr(campaign, name, None) for name in _TERMS}
    given["default_commission_type"] = campaign.commission.type
    given["default_commission_value"] = (
        None if campaign.commission.type == "tiered" else campaign.commission.value
    )
    given["cookie_duration_days"] = campaign.window_days
    return given


def stored_terms(row: asyncpg.Record) -> dict[str, Any]:
    """The same columns as they are stored."""
    return {name: row[name] for name in _TERMS}


def tier_values(tiers: list[Tier]) -> list[tuple[str, Decimal, Decimal | None, str, Decimal]]:
    """Tiers as rows, in the order of `tiers_of_version`."""
    return [(tier.label, tier.min, tier.max, tier.type, tier.value) for tier in tiers]


async def stored_tiers(connection: asyncpg.Connection, version_id: int) -> list[tuple[Any, ...]]:
    """The tiers of a version."""
    return [tuple(row) for row in await connection.fetch(SQL["tiers_of_version"], version_id)]


def partner_tier_values(campaign: Campaign) -> list[tuple[str, str, Decimal]]:
    """Rates of partner tiers as rows, in the order of `partner_tier_rates_of_version`."""
    return sorted((tier, rate.type, rate.value) for tier, rate in campaign.commission.partner_tiers.items())


async def stored_partner_tiers(connection: asyncpg.Connection, version_id: int) -> list[tuple[Any, ...]]:
    """The rates of partner tiers of a version."""
    rows = await connection.fetch(SQL["partner_tier_rates_of_version"], version_id)
    return sorted(tuple(row) for row in rows)


async def add_version(connection: asyncpg.Connection, campaign_id: int, campaign: Campaign) -> int:
    """Write the next version of a campaign with its tiers and make it the current one."""
    terms = terms_of(campaign)
    version_id: int = await connection.fetchval(
        SQL["add_version"], campaign_id, *(terms[name] for name in _TERMS)
    )
    rows = [(version_id, *tier) for tier in tier_values(campaign.commission.tiers)]
    if rows:
        await connection.executemany(SQL["add_tier"], rows)
    rates = [(version_id, *rate) for rate in partner_tier_values(campaign)]
    if rates:
        await connection.executemany(SQL["add_partner_tier_rate"], rates)
    await connection.execute(SQL["make_current"], campaign_id, version_id)
    return version_id


async def carry_over(
    connection: asyncpg.Connection, old_id: int, new_id: int, destination_url: str, *, is_moved: bool
) -> None:
    """Take everything that hangs on a version to its successor; `is_moved` says whether the destination changed."""
    for step in ("enrolments", "links", "overrides", "rules", "milestones", "mappings"):
        await connection.execute(SQL[f"carry_{step}"], old_id, new_id)
    if is_moved:
        await _recompose(connection, new_id, destination_url)


async def _recompose(connection: asyncpg.Connection, version_id: int, destination_url: str) -> None:
    """Give the links of a version its destination, a page at a time."""
    cursor = await connection.cursor(SQL["links_of_version"], version_id)
    while page := await cursor.fetch(RECOMPOSED_ROWS):
        composed = [
            (
                row["partner_link_id"],
                compose_for(destination_url, _dict(row["utm_params"]), _dict(row["custom_params"])),
            )
            for row in page
        ]
        await connection.executemany(SQL["set_full_url"], composed)


def _dict(text: str | None) -> dict[str, str]:
    return orjson.loads(text) if text else {}
