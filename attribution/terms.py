"""The terms of campaign versions, and who may earn under them, as they stood at a moment.

`settlement` loads one `Catalogue` a batch. A conversion is priced by what was known when it was first priced: rows
that came later or were deleted since are looked through, so attributing it again meets the same terms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg

from attribution.commission import Override, PartnerTierRate, Terms, Tier
from attribution.conversion_rows import Conversion, Row, exact_json
from attribution.eligibility import Standing, Verdict, earliest
from attribution.models import DAY_MS
from attribution.moments import micros_of
from attribution.rules import NEEDS_HISTORY, Rate, Rule
from schema.queries import load_queries

SQL = load_queries("attribution", "ledger.sql")

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


class Version(NamedTuple):
    """A campaign version's terms that never change."""

    version_id: int
    campaign_id: int
    vendor_id: int
    default_rate: Rate | None
    window_days: int
    model: str
    half_life_ms: int
    pricing: str
    rule_mode: str
    is_rules_on_overrides: bool
    hold_days: int
    flat_refund: str
    is_coupon_wins: bool
    rebill_months_max: int | None
    is_upgrade_reattributed: bool
    is_pending_counted: bool
    is_held_after_end: bool
    created_at: datetime


class Known(NamedTuple):
    """A tier, rule or override with when it came, and from when on it no longer counted."""

    value: Any
    number: int
    created_at: datetime
    gone_at: datetime | None

    def at(self, moment: datetime) -> bool:
        """Whether it counted then."""
        return self.created_at <= moment and (self.gone_at is None or moment < self.gone_at)


class Catalogue:
    """Everything about versions, partners and coupons that the conversions of one batch may need."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.versions: dict[int, Version] = {}
        self.standings: dict[tuple[int, int], Standing | None] = {}
        self.partner_tiers: dict[int, str] = {}
        self._tiers: dict[int, list[Known]] = defaultdict(list)
        self._partner_tier_rates: dict[int, list[Known]] = defaultdict(list)
        self._rules: dict[int | None, list[Known]] = defaultdict(list)
        self._overrides: dict[tuple[int, int], list[Known]] = defaultdict(list)
        self._memo: dict[Any, Terms] = {}

    async def load_versions(self, connection: Connection, version_ids: Iterable[int]) -> None:
        """Versions with their tiers and rules."""
        wanted = sorted(set(version_ids) - self.versions.keys())
        if not wanted:
            return
        for row in await connection.fetch(SQL["versions"], wanted):
            self.versions[row["campaign_version_id"]] = _version(row)
        for row in await connection.fetch(SQL["tiers"], wanted):
            self._tiers[row["campaign_version_id"]].append(_known(_tier(row), row["campaign_tier_id"], row))
        for row in await connection.fetch(SQL["partner_tier_rates"], wanted):
            known_rate = _known(_partner_tier_rate(row), row["partner_tier_rate_id"], row)
            self._partner_tier_rates[row["campaign_version_id"]].append(known_rate)
        known = {entry.number for entry in self._rules[None]}
        for row in await connection.fetch(SQL["rules"], wanted):
            if row["commission_rule_id"] not in known:
                is_off = not row["active"]
                entry = _known(_rule(row), row["commission_rule_id"], row, is_off, row["deactivated_at"])
                self._rules[row["campaign_version_id"]].append(entry)

    async def load_partners(self, connection: Connection, pairs: Iterable[tuple[int, int]]) -> None:
        """Standings and overrides of (version, partner)."""
        fresh = sorted(
            {
                (self.versions[version_id].campaign_id, partner_id, version_id)
                for version_id, partner_id in pairs
                if version_id in self.versions and (version_id, partner_id) not in self._overrides
            }
        )
        if not fresh:
            return
        campaigns, partners, versions = (list(column) for column in zip(*fresh, strict=True))
        for row in await connection.fetch(SQL["standings"], campaigns, partners):
            self.standings[row["campaign_id"], row["partner_id"]] = standing_of(row)
            self.partner_tiers[row["partner_id"]] = row["tier"]
        for version_id, partner_id in zip(versions, partners, strict=True):
            self._overrides[version_id, partner_id] = []
        for row in await connection.fetch(SQL["overrides"], versions, partners):
            pair = row["campaign_version_id"], row["partner_id"]
            number = row["partner_campaign_override_id"]
            self._overrides[pair].append(_known(_override(row), number, row))

    def standing(self, version_id: int, partner_id: int) -> Standing | None:
        """Since when the partner may no longer earn in the version's campaign."""
        return self.standings.get((self.versions[version_id].campaign_id, partner_id))

    def terms(self, version_id: int, conversion: Conversion) -> Terms:
        """What the version promised for that event type when the conversion was first priced."""
        moment = self._known_at(version_id, conversion.priced_at)
        key = version_id, conversion.event_type_id, moment
        if key not in self._memo:
            version = self.versions[version_id]
            rules = [*self._rules[None], *self._rules[version_id]]
            self._memo[key] = Terms(
                version_id,
                version.default_rate,
                [entry.value for entry in self._tiers[version_id] if entry.at(moment)],
                [entry.value for entry in rules if entry.at(moment)],
                version.rule_mode,
                version.is_rules_on_overrides,
                Rate(*conversion.event_rate) if conversion.event_rate else None,
                conversion.is_commissionable,
                [entry.value for entry in self._partner_tier_rates[version_id] if entry.at(moment)],
            )
        return self._memo[key]

    def overrides(self, version_id: int, partner_id: int, moment: datetime | None) -> list[Override]:
        """The partner's own rates, as they stood then."""
        known = self._overrides.get((version_id, partner_id), [])
        return [entry.value for entry in known if entry.at(self._known_at(version_id, moment))]

    def _known_at(self, version_id: int, priced_at: datetime | None) -> datetime:
        """The moment whose terms count; of a version that came later, as with imported clicks, those it began with."""
        return max(priced_at or self.now, self.versions[version_id].created_at)


