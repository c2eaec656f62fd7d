"""The audit of the ledger's money: clean after everything the ledger can do, and each broken sum is found and named."""

from __future__ import annotations

from datetime import timedelta

import pytest

from attribution.recompute import recompute
from attribution.verify import Check, check_named, verify_ledger
from tests.ledger_bed import NOW, Ledger, ago, on_ledger

MONEY = (
    "touches_sum_to_commission", "touch_weights_sum_to_one", "credits_equal_touches", "touches_have_conversions",
    "touches_have_clicks", "adjustments_telescope", "reports_exactly_once", "snapshots_prove_credits",
    "money_totals_equal_recount", "journeys_weigh_one", "splits_equal_recomputation",
)  # fmt: skip


async def everything(ledger: Ledger) -> None:
    """Journeys of several lengths and currencies, two ways of pricing, coupons, refunds in every state, approvals,
    rejections, a late click."""
    for number in range(1, 9):
        for days, partner in ((3, "A"), (2, "B"), (1, "C"), (0.5, "A"))[: number % 4 + 1]:
            await ledger.click(partner, ago(days, seconds=number), number)
    sales = [
        await ledger.sale(f"T{number}", "33.33", cookie_number=number, at=NOW - timedelta(minutes=number))
        for number in range(1, 7)
    ]
    await ledger.sale("J1", "999", cookie_number=7, currency="JPY")
    await ledger.sale("K1", "1.235", cookie_number=8, currency="KWD")
    await ledger.sale("T0", cookie_number=77)
    await ledger.attribute()
    assert (await ledger.approve(sales[0])).is_done and (await ledger.approve(sales[1])).is_done
    assert (await ledger.reject(sales[2])).is_done
    for transaction in ("T1", "T4", "T5"):
        await ledger.refund(transaction, "11.11", "R1")
        await ledger.refund(transaction, "11.11", "R2")
    await ledger.refund("T5", None, "R3")
    await ledger.attribute()
    await ledger.click("B", ago(2.5), 6, is_late=True)
    await ledger.attribute()


async def fill(ledger: Ledger) -> None:
    await everything(ledger)
    await ledger.override("B", "5")
    await ledger.add_campaign(attribution_model="time_decay", pricing="per_partner", name="Winter")
    await ledger.override("A", "20")
    await ledger.click("A", ago(4), 20)
    await ledger.click("B", ago(1), 20)
    await ledger.sale("W1", "100.00", cookie_number=20)
    await ledger.attribute()


async def cookies_of_clicks(ledger: Ledger) -> None:
    """What the writer keeps beside the clicks, which this bed does not."""
    await ledger.db.execute(
        "INSERT INTO cookies (cookie_id, first_click_id, last_click_id, first_partner_id, last_partner_id,"
        " last_campaign_version_id, expires_at)"
        " SELECT cookie_id, min(click_id), max(click_id), (array_agg(partner_id ORDER BY click_id))[1],"
        " (array_agg(partner_id ORDER BY click_id DESC))[1],"
        " (array_agg(campaign_version_id ORDER BY click_id DESC))[1], now()"
        " FROM clicks WHERE click_class = 'valid' AND cookie_id IS NOT NULL GROUP BY 1"
    )


def test_all_the_ledger_can_do_leaves_clean_books(database_url: str) -> None:
    async def work(ledger: Ledger) -> dict[str, Check]:
        await fill(ledger)
        await cookies_of_clicks(ledger)
        return {check.name: check for check in await verify_ledger(ledger.url)}

    checks = on_ledger(database_url, work, attribution_model="linear")
    # The bed stores clicks without the writer, who keeps their rollups.
    assert [check for name, check in checks.items() if name != "rollups_equal_raw" and not check.ok] == []
    assert all(checks[name].examined > 0 for name in MONEY)
    assert checks["splits_equal_recomputation"].examined == 9 * 5


