"""Rules the database keeps whoever writes: what is unique, what may follow what, what never changes again."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sample_ledger import add_campaign, add_partner, add_two_programmes, after, connect, enrol, run

SNAPSHOT = (
    "INSERT INTO event_commission_snapshots (conversion_event_id, partner_id, campaign_version_id, currency)"
    " VALUES ({acme.conversion_id}, {acme.partner_id}, {acme.version_id}, 'USD')"
)
AUDIT = "INSERT INTO audit_logs (entity_type, entity_id, action) VALUES ('partners', 1, 'update')"


@pytest.mark.parametrize("change", ["UPDATE {} SET is_deleted = true", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize(("table", "row"), [("event_commission_snapshots", SNAPSHOT), ("audit_logs", AUDIT)])
def test_r36_snapshots_and_audit_logs_refuse_change(
    rehearsal_url: str, table: str, row: str, change: str
) -> None:
    with pytest.raises(asyncpg.RestrictViolationError, match=table):
        after(rehearsal_url, row, change.format(table))


def test_r36_a_partition_of_audit_logs_refuses_change_too(rehearsal_url: str) -> None:
    partition = run(
        rehearsal_url,
        lambda db: db.fetchval("SELECT 'audit_logs_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')"),
    )
    with pytest.raises(asyncpg.RestrictViolationError):
        after(rehearsal_url, AUDIT, f"DELETE FROM {partition}")


OVERRIDE = (
    "INSERT INTO partner_campaign_overrides (partner_id, campaign_version_id, conversion_event_type_id,"
    " commission_type, commission_value, valid_from, valid_until)"
    " VALUES ({{acme.partner_id}}, {{acme.version_id}}, {type}, 'percentage', 15, '{begin}', {end})"
)


def _override(begin: str, end: str = "NULL", event_type: str = "NULL") -> str:
    return OVERRIDE.format(type=event_type, begin=begin, end=end)


def test_r19_overrides_follow_one_another_and_stand_beside_other_types(rehearsal_url: str) -> None:
    after(
        rehearsal_url,
        _override("2026-01-01Z", "'2026-02-01Z'"),
        _override("2026-02-01Z"),
        _override("2026-01-01Z", event_type="1"),
        _override("2026-01-01Z", event_type="2"),
        "UPDATE partner_campaign_overrides SET is_deleted = true WHERE conversion_event_type_id = 2",
        _override("2026-01-15Z", event_type="2"),
    )


@pytest.mark.parametrize("event_type", ["NULL", "6"])
def test_r19_two_live_overrides_at_a_time_are_refused(rehearsal_url: str, event_type: str) -> None:
    with pytest.raises(asyncpg.ExclusionViolationError, match="one_at_a_time"):
        after(
            rehearsal_url,
            _override("2026-01-01Z", "'2026-03-01Z'", event_type),
            _override("2026-02-01Z", "NULL", event_type),
        )


@pytest.mark.parametrize(
    ("refused", "by"),
    [
        ("INSERT INTO vendors (name, email) VALUES ('x', 'ACME@shop.example')", "vendors_email_live_key"),
        (
            "INSERT INTO partners (name, email) VALUES ('x', 'Acme-blog@blog.example')",
            "partners_email_live_key",
        ),
        (
            "INSERT INTO campaign_partners (campaign_version_id, partner_id) VALUES ({acme.version_id}, {acme.partner_id})",
            "campaign_partners_live_key",
        ),
        (
            "UPDATE campaign_versions SET version_number = 0 WHERE false; UPDATE vendors SET status = 'gone'",
            "vendors_status_known",
        ),
        ("UPDATE partner_links SET redirect_status = 301", "partner_links_redirect_status_known"),
        ("UPDATE partner_links SET campaign_partner_id = NULL, destination_url = NULL", "destination_given"),
        (
            "UPDATE campaigns SET current_campaign_version_id = {bolt.version_id} WHERE campaign_id = {acme.campaign_id}",
            "current_version_of_campaign",
        ),
        ("UPDATE partner_links SET rules = '{{}}'", "partner_links_rules_shape"),
        ("UPDATE partner_links SET forward_query = '\"maybe\"'", "partner_links_forward_query_known"),
    ],
)
def test_what_the_tables_refuse(rehearsal_url: str, refused: str, by: str) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match=by):
        after(rehearsal_url, refused)


def test_r65_a_deleted_vendors_email_is_free_again(rehearsal_url: str) -> None:
    after(
        rehearsal_url,
        "UPDATE vendors SET is_deleted = true WHERE vendor_id = {acme.vendor_id}",
        "INSERT INTO vendors (name, email) VALUES ('x', 'acme@shop.example')",
    )


JOURNEY = (
    "INSERT INTO funnel_journeys (cookie_id, partner_id, campaign_version_id, journey_started_at, last_event_at)"
    " VALUES ('019aa000-0000-7000-8000-000000000001', {acme.partner_id}, {acme.version_id}, now(), now())"
)


def test_a13_a_cookie_has_one_open_journey(rehearsal_url: str) -> None:
    complete = "UPDATE funnel_journeys SET is_converted = true, journey_completed_at = now()"
    after(rehearsal_url, JOURNEY, complete, JOURNEY)
    with pytest.raises(asyncpg.UniqueViolationError, match="funnel_journeys_open_key"):
        after(rehearsal_url, JOURNEY, JOURNEY)


def test_r49_one_default_payment_method_a_partner(rehearsal_url: str) -> None:
    second = (
        "INSERT INTO partner_payment_methods (partner_id, payment_provider_id, provider_account_id, is_default)"
        " SELECT {acme.partner_id}, payment_provider_id, 'two', true FROM payment_providers"
    )
    with pytest.raises(asyncpg.UniqueViolationError, match="default_live_key"):
        after(rehearsal_url, "UPDATE partner_payment_methods SET is_default = true", second)


@pytest.mark.parametrize(
    "change",
    ["destination_url = 'https://x.example/'", "default_commission_value = 20", "cookie_duration_days = 1"],
)
def test_r54_the_terms_of_a_version_never_change(rehearsal_url: str, change: str) -> None:
    with pytest.raises(asyncpg.RestrictViolationError, match="terms"):
        after(rehearsal_url, f"UPDATE campaign_versions SET {change}")


def test_r54_what_is_not_a_term_may_change(rehearsal_url: str) -> None:
    after(rehearsal_url, "UPDATE campaign_versions SET name = 'Autumn', is_public = false, max_partners = 9")


@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET is_deleted = true"])
def test_r54_a_version_with_conversions_cannot_be_deleted(rehearsal_url: str, change: str) -> None:
    statement = change.format("campaign_versions") + " WHERE campaign_version_id = {acme.version_id}"
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        after(rehearsal_url, statement)


TIERED = (
    "INSERT INTO campaign_versions (campaign_id, version_number, name, destination_url, default_commission_type)"
    " VALUES ({acme.campaign_id}, 2, 'Tiered', 'https://shop.example/', 'tiered')"
)
TIER = (
    "INSERT INTO campaign_tiers (campaign_version_id, label, min_amount, reward_type, reward_value)"
    " SELECT max(campaign_version_id), 'Bronze', {least}, 'percentage', 5 FROM campaign_versions"
)
PUBLISH = (
    "UPDATE campaigns SET current_campaign_version_id = (SELECT max(campaign_version_id) FROM campaign_versions)"
    " WHERE campaign_id = {acme.campaign_id}"
)


def test_r10_r11_a_tiered_version_is_published_with_tiers_from_0_on_only(rehearsal_url: str) -> None:
    after(rehearsal_url, TIERED)
    after(rehearsal_url, TIERED, PUBLISH, TIER.format(least=0))
    for tiers in ([], [TIER.format(least=10)]):
        with pytest.raises(asyncpg.CheckViolationError, match="has no tier from 0 on"):
            after(rehearsal_url, TIERED, *tiers, PUBLISH)
    with pytest.raises(asyncpg.UniqueViolationError, match="campaign_tiers_min_amount_live_key"):
        after(rehearsal_url, TIERED, TIER.format(least=0), TIER.format(least=0))


@pytest.mark.parametrize(
    ("conditions", "actions", "field"),
    [
        ('{{"phase_of_moon": 1}}', "{{}}", "conditions.phase_of_moon"),
        ('{{"date_range": {{"begin": "2026-01-01"}}}}', "{{}}", "conditions.date_range.begin"),
        ("{{}}", '{{"multiplier": 2}}', "actions.multiplier"),
    ],
)
def test_r22_an_unknown_word_of_a_rule_is_refused_whoever_writes(
    rehearsal_url: str, conditions: str, actions: str, field: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match=f"{field} is not a known field"):
        after(
            rehearsal_url,
            "INSERT INTO commission_rules (campaign_version_id, name, conditions, actions)"
            f" VALUES ({{acme.version_id}}, 'rule', '{conditions}', '{actions}')",
        )


@pytest.mark.parametrize("table", ["event_commission_snapshots", "audit_logs"])
def test_r36_tenants_have_no_right_to_change_proofs(rehearsal_url: str, table: str) -> None:
    for right in ("UPDATE", "DELETE", "TRUNCATE"):
        has = f"SELECT has_table_privilege('clickledger_tenant', '{table}', '{right}')"
        assert not run(rehearsal_url, lambda db, has=has: db.fetchval(has)), right


def test_r55_max_partners_holds_when_two_approvals_meet(database_url: str) -> None:
    async def approve_two() -> list[str | BaseException]:
        first, second = await connect(database_url), await connect(database_url)
        try:
            acme, _ = await add_two_programmes(first)
            _, version_id = await add_campaign(first, acme.vendor_id, max_partners=1)
            for name in ("one", "two"):
                await enrol(first, version_id, await add_partner(first, name), "pending")
            numbers = await first.fetch(
                "SELECT campaign_partner_id FROM campaign_partners WHERE campaign_version_id = $1", version_id
            )
            sql = "UPDATE campaign_partners SET status = 'approved' WHERE campaign_partner_id = $1"
            return await asyncio.gather(
                first.execute(sql, numbers[0][0]), second.execute(sql, numbers[1][0]), return_exceptions=True
            )
        finally:
            await first.close()
            await second.close()

    answers = asyncio.run(approve_two())
    refused = [answer for answer in answers if isinstance(answer, asyncpg.CheckViolationError)]
    assert len(refused) == 1 and "UPDATE 1" in answers


def test_updated_at_moves_by_itself(database_url: str) -> None:
    async def change(db: asyncpg.Connection) -> list[bool]:
        await add_two_programmes(db)
        await db.execute("UPDATE vendors SET name = 'new'")
        await db.execute("UPDATE campaign_partners SET status = 'removed'")
        return [
            await db.fetchval(f"SELECT bool_and(updated_at > created_at) FROM {table}")
            for table in ("vendors", "campaign_partners")
        ]

    assert run(database_url, change) == [True, True]
