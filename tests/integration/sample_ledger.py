"""Rows for the tests of the schema: two vendors that know nothing of each other, with everything that hangs on them.

Tests open the database with `run` or `rehearse` and fill it with `add_two_programmes`; a `Programme` names the rows it made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import asyncpg

from schema.ids import clicked_at, first_click_id_at, wall_clock_ms

T = TypeVar("T")


class Programme(NamedTuple):
    """The numbers of one vendor's rows."""

    vendor_id: int
    campaign_id: int
    version_id: int
    partner_id: int
    enrolment_id: int
    link_id: int
    plain_link_id: int
    click_id: int
    conversion_id: int
    payout_id: int


async def connect(url: str) -> asyncpg.Connection:
    """A connection that gives up rather than hang a test."""
    return await asyncpg.connect(url, timeout=10, command_timeout=30)


def run(url: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """What `work` returns when given a connection to that database."""

    async def with_connection() -> T:
        connection = await connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close(timeout=10)

    return asyncio.run(with_connection())


def rehearse(url: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """The same in a transaction that is rolled back in the end, deferred constraints having been checked."""

    async def in_transaction(connection: asyncpg.Connection) -> T:
        transaction = connection.transaction()
        await transaction.start()
        try:
            answer = await work(connection)
            await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            return answer
        finally:
            await transaction.rollback()

    return run(url, in_transaction)


def after(url: str, *statements: str) -> None:
    """Rehearse these statements on the sample ledger; `{acme.…}` and `{bolt.…}` stand for its numbers."""

    async def execute(db: asyncpg.Connection) -> None:
        acme, bolt = await add_two_programmes(db)
        for sql in statements:
            await db.execute(sql.format(acme=acme, bolt=bolt))

    rehearse(url, execute)


async def add_two_programmes(db: asyncpg.Connection) -> tuple[Programme, Programme]:
    """Two programmes side by side."""
    return await add_programme(db, "acme"), await add_programme(db, "bolt")


async def add_programme(db: asyncpg.Connection, name: str) -> Programme:
    """One vendor, campaign, partner, enrolment, links, a click on each link, a conversion, its touch and payout."""
    vendor_id = await db.fetchval(
        "INSERT INTO vendors (name, email) VALUES ($1, $2) RETURNING vendor_id", name, f"{name}@shop.example"
    )
    campaign_id, version_id = await add_campaign(db, vendor_id)
    partner_id = await add_partner(db, f"{name}-blog")
    enrolment_id = await enrol(db, version_id, partner_id)
    link_id = await add_link(db, f"{name}-link", enrolment_id)
    plain_link_id = await add_link(db, f"{name}-plain", None, vendor_id)
    click_id = await add_click(db, link_id, partner_id, version_id)
    await add_click(db, plain_link_id, None, None)
    conversion_id = await add_conversion(db, vendor_id, f"{name}-1", partner_id, version_id, click_id)
    payout_id = await add_payout(db, partner_id, conversion_id)
    return Programme(
        vendor_id,
        campaign_id,
        version_id,
        partner_id,
        enrolment_id,
        link_id,
        plain_link_id,
        click_id,
        conversion_id,
        payout_id,
    )


async def add_campaign(
    db: asyncpg.Connection, vendor_id: int, max_partners: int | None = None
) -> tuple[int, int]:
    """A campaign with its first version."""
    campaign_id = await db.fetchval(
        "INSERT INTO campaigns (vendor_id) VALUES ($1) RETURNING campaign_id", vendor_id
    )
    version_id = await db.fetchval(
        "INSERT INTO campaign_versions (campaign_id, version_number, name, destination_url,"
        " default_commission_type, default_commission_value, max_partners)"
        " VALUES ($1, 1, 'Summer', 'https://shop.example/', 'percentage', 10, $2) RETURNING campaign_version_id",
        campaign_id,
        max_partners,
    )
    await db.execute(
        "UPDATE campaigns SET current_campaign_version_id = $2 WHERE campaign_id = $1",
        campaign_id,
        version_id,
    )
    return campaign_id, version_id


async def add_partner(db: asyncpg.Connection, name: str) -> int:
    """An active partner."""
    sql = "INSERT INTO partners (name, email, status) VALUES ($1, $2, 'active') RETURNING partner_id"
    return int(await db.fetchval(sql, name, f"{name}@blog.example"))


async def enrol(db: asyncpg.Connection, version_id: int, partner_id: int, status: str = "approved") -> int:
    """An enrolment."""
    sql = (
        "INSERT INTO campaign_partners (campaign_version_id, partner_id, status)"
        " VALUES ($1, $2, $3) RETURNING campaign_partner_id"
    )
    return int(await db.fetchval(sql, version_id, partner_id, status))


async def add_link(
    db: asyncpg.Connection, code: str, enrolment_id: int | None, vendor_id: int | None = None
) -> int:
    """A link of an enrolment, or a plain one."""
    sql = (
        "INSERT INTO partner_links (short_code, full_url, campaign_partner_id, vendor_id, destination_url)"
        " VALUES ($1, 'https://shop.example/', $2, $3, 'https://shop.example/') RETURNING partner_link_id"
    )
    return int(await db.fetchval(sql, code, enrolment_id, vendor_id))


async def add_click(
    db: asyncpg.Connection, link_id: int, partner_id: int | None, version_id: int | None
) -> int:
    """A valid click of now; the link's number keeps the ids apart."""
    click_id = first_click_id_at(wall_clock_ms()) + link_id
    await db.execute(
        "INSERT INTO clicks (click_id, clicked_at, partner_link_id, partner_id, campaign_version_id, click_class)"
        " VALUES ($1, $2, $3, $4, $5, 'valid')",
        click_id,
        clicked_at(click_id),
        link_id,
        partner_id,
        version_id,
    )
    return click_id


async def add_conversion(
    db: asyncpg.Connection,
    vendor_id: int,
    transaction_id: str,
    partner_id: int,
    version_id: int,
    click_id: int,
    status: str = "approved",
) -> int:
    """A sale of 100.00 that earned 10.00 by last click, with its touch."""
    now = datetime.now(UTC)
    conversion_id = await db.fetchval(
        "INSERT INTO conversion_events (vendor_id, conversion_event_type_id, transaction_id, status, event_value,"
        " currency, commission_amount, partner_id, campaign_version_id, click_id, clicked_at, occurred_at)"
        " SELECT $1, conversion_event_type_id, $2, $3, 100, 'USD', 10, $4, $5, $6, $7, $8"
        " FROM conversion_event_types WHERE name = 'sale' RETURNING conversion_event_id",
        vendor_id,
        transaction_id,
        status,
        partner_id,
        version_id,
        click_id,
        clicked_at(click_id),
        now,
    )
    await db.execute(
        "INSERT INTO touches (conversion_event_id, converted_at, attribution_type, touch_type, partner_id,"
        " campaign_version_id, touch_weight, touch_value, click_id, occurred_at)"
        " VALUES ($1, $2, 'last_click', 'only', $3, $4, 1, 10, $5, $6)",
        conversion_id,
        now,
        partner_id,
        version_id,
        click_id,
        clicked_at(click_id),
    )
    return int(conversion_id)


async def add_payout(db: asyncpg.Connection, partner_id: int, *conversion_ids: int) -> int:
    """A pending payout of 10.00 a conversion, into a new default account."""
    async with db.transaction():
        await db.execute(
            "INSERT INTO payment_providers (name, display_name) VALUES ('paypal', 'PayPal') ON CONFLICT DO NOTHING"
        )
        method_id = await db.fetchval(
            "INSERT INTO partner_payment_methods (partner_id, payment_provider_id, provider_account_id, is_verified)"
            " SELECT $1, payment_provider_id, gen_random_uuid()::text, true FROM payment_providers"
            " RETURNING partner_payment_method_id",
            partner_id,
        )
        payout_id = await db.fetchval(
            "INSERT INTO payouts (partner_id, amount, start_date, end_date, partner_payment_method_id,"
            " payment_provider_id) SELECT partner_id, $2, now() - interval '1 month', now(),"
            " partner_payment_method_id, payment_provider_id FROM partner_payment_methods"
            " WHERE partner_payment_method_id = $1 RETURNING payout_id",
            method_id,
            10 * len(conversion_ids),
        )
        await db.execute(
            "INSERT INTO payout_events (payout_id, conversion_event_id, partner_id, commission_amount)"
            " SELECT $1, conversion_id, $3, 10 FROM unnest($2::bigint[]) AS credit (conversion_id)",
            payout_id,
            list(conversion_ids),
            partner_id,
        )
    return int(payout_id)
