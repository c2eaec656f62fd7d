"""Tenancy kept by PostgreSQL: a vendor and a partner see and write their own rows, whatever the query says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from sample_ledger import Programme, add_conversion, add_partner, add_two_programmes, enrol, rehearse, run

BECOME = (
    "SELECT set_config('clickledger.role', $1, true), set_config('clickledger.vendor_id', $2, true),"
    " set_config('clickledger.partner_id', $3, true), set_config('role', 'clickledger_tenant', true)"
)

KEYS = {
    "vendors": "vendor_id",
    "partners": "partner_id",
    "campaigns": "campaign_id",
    "campaign_versions": "campaign_version_id",
    "campaign_partners": "campaign_partner_id",
    "partner_links": "partner_link_id",
    "clicks": "partner_link_id",
    "conversion_events": "conversion_event_id",
    "touches": "conversion_event_id",
    "payouts": "payout_id",
    "payout_events": "payout_id",
    "partner_payment_methods": "partner_id",
}


async def become(db: asyncpg.Connection, role: str, number: int | None = None) -> None:
    """Be that tenant until the transaction ends."""
    vendor_id = str(number) if role == "vendor" else ""
    partner_id = str(number) if role == "partner" else ""
    await db.execute(
        BECOME.replace("$1", f"'{role}'").replace("$2", f"'{vendor_id}'").replace("$3", f"'{partner_id}'")
    )


async def seen(db: asyncpg.Connection, tables: Sequence[str] = tuple(KEYS)) -> dict[str, set[int]]:
    """The numbers of the rows visible now, by table."""
    return {
        table: {row[0] for row in await db.fetch(f"SELECT {KEYS[table]} FROM {table}")} for table in tables
    }


def seen_as(url: str, role: str, do: Any = rehearse) -> tuple[dict[str, set[int]], Programme, Programme]:
    async def look(db: asyncpg.Connection) -> tuple[dict[str, set[int]], Programme, Programme]:
        acme, bolt = await add_two_programmes(db)
        async with db.transaction():
            await become(db, role, acme.vendor_id if role == "vendor" else acme.partner_id)
            return await seen(db), acme, bolt

    return do(url, look)


def test_a_vendor_sees_its_own_rows_only(rehearsal_url: str) -> None:
    rows, acme, _ = seen_as(rehearsal_url, "vendor")
    assert rows == {
        "vendors": {acme.vendor_id},
        "partners": {acme.partner_id},
        "campaigns": {acme.campaign_id},
        "campaign_versions": {acme.version_id},
        "campaign_partners": {acme.enrolment_id},
        "partner_links": {acme.link_id, acme.plain_link_id},
        "clicks": {acme.link_id, acme.plain_link_id},
        "conversion_events": {acme.conversion_id},
        "touches": {acme.conversion_id},
        "payouts": set(),
        "payout_events": set(),
        "partner_payment_methods": set(),
    }


def test_a_partner_sees_its_own_rows_only(rehearsal_url: str) -> None:
    rows, acme, _ = seen_as(rehearsal_url, "partner")
    assert rows == {
        "vendors": set(),
        "partners": {acme.partner_id},
        "campaigns": {acme.campaign_id},
        "campaign_versions": {acme.version_id},
        "campaign_partners": {acme.enrolment_id},
        "partner_links": {acme.link_id},
        "clicks": {acme.link_id},
        "conversion_events": {acme.conversion_id},
        "touches": {acme.conversion_id},
        "payouts": {acme.payout_id},
        "payout_events": {acme.payout_id},
        "partner_payment_methods": {acme.partner_id},
    }


def test_an_admin_sees_all_and_nobody_sees_nothing(database_url: str) -> None:
    rows, acme, bolt = seen_as(database_url, "admin", run)
    assert rows["partner_links"] == {acme.link_id, acme.plain_link_id, bolt.link_id, bolt.plain_link_id}
    assert all(len(numbers) >= 2 for numbers in rows.values())

    async def look_as_nobody(db: asyncpg.Connection) -> list[dict[str, set[int]]]:
        looks = []
        for role in ("", "visitor"):
            async with db.transaction():
                await become(db, role)
                looks.append(await seen(db))
        # The settings of an ended transaction are '' and must not count for anybody.
        async with db.transaction():
            await become(db, "vendor", acme.vendor_id)
        async with db.transaction():
            await db.execute("SET LOCAL ROLE clickledger_tenant")
            looks.append(await seen(db))
        return looks

    for look in run(database_url, look_as_nobody):
        assert set().union(*look.values()) == set()


def test_the_number_of_another_role_opens_nothing(rehearsal_url: str) -> None:
    async def look(db: asyncpg.Connection) -> dict[str, set[int]]:
        acme, bolt = await add_two_programmes(db)
        async with db.transaction():
            await become(db, "partner", acme.partner_id)
            await db.execute(f"SELECT set_config('clickledger.vendor_id', '{bolt.vendor_id}', true)")
            rows = await seen(db)
        assert bolt.link_id not in rows["partner_links"]
        return rows

    assert rehearse(rehearsal_url, look)["vendors"] == set()


def test_a_partner_credited_beside_another_sees_the_sale(rehearsal_url: str) -> None:
    async def look(db: asyncpg.Connection) -> tuple[set[int], int]:
        acme, _ = await add_two_programmes(db)
        second = await add_partner(db, "second")
        await enrol(db, acme.version_id, second)
        sale = await add_conversion(
            db, acme.vendor_id, "two", acme.partner_id, acme.version_id, acme.click_id
        )
        await db.execute(
            "INSERT INTO touches (conversion_event_id, converted_at, attribution_type, touch_type, partner_id,"
            " campaign_version_id, touch_weight, touch_value, click_id, occurred_at)"
            " SELECT conversion_event_id, converted_at, attribution_type, 'first', $2, campaign_version_id, 0, 0, 1,"
            " occurred_at FROM touches WHERE conversion_event_id = $1",
            sale,
            second,
        )
        async with db.transaction():
            await become(db, "partner", second)
            return (await seen(db))["conversion_events"], sale

    sales, sale = rehearse(rehearsal_url, look)
    assert sales == {sale}


@pytest.mark.parametrize(
    "table", ["outbox", "click_imports", "published_links", "cookies_0", "alembic_version"]
)
def test_the_engines_own_tables_are_closed_even_to_admins(rehearsal_url: str, table: str) -> None:
    _refused(rehearsal_url, "admin", f"SELECT * FROM {table}")


def test_a_partition_is_no_way_around(rehearsal_url: str) -> None:
    partition = run(
        rehearsal_url,
        lambda db: db.fetchval(
            "SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'clicks'::regclass"
        ),
    )
    _refused(rehearsal_url, "vendor", f"SELECT * FROM {partition}")


@pytest.mark.parametrize(
    ("role", "change"),
    [
        ("admin", "DELETE FROM partners"),
        ("admin", "UPDATE clicks SET click_class = 'bot'"),
        ("admin", "UPDATE audit_logs SET reason = ''"),
        ("admin", "UPDATE campaign_partners SET total_clicks = 0"),
        ("vendor", "UPDATE conversion_events SET commission_amount = 0"),
        ("vendor", "INSERT INTO vendors (name, email) VALUES ('x', 'x@x.example')"),
        ("vendor", "INSERT INTO campaigns (vendor_id) VALUES ({bolt.vendor_id})"),
        (
            "vendor",
            "INSERT INTO partner_links (short_code, full_url, destination_url, vendor_id)"
            " VALUES ('x', 'https://x.example/', 'https://x.example/', {bolt.vendor_id})",
        ),
        ("vendor", "UPDATE partner_links SET vendor_id = {bolt.vendor_id} WHERE vendor_id IS NOT NULL"),
        (
            "vendor",
            "INSERT INTO partner_links (short_code, full_url, campaign_partner_id) VALUES ('x', 'https://x.example/', {bolt.enrolment_id})",
        ),
        (
            "partner",
            "INSERT INTO partner_links (short_code, full_url, campaign_partner_id) VALUES ('x', 'https://x.example/', {bolt.enrolment_id})",
        ),
        (
            "partner",
            "INSERT INTO partner_links (short_code, full_url, destination_url) VALUES ('x', 'https://x.example/', 'https://x.example/')",
        ),
        (
            "partner",
            "INSERT INTO campaign_partners (campaign_version_id, partner_id, status) VALUES ({bolt.version_id}, {acme.partner_id}, 'approved')",
        ),
    ],
)
def test_writing_what_is_not_theirs_is_refused(rehearsal_url: str, role: str, change: str) -> None:
    _refused(rehearsal_url, role, change)


def test_a_link_of_both_owners_is_refused_to_everybody(rehearsal_url: str) -> None:
    async def add(db: asyncpg.Connection) -> None:
        acme, bolt = await add_two_programmes(db)
        await db.execute(
            "UPDATE partner_links SET vendor_id = $1 WHERE partner_link_id = $2", bolt.vendor_id, acme.link_id
        )

    with pytest.raises(asyncpg.CheckViolationError, match="partner_links_one_owner"):
        rehearse(rehearsal_url, add)


def test_updates_reach_own_rows_only(database_url: str) -> None:
    async def update_all(db: asyncpg.Connection) -> list[str]:
        acme, _ = await add_two_programmes(db)
        answers = []
        for role, number in (("partner", acme.partner_id), ("vendor", acme.vendor_id)):
            async with db.transaction():
                await become(db, role, number)
                answers.append(await db.execute("UPDATE partner_links SET link_label = 'mine'"))
                answers.append(await db.execute("UPDATE campaigns SET status = 'paused'"))
        return answers

    assert run(database_url, update_all) == ["UPDATE 1", "UPDATE 0", "UPDATE 2", "UPDATE 1"]


def test_a_tenants_change_reaches_the_outbox_and_the_audit_log(database_url: str) -> None:
    async def change(db: asyncpg.Connection) -> tuple[int, int]:
        acme, _ = await add_two_programmes(db)
        await db.execute("DELETE FROM outbox")
        async with db.transaction():
            await become(db, "partner", acme.partner_id)
            await db.execute("UPDATE partner_links SET is_disabled = true")
            await db.execute(
                "INSERT INTO audit_logs (entity_type, entity_id, action, actor_type)"
                " VALUES ('partner_links', 1, 'update', 'partner')"
            )
            assert await db.fetchval("SELECT count(*) FROM audit_logs") == 0
        return await db.fetchval("SELECT count(*) FROM outbox"), await db.fetchval(
            "SELECT count(*) FROM audit_logs"
        )

    assert run(database_url, change) == (1, 1)


def _refused(url: str, role: str, sql: str) -> None:
    async def attempt(db: asyncpg.Connection) -> None:
        acme, bolt = await add_two_programmes(db)
        async with db.transaction():
            await become(db, role, acme.vendor_id if role == "vendor" else acme.partner_id)
            await db.execute(sql.format(acme=acme, bolt=bolt))

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        rehearse(url, attempt)
