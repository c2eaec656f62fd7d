"""The same facts in any order of arrival, by any number of attributors, come to the same ledger to the last cent."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.ledger_bed import NOW, Ledger, ago, cookie, disagreements, on_ledger

Fact = Callable[[], Coroutine[Any, Any, Any]]
COOKIES = 6


async def _facts(ledger: Ledger, run: int, shape: random.Random) -> list[Fact]:
    """Clicks, sales, renewals, refunds and links of one vendor; the same for the same shape, whatever the run."""
    base, first = run * 100, ledger.version_id
    await ledger.rule({"customer_lifetime_value_min": "150"}, {"bonus_flat": "1.11"})
    await ledger.rule({"is_first_purchase": True}, {"commission_multiplier": "1.1"})
    await ledger.add_campaign(
        tiers=((0, 5), (150, 8), (400, 11)),
        attribution_model="time_decay",
        pricing="per_partner",
        cookie_duration_days=12,
    )
    await ledger.db.execute(
        "INSERT INTO partner_coupons (vendor_id, code, partner_id, campaign_version_id, valid_from)"
        " VALUES ($1, 'only-c', $2, $3, '2020-01-01Z')",
        ledger.vendor_id,
        ledger.partners["C"],
        first,
    )
    versions = (first, ledger.version_id)
    facts: list[Fact] = []
    for number in range(24):
        partner, where = shape.choice("ABC"), base + shape.randrange(COOKIES - 2)
        at = ago(shape.randrange(1, 20), minutes=shape.randrange(600))
        facts.append(_click(ledger, partner, at, where, base + number, shape.choice(versions)))
    for number in range(14):
        facts += _sale(ledger, base, number, shape)
    for customer in range(3):
        where, at = base + shape.randrange(COOKIES), ago(shape.randrange(2, 25))
        facts.append(lambda customer=customer, where=where, at=at: ledger.link(f"c-{customer}", where, at))
    return facts


def _click(ledger: Ledger, partner: str, at: Any, where: int, number: int, version_id: int) -> Fact:
    return lambda: ledger.click(partner, at, where, number=number, version_id=version_id, is_late=True)


def _sale(ledger: Ledger, base: int, number: int, shape: random.Random) -> list[Fact]:
    name = f"{base}-T{number}"
    at = ago(shape.randrange(0, 10), minutes=shape.randrange(600))
    columns: dict[str, Any] = {
        "at": at,
        "cookie_number": base + shape.randrange(COOKIES),
        "customer": f"c-{shape.randrange(3)}" if shape.random() < 0.6 else None,
        "coupon": "only-c" if shape.random() < 0.15 else None,
        "event": shape.choice(["sale", "sale", "sale", "signup", "upgrade", "page_view"]),
    }
    if number % 5 == 4:
        columns |= {"event": "subscription", "parent_transaction_id": f"{base}-T{number - 4}"}
    amount = f"{shape.randrange(1, 20_000) / 100:.2f}"
    sold = [lambda: ledger.sale(name, amount, **columns)]
    for refund in range(shape.choice([0, 0, 0, 1, 2])):
        part = None if shape.random() < 0.3 else f"{Decimal(amount) / 3:.2f}"
        when = at + timedelta(days=refund + 1)
        sold.append(
            lambda refund=refund, part=part, when=when: ledger.refund(
                name, part, f"R{refund}", at=when, event=columns["event"]
            )
        )
    return sold


async def _deliver(ledger: Ledger, facts: list[Fact], order: random.Random, attributors: int) -> None:
    for fact in facts:
        await fact()
        if order.random() < 0.25:
            await ledger.attribute(attributors)
    # A renewal whose first sale came late enough has given up waiting for it; here all came within the minutes.
    await ledger.attribute(attributors)


async def _picture(ledger: Ledger, run: int) -> dict[str, Any]:
    """Everything the ledger says, without the numbers that depend on the order of arrival."""
    names = {number: name for name, number in ledger.partners.items()}
    prefix = f"{run * 100}-"
    conversions = {}
    rows = await ledger.db.fetch(
        "SELECT * FROM conversion_events WHERE vendor_id = $1 AND adjusts_conversion_event_id IS NULL",
        ledger.vendor_id,
    )
    for row in rows:
        number = row["conversion_event_id"]
        touches = await ledger.db.fetch(
            "SELECT t.attribution_type, t.click_id & 2097151 AS place, t.partner_id, max(t.touch_weight) AS weight,"
            " sum(t.touch_value) AS value, max(t.attribution_confidence) AS confidence FROM touches t"
            " JOIN conversion_events c USING (conversion_event_id)"
            " WHERE (c.conversion_event_id = $1 OR c.adjusts_conversion_event_id = $1) AND NOT t.is_deleted"
            " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            number,
        )
        conversions[row["transaction_id"].removeprefix(prefix)] = (
            *(row[name] for name in ("attribution_state", "state_reason", "status", "rejection_reason")),
            *(
                row[name]
                for name in ("commission_amount", "commission_type", "commission_value", "attribution_type")
            ),
            *(row[name] for name in ("attribution_confidence", "matched_by", "is_held")),
            names.get(row["partner_id"]),
            await ledger.credits(number),
            [
                (
                    t["attribution_type"],
                    t["place"] and t["place"] - run * 100,
                    names[t["partner_id"]],
                    *tuple(t)[3:],
                )
                for t in touches
            ],
        )
    return {
        "conversions": conversions,
        "journeys": await _journeys(ledger, run),
        "totals": await _totals(ledger, names),
    }


async def _journeys(ledger: Ledger, run: int) -> dict[int, Any]:
    journeys: dict[int, Any] = {}
    for where in range(COOKIES):
        rows = await ledger.db.fetch(
            "SELECT * FROM funnel_journeys WHERE cookie_id = $1 AND NOT is_deleted ORDER BY journey_started_at, last_event_at",
            cookie(run * 100 + where),
        )
        journeys[where] = [
            (
                [(event["type"], event["at"]) for event in json.loads(row["events_sequence"])],
                row["is_converted"],
                row["total_commission"],
                row["furthest_stage_id"],
            )
            for row in rows
        ]
    return journeys


async def _totals(ledger: Ledger, names: dict[int, str]) -> dict[Any, Any]:
    rows = await ledger.db.fetch(
        "SELECT e.partner_id, v.default_commission_type, e.total_conversions, e.total_revenue,"
        " e.total_commission_earned FROM campaign_partners e JOIN campaign_versions v USING (campaign_version_id)"
        " JOIN campaigns c USING (campaign_id) WHERE c.vendor_id = $1",
        ledger.vendor_id,
    )
    return {(names[row[0]], row[1]): tuple(row)[2:] for row in rows}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.timeout(240)
def test_the_order_of_arrival_is_irrelevant(database_url: str, seed: int) -> None:
    async def work(ledger: Ledger) -> None:
        pictures = []
        for run in range(1, 5):
            other = await Ledger(ledger.db, ledger.url).set_up(attribution_model="linear")
            facts = await _facts(other, run, random.Random(seed))
            order = random.Random(seed * 100 + run)
            if run > 1:
                order.shuffle(facts)
            await _deliver(other, facts, order, attributors=1 + run % 2)
            pictures.append(await _picture(other, run))
            await disagreements(other)
        assert len(pictures[0]["conversions"]) == 14
        for picture in pictures[1:]:
            assert picture == pictures[0]

    on_ledger(database_url, work)


@pytest.mark.timeout(240)
def test_replaying_everything_twice_changes_nothing(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        other = await Ledger(ledger.db, ledger.url).set_up(attribution_model="linear")
        facts = await _facts(other, 1, random.Random(9))
        sales = [fact for fact in facts if "click(" not in repr(fact)]
        await _deliver(other, facts, random.Random(9), 1)
        before = await _picture(other, 1)
        count = await ledger.db.fetchval("SELECT count(*) FROM touches")
        for fact in sales[24:]:
            await fact()
        await ledger.db.execute(
            "INSERT INTO reattributions (conversion_event_id, reason) SELECT conversion_event_id, 'recompute'"
            " FROM conversion_events WHERE adjusts_conversion_event_id IS NULL"
        )
        await other.attribute(2)
        assert await _picture(other, 1) == before
        assert await ledger.db.fetchval("SELECT count(*) FROM touches") == count

    on_ledger(database_url, work)


def test_many_attributors_take_each_conversion_once(database_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        for number in range(1, 61):
            await ledger.click("AB"[number % 2], ago(2), number)
            for sale in range(3):
                await ledger.sale(f"T{number}-{sale}", cookie_number=number, at=NOW + timedelta(minutes=sale))
        await ledger.attribute(attributors=4)
        assert await ledger.db.fetchval("SELECT count(*) FROM touches") == 60 * 3 * 5
        assert await ledger.db.fetchval("SELECT sum(total_commission_earned) FROM campaign_partners") == 1800
        await disagreements(ledger)

    on_ledger(database_url, work)
