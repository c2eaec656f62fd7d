"""Approval with its proof, rejection, hold periods, milestones, refunds after each state, late clicks."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from attribution.keys import ADMIN
from attribution.lifecycle import approve
from tests.ledger_bed import NOW, Ledger, ago, disagreements, on_ledger


async def _sold(ledger: Ledger, transaction: str = "T1", amount: str = "100.00", **more: Any) -> int:
    """An attributed sale of A and B."""
    await ledger.click("A", ago(3))
    await ledger.click("B", ago(2))
    number = await ledger.sale(transaction, amount, **more)
    await ledger.attribute()
    return number


async def _pay(ledger: Ledger, number: int) -> None:
    await ledger.db.execute(
        "UPDATE conversion_events SET status = 'paid', paid_at = now() WHERE conversion_event_id = $1", number
    )


def test_r3_r37_every_other_transition_is_refused_and_all_are_audited(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        number = await _sold(ledger)
        assert (await ledger.approve(number)).is_done
        assert (await ledger.approve(number)).reason == "lifecycle"
        assert (await ledger.reject(number)).is_done
        assert (await ledger.reject(number)).reason == "lifecycle"
        assert (await ledger.approve(number)).reason == "lifecycle"
        assert (await ledger.approve(10**9)).reason == "unknown"
        rows = await ledger.db.fetch(
            "SELECT action, actor_type, changes FROM audit_logs WHERE entity_id = $1 ORDER BY audit_log_id",
            number,
        )
        assert [row["action"] for row in rows] == [
            "approve",
            "approve_refused",
            "reject",
            "reject_refused",
            "approve_refused",
        ]
        assert json.loads(rows[0]["changes"]) == {
            "before": {"status": "pending"},
            "after": {"status": "approved"},
            "changed_fields": ["status"],
        }
        assert await ledger.credits(number) == {}
        await disagreements(ledger)

    on_ledger(database_url, work)


def test_r35_r38_the_snapshot_answers_after_the_rule_is_gone(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        number_of_rule = await ledger.rule({}, {"commission_multiplier": "0.5"}, "half price")
        number = await _sold(ledger)
        await ledger.approve(number)
        await ledger.db.execute("UPDATE commission_rules SET is_deleted = true, deleted_at = now()")
        rows = await ledger.db.fetch("SELECT * FROM event_commission_snapshots ORDER BY partner_id")
        assert [(row["partner_id"], row["commission_amount"]) for row in rows] == [
            (ledger.partners["A"], Decimal("2.50")),
            (ledger.partners["B"], Decimal("2.50")),
        ]
        row = rows[0]
        assert (row["commission_type"], row["commission_value"], row["commission_rule_id"]) == (
            "percentage",
            10,
            number_of_rule,
        )
        terms = json.loads(row["terms"])
        priced = terms["terms"]["partners"][str(ledger.partners["B"])]
        assert (priced["multiplier"], priced["considered"][0]["label"]) == ("0.5", "half price")
        assert (terms["event"], terms["event_value"], terms["weight"]) == ("sale", 100.0, 0.5)

    on_ledger(database_url, work, attribution_model="linear")


@pytest.mark.parametrize("table", ["event_commission_snapshots", "audit_logs"])
@pytest.mark.parametrize("change", ["UPDATE {} SET is_deleted = true", "DELETE FROM {}"])
def test_r36_proofs_refuse_changes(database_url: str, table: str, change: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.approve(await _sold(ledger))
        with pytest.raises(asyncpg.RestrictViolationError):
            await ledger.db.execute(change.format(table))

    on_ledger(database_url, work)


@pytest.mark.parametrize("column", ["approved_at", "occurred_at"])
def test_h1_the_date_of_an_approval_is_final(database_url: str, column: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.approve(await _sold(ledger))
        with pytest.raises(asyncpg.RestrictViolationError, match="dates"):
            await ledger.db.execute(f"UPDATE conversion_events SET {column} = {column} - interval '1 day'")

    on_ledger(database_url, work)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE conversion_events SET commission_amount = 1",
        "UPDATE conversion_credits SET amount = 1",
        "DELETE FROM conversion_credits",
        "UPDATE touches SET is_deleted = true",
    ],
)
def test_r4_what_is_approved_stays(database_url: str, change: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.approve(await _sold(ledger))
        with pytest.raises(asyncpg.RestrictViolationError):
            await ledger.db.execute(change)

    on_ledger(database_url, work)


def test_h1_approval_waits_for_the_hold_period_and_then_comes_by_itself(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        now = await ledger.db.fetchval("SELECT date_trunc('milliseconds', now())")
        for number in range(1, 5):
            await ledger.click("A", now - timedelta(days=9), number, visitor_hash=number)
        early = await ledger.sale("T1", at=now - timedelta(days=6))
        due = await ledger.sale("T2", at=now - timedelta(days=7), cookie_number=2)
        held = await ledger.sale("T3", at=now - timedelta(days=7), cookie_number=3)
        low = await ledger.sale(
            "T4", at=now - timedelta(days=8, hours=12), cookie_number=None, visitor_hashes=[4]
        )
        await ledger.db.execute("UPDATE conversion_events SET is_held = false")
        assert (await ledger.approve(early)).reason == "not_attributed"
        await ledger.db.execute(
            "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.is_held := true;"
            " NEW.hold_reason := 'look'; RETURN NEW; END $$"
        )
        await ledger.db.execute(
            f"CREATE TRIGGER hold BEFORE UPDATE ON conversion_events FOR EACH ROW"
            f" WHEN (NEW.conversion_event_id = {held}) EXECUTE FUNCTION hold()"
        )
        await ledger.attribute()
        states = {one: (await ledger.row(one))["status"] for one in (early, due, held, low)}
        assert states == {early: "pending", due: "approved", held: "pending", low: "pending"}
        assert (await ledger.row(low))["attribution_confidence"] == "low"
        assert (await ledger.approve(early)).reason == "hold_period"
        assert (await ledger.row(low))["hold_reason"] == "low_confidence"
        assert (await ledger.approve(low)).reason == "held"
        assert (await ledger.approve(low, lifts_hold=True)).is_done

    on_ledger(database_url, work, hold_days=7)


async def _milestones(ledger: Ledger) -> None:
    for name, target, value in (("First", 1, 50), ("Third", 3, 70), ("Fourth", 4, 90)):
        await ledger.db.execute(
            "WITH r AS (INSERT INTO rewards (name, reward_type, reward_value) VALUES ($1, 'flat', $2) RETURNING reward_id)"
            " INSERT INTO campaign_milestones (campaign_version_id, reward_id, name, event_type, target_count)"
            " SELECT $3, reward_id, $1, 'sale', $4 FROM r",
            name,
            Decimal(value),
            ledger.version_id,
            target,
        )


def test_r39_r40_r41_r42_r43_milestones_are_paid_once_each_under_concurrency_and_stay(
    database_url: str,
) -> None:
    async def work(ledger: Ledger) -> None:
        await _milestones(ledger)
        await ledger.click("A", ago(1))
        numbers = [await ledger.sale(f"T{number}") for number in range(12)]
        await ledger.attribute()
        assert await _bonuses(ledger) == []
        async with asyncpg.create_pool(ledger.url, min_size=12, max_size=12) as pool:
            await asyncio.gather(*(_approve(pool, number) for number in numbers))
        assert await _bonuses(ledger) == [Decimal(50), Decimal(70), Decimal(90)]
        await ledger.refund("T1", None, "R1")
        await ledger.attribute()
        assert await _bonuses(ledger) == [Decimal(50), Decimal(70), Decimal(90)]
        await disagreements(ledger)
        assert (
            await ledger.db.fetchval(
                "SELECT count(*) FROM event_commission_snapshots s JOIN conversion_events c USING (conversion_event_id)"
                " WHERE c.campaign_milestone_id IS NOT NULL"
            )
            == 3
        )

    on_ledger(database_url, work)


def test_r40_r42_a_campaign_may_count_pending_conversions(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await _milestones(ledger)
        await ledger.click("A", ago(1))
        numbers = [await ledger.sale(f"T{number}") for number in range(2)]
        await ledger.attribute()
        assert await _bonuses(ledger, "pending") == [Decimal(50)]
        numbers += [await ledger.sale(f"T{number}") for number in range(2, 12)]
        await ledger.attribute(attributors=3)
        assert await _bonuses(ledger, "pending") == [Decimal(50), Decimal(70), Decimal(90)]
        assert (await ledger.approve(numbers[0])).is_done
        assert await _bonuses(ledger, "approved") == []
        bonus = await ledger.db.fetchval(
            "SELECT conversion_event_id FROM conversion_events WHERE campaign_milestone_id IS NOT NULL"
            " ORDER BY commission_amount LIMIT 1"
        )
        assert (await ledger.approve(bonus)).is_done
        assert await _bonuses(ledger, "approved") == [Decimal(50)]
        assert await ledger.credits(bonus) == {"A": Decimal(50)}
        await disagreements(ledger)

    on_ledger(database_url, work, is_pending_counted=True)


def test_r40_what_is_held_or_another_partner_s_counts_towards_nothing(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await _milestones(ledger)
        own = await ledger.db.fetchval("SELECT email FROM partners WHERE name = 'A'")
        await ledger.click("A", ago(1))
        held = await ledger.sale("T1", email=own)
        await ledger.attribute()
        assert await _bonuses(ledger, "pending") == []
        await ledger.approve(held, lifts_hold=True)
        assert await _bonuses(ledger, "approved") == [Decimal(50)]

    on_ledger(database_url, work, is_pending_counted=True)


async def _approve(pool: asyncpg.Pool, number: int) -> None:
    async with pool.acquire() as connection:
        assert (await approve(connection, number, ADMIN)).is_done


async def _bonuses(ledger: Ledger, status: str = "approved") -> list[Decimal]:
    rows = await ledger.db.fetch(
        "SELECT commission_amount FROM conversion_events WHERE campaign_milestone_id IS NOT NULL"
        " AND status = $1 ORDER BY commission_amount",
        status,
    )
    return [row[0] for row in rows]


def test_golden_refunds_delta_by_delta(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        for partner, days in (("A", 3), ("B", 2), ("C", 1)):
            await ledger.click(partner, ago(days))
        number = await ledger.sale("T1")
        await ledger.refund("T1", "33.33", "R1")
        await ledger.attribute()
        for refund_id, amount in (("R2", "33.33"), ("R3", "33.34")):
            await ledger.refund("T1", amount, refund_id)
            await ledger.attribute()
        rows = await ledger.db.fetch(
            "SELECT t.touch_value FROM touches t JOIN conversion_events c USING (conversion_event_id)"
            " WHERE c.adjusts_conversion_event_id = $1 AND t.attribution_type = 'linear' AND NOT t.is_deleted"
            " ORDER BY c.adjustment_key, t.occurred_at",
            number,
        )
        assert [int(row[0] * 100) for row in rows] == [-111, -111, -111, -112, -111, -111, -111, -111, -111]
        assert ((await ledger.row(number))["status"], (await ledger.row(number))["rejection_reason"]) == (
            "rejected",
            "refund",
        )
        assert await ledger.credits(number) == {}
        await disagreements(ledger)

    on_ledger(database_url, work, attribution_model="linear")


@pytest.mark.parametrize(("flat_refund", "left"), [("keep", "5.00"), ("prorate", "2.50")])
def test_flat_commissions_keep_or_prorate(database_url: str, flat_refund: str, left: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.click("A", ago(1))
        number = await ledger.sale("T1")
        await ledger.refund("T1", "50.00", "R1")
        await ledger.attribute()
        assert await ledger.credits(number) == {"A": Decimal(left)}
        await ledger.refund("T1", "50.00", "R2")
        await ledger.attribute()
        assert await ledger.credits(number) == {}

    terms = {
        "default_commission_type": "flat",
        "default_commission_value": Decimal(5),
        "flat_refund": flat_refund,
    }
    on_ledger(database_url, work, **terms)


def test_a18_a_refund_after_approval_is_approved_with_proof_of_its_own(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        number = await _sold(ledger)
        await ledger.approve(number)
        await ledger.refund("T1", "25.00", "R1")
        await ledger.attribute()
        assert (await ledger.row(number))["commission_amount"] == 10
        assert await ledger.credits(number) == {"A": Decimal("3.75"), "B": Decimal("3.75")}
        rows = await ledger.db.fetch("SELECT commission_amount FROM event_commission_snapshots ORDER BY 1")
        assert [row[0] for row in rows] == [Decimal("-1.25")] * 2 + [Decimal("5.00")] * 2
        await ledger.refund("T1", None, "R2")
        await ledger.attribute()
        assert (await ledger.row(number))["status"] == "rejected"
        assert await ledger.credits(number) == {}
        await disagreements(ledger)

    on_ledger(database_url, work, attribution_model="linear")


def test_s3_what_was_paid_never_changes_and_is_taken_back_by_a_negative_row(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        number = await _sold(ledger)
        await ledger.approve(number)
        await _pay(ledger, number)
        before = await ledger.row(number)
        await ledger.refund("T1", None, "CB1", reason="chargeback")
        await ledger.refund("T1", None, "CB1", reason="chargeback")
        await ledger.attribute()
        assert await ledger.row(number) == before
        assert await ledger.credits(number) == {"B": Decimal(0)}
        await ledger.refund("T1", None, "CB1-won", reason="chargeback_reversed", at=NOW + timedelta(days=9))
        await ledger.attribute()
        assert await ledger.credits(number) == {"B": Decimal(10)}
        rows = await ledger.db.fetch(
            "SELECT status, commission_amount FROM conversion_events WHERE adjusts_conversion_event_id = $1"
            " ORDER BY conversion_event_id",
            number,
        )
        assert [tuple(row) for row in rows] == [("approved", Decimal(-10)), ("approved", Decimal(10))]
        await disagreements(ledger)

    on_ledger(database_url, work)


def test_s3_a_reversed_chargeback_of_a_rejected_sale_pays_again(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        number = await _sold(ledger)
        await ledger.refund("T1", None, "CB1", reason="chargeback")
        await ledger.attribute()
        assert await ledger.credits(number) == {}
        await ledger.refund("T1", None, "CB1-won", reason="chargeback_reversed", at=NOW + timedelta(days=9))
        await ledger.attribute()
        assert await ledger.credits(number) == {"B": Decimal(10)}
        await disagreements(ledger)

    on_ledger(database_url, work)


def test_a_refund_in_another_currency_is_refused_and_one_too_early_waits(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.refund("T1", "10.00", "R1", currency="EUR")
        await ledger.refund("T2", "10.00", "R1")
        await ledger.attribute()
        await _sold(ledger)
        rows = await ledger.db.fetch("SELECT state, state_reason FROM refund_reports ORDER BY transaction_id")
        assert [tuple(row) for row in rows] == [("refused", "the conversion is in USD"), ("waiting", None)]

    on_ledger(database_url, work)


def test_a_refund_of_an_organic_sale_is_recorded_without_touches(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        number = await ledger.sale("T1")
        await ledger.refund("T1", "10.00", "R1")
        await ledger.attribute()
        row = await ledger.db.fetchrow(
            "SELECT event_value, commission_amount FROM conversion_events WHERE adjusts_conversion_event_id = $1",
            number,
        )
        assert tuple(row) == (Decimal(-10), Decimal(0))
        await disagreements(ledger)

    on_ledger(database_url, work)


def test_l2_a_late_click_attributes_again_unless_approved(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        pending = await _sold(ledger)
        approved = await ledger.sale("T2")
        await ledger.refund("T1", "50.00", "R1")
        await ledger.attribute()
        await ledger.approve(approved)
        late = await ledger.click("C", ago(1), is_late=True)
        await ledger.attribute()
        assert await ledger.credits(pending) == {"C": Decimal("5.00")}
        assert await ledger.credits(approved) == {"B": Decimal("10.00")}
        row = await ledger.db.fetchrow(
            "SELECT entity_id, changes FROM audit_logs WHERE action = 'late_click_ignored'"
        )
        assert (row["entity_id"], json.loads(row["changes"])) == (approved, {"click_ids": [str(late)]})
        assert await ledger.db.fetchval("SELECT count(*) FROM audit_logs WHERE action = 'reattribute'") == 1
        dead = await ledger.db.fetchval(
            "SELECT count(*) FROM touches WHERE is_deleted AND deleted_at IS NOT NULL"
        )
        assert dead == 2 * 5 * 2
        await disagreements(ledger)

    on_ledger(database_url, work)


def test_l2_a_lifted_hold_stays_lifted_when_attributed_again(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        email = await ledger.db.fetchval("SELECT email FROM partners WHERE name = 'B'")
        number = await _sold(ledger, email=email)
        await ledger.lift(number)
        await ledger.click("B", ago(1), is_late=True)
        await ledger.attribute()
        row = await ledger.row(number)
        assert not row["is_held"] and len(await ledger.touches(number)) == 3

    on_ledger(database_url, work)


def test_an_awaited_conversion_tells_its_outcome_once(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        number = await _sold(ledger, is_awaited=True)
        await ledger.click("C", ago(1), is_late=True)
        await ledger.attribute()
        rows = await ledger.db.fetch("SELECT entity_id, payload FROM outbox WHERE topic = 'outcome'")
        assert [row["entity_id"] for row in rows] == [number]
        body = json.loads(rows[0]["payload"])
        assert (body["outcome"], body["status"], body["credits"]) == (
            "attributed",
            "pending",
            [{"partner_id": ledger.partners["B"], "amount": "10.00"}],
        )

    on_ledger(database_url, work)
