"""What may become of a conversion and a payout, and that nothing else may, whoever writes."""

from __future__ import annotations

import asyncpg
import pytest
from sample_ledger import add_conversion, add_payout, add_two_programmes, after, rehearse


def _conversion(url: str, *steps: str) -> None:
    async def walk(db: asyncpg.Connection) -> None:
        acme, _ = await add_two_programmes(db)
        ids = (acme.partner_id, acme.version_id, acme.click_id)
        number = await add_conversion(db, acme.vendor_id, "walk", *ids, status="pending")
        for step in steps:
            await db.execute(f"UPDATE conversion_events SET {step} WHERE conversion_event_id = $1", number)

    rehearse(url, walk)


@pytest.mark.parametrize(
    "steps",
    [
        ("status = 'approved'", "status = 'paid'"),
        ("status = 'approved'", "status = 'rejected'"),
        ("status = 'rejected'", "is_deleted = true"),
        ("is_deleted = true",),
    ],
)
def test_r3_the_lifecycle_of_a_conversion(rehearsal_url: str, steps: tuple[str, ...]) -> None:
    _conversion(rehearsal_url, *steps)


@pytest.mark.parametrize(
    "steps",
    [
        ("status = 'paid'",),
        ("status = 'rejected'", "status = 'approved'"),
        ("status = 'approved'", "status = 'pending'"),
        ("status = 'approved'", "status = 'paid'", "status = 'rejected'"),
        ("status = 'approved'", "is_deleted = true"),
        ("status = 'approved'", "status = 'paid'", "commission_amount = 1"),
    ],
)
def test_r3_r4_every_other_step_is_refused(rehearsal_url: str, steps: tuple[str, ...]) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        _conversion(rehearsal_url, *steps)


def test_r4_an_approved_conversion_cannot_be_removed(rehearsal_url: str) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        after(rehearsal_url, "DELETE FROM conversion_events")


def test_d1_a_transaction_is_recorded_once_for_ever(rehearsal_url: str) -> None:
    again = (
        "INSERT INTO conversion_events (vendor_id, conversion_event_type_id, transaction_id, currency{columns})"
        " SELECT vendor_id, conversion_event_type_id, transaction_id, 'USD'{values} FROM conversion_events"
        " WHERE conversion_event_id = {{acme.conversion_id}}"
    )
    refund = again.format(
        columns=", adjusts_conversion_event_id, adjustment_key, event_value",
        values=", conversion_event_id, 'R1', -5",
    )
    after(rehearsal_url, refund)
    with pytest.raises(asyncpg.UniqueViolationError, match="conversion_events_transaction_key"):
        after(rehearsal_url, again.format(columns="", values=""))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE payouts SET amount = 11",
        "UPDATE payout_events SET commission_amount = 9",
        "DELETE FROM payout_events",
    ],
)
def test_r45_the_amount_of_a_payout_is_the_sum_of_its_credits(rehearsal_url: str, change: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="but its credits are"):
        after(rehearsal_url, change)


def test_r46_r51_a_credit_is_in_one_live_payout_and_a_failed_one_releases_it(rehearsal_url: str) -> None:
    async def pay_twice(db: asyncpg.Connection) -> list[bool]:
        acme, _ = await add_two_programmes(db)
        with pytest.raises(asyncpg.UniqueViolationError, match="payout_events_credit_live_key"):
            await add_payout(db, acme.partner_id, acme.conversion_id)
        await db.execute("UPDATE payouts SET status = 'processing' WHERE payout_id = $1", acme.payout_id)
        await db.execute("UPDATE payouts SET status = 'failed' WHERE payout_id = $1", acme.payout_id)
        await add_payout(db, acme.partner_id, acme.conversion_id)
        rows = await db.fetch(
            "SELECT is_deleted FROM payout_events WHERE conversion_event_id = $1 ORDER BY payout_id",
            acme.conversion_id,
        )
        return [row["is_deleted"] for row in rows]

    assert rehearse(rehearsal_url, pay_twice) == [True, False]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM payout_events; DELETE FROM payouts",
        "UPDATE payouts SET amount = 1",
        "UPDATE payouts SET is_deleted = true",
        "UPDATE payouts SET status = 'failed'",
        "UPDATE payout_events SET commission_amount = 1",
    ],
)
def test_r47_a_completed_payout_never_changes(rehearsal_url: str, change: str) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        after(
            rehearsal_url,
            "UPDATE payouts SET status = 'processing'",
            "UPDATE payouts SET status = 'completed', completed_at = now()",
            change,
        )