BROKEN = (
    ("UPDATE touches SET touch_value = touch_value + 0.01 WHERE touch_id = (SELECT min(touch_id) FROM touches WHERE NOT is_deleted)", "touches_sum_to_commission"),
    ("DELETE FROM touches WHERE attribution_type = 'time_decay'", "touches_sum_to_commission"),
    ("UPDATE touches SET touch_weight = touch_weight / 2 WHERE attribution_type = 'linear'", "touch_weights_sum_to_one"),
    ("UPDATE conversion_credits SET amount = amount + 0.01", "credits_equal_touches"),
    ("DELETE FROM conversion_credits", "credits_equal_touches"),
    ("UPDATE conversion_credits SET currency = 'EUR'", "credits_equal_touches"),
    ("UPDATE touches SET partner_id = 999", "touches_have_conversions"),
    ("DELETE FROM clicks WHERE partner_id = 1 AND clicked_at > (SELECT min(clicked_at) FROM clicks)", "touches_have_clicks"),
    ("UPDATE conversion_events SET event_value = event_value - 1 WHERE adjusts_conversion_event_id IS NOT NULL", "adjustments_telescope"),
    ("DELETE FROM touches USING conversion_events e WHERE e.conversion_event_id = touches.conversion_event_id AND e.adjustment_key = 'R3'", "adjustments_telescope"),
    ("UPDATE refund_reports SET refund_id = refund_id || 'x'", "reports_exactly_once"),
    ("UPDATE refund_reports SET state = 'waiting'", "reports_exactly_once"),
    ("UPDATE event_commission_snapshots SET commission_amount = 0", "snapshots_prove_credits"),
    ("DELETE FROM event_commission_snapshots", "snapshots_prove_credits"),
    ("UPDATE campaign_partners SET total_conversions = total_conversions + 1", "money_totals_equal_recount"),
    ("UPDATE campaign_partners SET total_revenue = total_revenue - 1", "money_totals_equal_recount"),
    ("UPDATE campaign_partners SET total_commission_earned = 0", "money_totals_equal_recount"),
    ("UPDATE funnel_journeys SET attribution_map = '{}'", "journeys_weigh_one"),
    ("UPDATE touches SET touch_value = CASE WHEN touch_type = 'first' THEN touch_value - 0.01 ELSE touch_value + 0.01 END WHERE attribution_type = 'linear' AND touch_type IN ('first', 'last')", "splits_equal_recomputation"),
    ("UPDATE conversion_events SET terms = jsonb_set(terms, '{half_life_ms}', '1') WHERE terms IS NOT NULL", "splits_equal_recomputation"),
)  # fmt: skip


def test_what_does_not_add_up_is_found(database_url: str) -> None:
    """Each on the same ledger, in a transaction that is undone: triggers are asleep for the one who breaks in."""

    async def work(ledger: Ledger) -> list[str]:
        await fill(ledger)
        unfound = []
        for statement, name in BROKEN:
            check = await broken(ledger, statement, name)
            if check.ok or not 1 <= len(check.detail) <= 5 or check.violations < len(check.detail):
                unfound.append(f"{name} after {statement}: {check}")
        return unfound

    assert on_ledger(database_url, work, attribution_model="linear") == []


async def broken(ledger: Ledger, statement: str, name: str) -> Check:
    transaction = ledger.db.transaction()
    await transaction.start()
    try:
        await ledger.db.execute("SET LOCAL session_replication_role = replica")
        await ledger.db.execute(statement)
        return await check_named(ledger.db, name)
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("days", [0, 800])
def test_dropped_clicks_are_not_missed_and_keep_their_touches(database_url: str, days: int) -> None:
    """Retention drops old partitions of clicks: neither `verify` nor `recompute` takes that for a fault."""

    async def work(ledger: Ledger) -> None:
        await everything(ledger)
        await cookies_of_clicks(ledger)
        if days:
            await ledger.db.execute("DROP TABLE clicks_202606")
            await ledger.click("A", NOW + timedelta(days=days), 99)
            await cookies_of_clicks_after_drop(ledger)
        checks = await verify_ledger(ledger.url)
        assert [check for check in checks if check.name in MONEY and not check.ok] == []
        done = await recompute(ledger.url, NOW - timedelta(days=30), NOW + timedelta(days=30))
        assert done.changed == 0 and done.failures == []

    on_ledger(database_url, work, attribution_model="linear")


async def cookies_of_clicks_after_drop(ledger: Ledger) -> None:
    await ledger.db.execute("DELETE FROM cookies")
    await cookies_of_clicks(ledger)