def needs_history(terms: Terms) -> bool:
    """Whether what the customer bought before may price the sale."""
    return any(NEEDS_HISTORY & rule.conditions.keys() for rule in terms.rules)


def standing_of(row: Row) -> Standing | None:
    """Since when a partner may not earn in a campaign, by whichever of the three ended first."""
    ends: list[Standing | None] = []
    if row["is_partner_deleted"]:
        ends.append(_ended(Verdict.PARTNER_SUSPENDED, row["partner_deleted_at"]))
    elif row["partner_status"] != "active":
        ends.append(_ended(Verdict.PARTNER_SUSPENDED, row["partner_changed_at"]))
    if row["is_campaign_deleted"]:
        ends.append(_ended(Verdict.CAMPAIGN_PAUSED, row["campaign_deleted_at"]))
    elif row["campaign_status"] != "active":
        ends.append(_ended(Verdict.CAMPAIGN_PAUSED, row["campaign_changed_at"]))
    if row["enrolment_status"] is None:
        ends.append(_ended(Verdict.ENROLMENT_ENDED, None))
    elif row["is_enrolment_deleted"]:
        ends.append(_ended(Verdict.ENROLMENT_ENDED, row["enrolment_deleted_at"]))
    elif row["enrolment_status"] != "approved":
        since = {"removed": row["removed_at"], "rejected": row["rejected_at"]}.get(row["enrolment_status"])
        ends.append(_ended(Verdict.ENROLMENT_ENDED, since))
    return earliest(ends)


def _ended(verdict: Verdict, since: datetime | None) -> Standing:
    """An end without a date was always there."""
    return Standing(micros_of(since) if since is not None else 0, verdict)


def _known(
    value: Any, number: int, row: Row, is_off: bool = False, off_since: datetime | None = None
) -> Known:
    """An end without a date was always there."""
    created_at = row["created_at"]
    ends = [row["deleted_at"] or created_at] if row["is_deleted"] else []
    if is_off:
        ends.append(off_since or created_at)
    return Known(value, number, created_at, min(ends, default=None))


def _version(row: Row) -> Version:
    kind = row["default_commission_type"]
    return Version(
        row["campaign_version_id"],
        row["campaign_id"],
        row["vendor_id"],
        Rate(kind, row["default_commission_value"]) if kind != "tiered" else None,
        row["cookie_duration_days"],
        row["attribution_model"],
        half_life_ms(row["half_life_days"]),
        row["pricing"],
        row["rule_mode"],
        row["is_rules_on_overrides"],
        row["hold_days"],
        row["flat_refund"],
        row["is_coupon_wins"],
        row["rebill_months_max"],
        row["is_upgrade_reattributed"],
        row["is_pending_counted"],
        row["is_held_after_end"],
        row["created_at"],
    )


def half_life_ms(days: Decimal) -> int:
    """Hundredths of a day are whole milliseconds."""
    return max(1, int(days * DAY_MS))


def _tier(row: Row) -> Tier:
    rate = Rate(row["reward_type"], row["reward_value"])
    return Tier(row["campaign_tier_id"], row["label"], row["min_amount"], rate, row["reward_id"])


def _partner_tier_rate(row: Row) -> PartnerTierRate:
    rate = Rate(row["commission_type"], row["commission_value"])
    return PartnerTierRate(row["partner_tier_rate_id"], row["partner_tier"], rate)


def _rule(row: Row) -> Rule:
    conditions, actions = exact_json(row["conditions"]), exact_json(row["actions"])
    validity = row["valid_from"], row["valid_until"]
    return Rule(row["commission_rule_id"], row["name"], conditions, actions, *validity)


def _override(row: Row) -> Override:
    return Override(
        row["partner_campaign_override_id"],
        row["conversion_event_type_id"],
        Rate(row["commission_type"], row["commission_value"]),
        row["valid_from"],
        row["valid_until"],
    )
