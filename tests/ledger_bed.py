"""What tests of the ledger share: a small programme, clicks and reports as the writer stores them, and an attributor
that runs in the test until there is nothing left to do."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import asyncpg
import orjson

from attribution.attributor import Attributor
from attribution.keys import ADMIN
from attribution.lifecycle import Answer, approve, lift_hold, reject
from attribution.outcome_body import load_outcomes
from attribution.totals import totals_of
from schema.conversions import conversion_id_of, unnumbered_conversion_id_of
from schema.customers import customer_hash, email_hash
from schema.ids import MS_SHIFT, clicked_at

T = TypeVar("T")
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
SHARDS = 2
_numbers = itertools.count(1)


def ago(days: float = 0, **more: float) -> datetime:
    """A moment before the usual sale, exact to the millisecond."""
    return NOW - timedelta(days=days, **more)


def cookie(number: int) -> uuid.UUID:
    """A cookie id."""
    return uuid.UUID(int=(7 << 76) | (2 << 62) | number)


class Ledger:
    """One test's database through one connection, and the rows made in it by name."""

    def __init__(self, connection: asyncpg.Connection, url: str) -> None:
        self.db = connection
        self.url = url
        self.vendor_id = 0
        self.version_id = 0
        self.campaign_id = 0
        self.partners: dict[str, int] = {}
        self.links: dict[tuple[str, int], int] = {}

    async def set_up(self, **terms: Any) -> Ledger:
        """A vendor with a campaign at 10 %, partners A, B and C enrolled, everything stored up to far ahead."""
        self.vendor_id = await self.db.fetchval(
            "INSERT INTO vendors (name, email) VALUES ('Acme', $1) RETURNING vendor_id",
            f"acme-{next(_numbers)}@shop.example",
        )
        await self.add_campaign(**terms)
        for name in "ABC":
            await self.add_partner(name)
        await self.db.execute(
            "INSERT INTO writer_watermarks (shard, stored_through) SELECT shard, $1 FROM generate_series(0, 1) AS shard"
            " ON CONFLICT DO NOTHING",
            datetime.now(UTC) + timedelta(days=3650),
        )
        return self

    async def add_campaign(
        self,
        tiers: Sequence[tuple[int, int]] = (),
        partner_tiers: Mapping[str, int] | None = None,
        **terms: Any,
    ) -> int:
        """Another campaign, which becomes the one links are made for.

        `tiers` are percentages by the revenue they begin at, `partner_tiers` those of a partner's own tier.
        """
        async with self.db.transaction():
            await self._publish({"default_commission_type": "tiered"} | terms if tiers else terms)
            for least, per_cent in tiers:
                await self.tier(least, per_cent)
        for tier, per_cent in (partner_tiers or {}).items():
            await self.db.execute(
                "INSERT INTO partner_tier_rates (campaign_version_id, partner_tier, commission_type, commission_value)"
                " VALUES ($1, $2, 'percentage', $3)",
                self.version_id,
                tier,
                per_cent,
            )
        for name in self.partners:
            await self.enrol(name)
        return self.version_id

    async def tier(self, least: int, per_cent: int, reward_id: int | None = None) -> None:
        """A tier of the current campaign."""
        await self.db.execute(
            "INSERT INTO campaign_tiers (campaign_version_id, label, min_amount, reward_type, reward_value, reward_id)"
            " VALUES ($1, 'from ' || $2::int, $2::int, 'percentage', $3, $4)",
            self.version_id,
            least,
            per_cent,
            reward_id,
        )

    async def _publish(self, terms: Mapping[str, Any]) -> None:
        self.campaign_id = await self.db.fetchval(
            "INSERT INTO campaigns (vendor_id) VALUES ($1) RETURNING campaign_id", self.vendor_id
        )
        given = {
            "name": "Summer",
            "destination_url": "https://shop.example/",
            "default_commission_type": "percentage",
            "default_commission_value": Decimal(10),
            **terms,
        }
        columns = ", ".join(given)
        places = ", ".join(f"${number}" for number in range(2, len(given) + 2))
        self.version_id = await self.db.fetchval(
            f"INSERT INTO campaign_versions (campaign_id, version_number, {columns}) VALUES ($1, 1, {places})"
            " RETURNING campaign_version_id",
            self.campaign_id,
            *given.values(),
        )
        await self.db.execute(
            "UPDATE campaigns SET current_campaign_version_id = $2 WHERE campaign_id = $1",
            self.campaign_id,
            self.version_id,
        )

    async def add_partner(self, name: str, tier: str = "standard") -> int:
        """An active partner, enrolled, with a link."""
        self.partners[name] = await self.db.fetchval(
            "INSERT INTO partners (name, email, status, tier) VALUES ($1, $2, 'active', $3) RETURNING partner_id",
            name,
            f"{name.lower()}-{next(_numbers)}@blog.example",
            tier,
        )
        await self.enrol(name)
        return self.partners[name]

    async def enrol(self, name: str) -> None:
        """Enrolment and link in the current campaign."""
        enrolment = await self.db.fetchval(
            "INSERT INTO campaign_partners (campaign_version_id, partner_id, status)"
            " VALUES ($1, $2, 'approved') RETURNING campaign_partner_id",
            self.version_id,
            self.partners[name],
        )
        self.links[name, self.version_id] = await self.db.fetchval(
            "INSERT INTO partner_links (short_code, full_url, campaign_partner_id)"
            " VALUES ($1, 'https://shop.example/', $2) RETURNING partner_link_id",
            f"{name.lower()}-{next(_numbers)}",
            enrolment,
        )

    async def click(
        self,
        partner: str,
        at: datetime,
        cookie_number: int | None = 1,
        *,
        click_class: str = "valid",
        version_id: int | None = None,
        is_late: bool = False,
        visitor_hash: int | None = None,
        number: int | None = None,
    ) -> int:
        """A stored click."""
        at_ms = round(at.timestamp() * 1000)
        click_id = at_ms << MS_SHIFT | (number if number is not None else next(_numbers) & 0x1FFFFF)
        version_id = version_id or self.version_id
        await self.db.execute(
            "SELECT ensure_month_partitions('clicks', $1::timestamptz, $1::timestamptz)", at
        )
        await self.db.execute(
            "INSERT INTO clicks (click_id, clicked_at, partner_link_id, partner_id, campaign_version_id, cookie_id,"
            " click_class, visitor_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            click_id,
            clicked_at(click_id),
            self.links[partner, version_id],
            self.partners[partner],
            version_id,
            cookie(cookie_number) if cookie_number else None,
            click_class,
            visitor_hash,
        )
        if click_class == "valid":
            await self.db.execute(
                "UPDATE campaign_partners SET total_clicks = total_clicks + 1,"
                " last_click_at = greatest(last_click_at, $3) WHERE campaign_version_id = $1 AND partner_id = $2",
                version_id,
                self.partners[partner],
                clicked_at(click_id),
            )
        if is_late:
            await self.db.execute(
                "INSERT INTO late_clicks (click_id, clicked_at, cookie_id) VALUES ($1, $2, $3)",
                click_id,
                clicked_at(click_id),
                cookie(cookie_number) if cookie_number else None,
            )
        return click_id

    async def hashed(self, customer: str | None, email: str | None) -> tuple[str | None, str | None]:
        """Customer id and e-mail as the writer stores them."""
        key = await self.db.fetchval("SELECT customer_key FROM vendors WHERE vendor_id = $1", self.vendor_id)
        return customer and customer_hash(key, customer), email and email_hash(key, email)

    async def sale(
        self,
        transaction: str | None,
        amount: str = "100.00",
        *,
        at: datetime = NOW,
        cookie_number: int | None = 1,
        customer: str | None = None,
        email: str | None = None,
        event: str = "sale",
        **columns: Any,
    ) -> int:
        """A stored conversion report; its number."""
        cookie_id = cookie(cookie_number) if cookie_number else None
        moment_ms = round(at.timestamp() * 1000)
        conversion_id = (
            conversion_id_of(self.vendor_id, event, transaction)
            if transaction is not None
            else unnumbered_conversion_id_of(
                self.vendor_id, event, columns.get("click_id"), str(cookie_id), amount, moment_ms
            )
        )
        customer_id, customer_email = await self.hashed(customer, email)
        given = {
            "conversion_id": conversion_id,
            "vendor_id": self.vendor_id,
            "transaction_id": transaction,
            "event_value": Decimal(amount),
            "currency": "USD",
            "cookie_id": cookie_id,
            "customer_id": customer_id,
            "customer_email": customer_email,
            "occurred_at": at,
        } | columns
        names = ", ".join(given)
        places = ", ".join(f"${number}" for number in range(2, len(given) + 2))
        number = await self.db.fetchval(
            f"INSERT INTO conversion_events (conversion_event_type_id, {names})"
            f" SELECT conversion_event_type_id, {places} FROM conversion_event_types WHERE name = $1"
            " ON CONFLICT DO NOTHING RETURNING conversion_event_id",
            event,
            *given.values(),
        )
        if cookie_id is not None:
            for customer_name in (customer_id, customer_email):
                if customer_name is not None:
                    await self.link(customer_name, cookie_number, at, is_hashed=True)
        return int(number or 0)

    async def link(
        self, customer: str, cookie_number: int | None, at: datetime, *, is_hashed: bool = False
    ) -> None:
        """Customer and cookie seen together."""
        name = customer if is_hashed else (await self.hashed(customer, None))[0]
        await self.db.execute(
            "INSERT INTO customer_links (vendor_id, customer_hash, cookie_id, linked_at) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (vendor_id, customer_hash, cookie_id) DO UPDATE SET linked_at = EXCLUDED.linked_at"
            " WHERE customer_links.linked_at > EXCLUDED.linked_at",
            self.vendor_id,
            name,
            cookie(cookie_number or 0),
            at,
        )

    async def refund(
        self,
        transaction: str,
        amount: str | None,
        refund_id: str,
        *,
        reason: str = "refund",
        at: datetime = NOW + timedelta(days=1),
        event: str = "sale",
        **columns: Any,
    ) -> None:
        """A stored refund report."""
        given = {
            "report_id": uuid.uuid4(),
            "vendor_id": self.vendor_id,
            "transaction_id": transaction,
            "refund_id": refund_id,
            "amount": None if amount is None else Decimal(amount),
            "reason": reason,
            "conversion_id": conversion_id_of(self.vendor_id, event, transaction),
            "occurred_at": at,
            "received_at": at,
        } | columns
        names = ", ".join(given)
        places = ", ".join(f"${number}" for number in range(2, len(given) + 2))
        await self.db.execute(
            f"INSERT INTO refund_reports (conversion_event_type_id, {names})"
            f" SELECT conversion_event_type_id, {places} FROM conversion_event_types WHERE name = $1"
            " ON CONFLICT DO NOTHING",
            event,
            *given.values(),
        )

    async def attribute(self, attributors: int = 1) -> None:
        """Run attributors until none of them finds anything."""
        async with asyncpg.create_pool(
            self.url, min_size=0, max_size=4 * attributors, server_settings={"timezone": "UTC"}
        ) as pool:
            workers = [Attributor(pool, SHARDS) for _ in range(attributors)]
            async with asyncio.timeout(60):
                while any(await asyncio.gather(*(_round(worker) for worker in workers))):
                    continue

    async def approve(self, number: int, **more: Any) -> Answer:
        """Approve by hand."""
        return await approve(self.db, number, ADMIN, **more)

    async def reject(self, number: int, reason: str = "fraud") -> Answer:
        """Reject by hand."""
        return await reject(self.db, number, ADMIN, reason)

    async def lift(self, number: int) -> Answer:
        """Lift a hold."""
        return await lift_hold(self.db, number, ADMIN)

    async def outcome(self, number: int) -> dict[str, Any]:
        """The outcome body."""
        return (await load_outcomes(self.db, [number]))[number]

    async def row(self, number: int) -> asyncpg.Record:
        """The conversion's row."""
        row = await self.db.fetchrow("SELECT * FROM conversion_events WHERE conversion_event_id = $1", number)
        assert row is not None
        return row

    async def touches(self, number: int, model: str | None = None) -> list[tuple[str, Decimal]]:
        """Partner and value of the live touches of the paying model (or another), in journey order."""
        rows = await self.db.fetch(
            "SELECT p.name, t.touch_value FROM touches t JOIN partners p USING (partner_id)"
            " JOIN conversion_events c USING (conversion_event_id)"
            " WHERE t.conversion_event_id = $1 AND NOT t.is_deleted"
            " AND t.attribution_type = coalesce($2, c.attribution_type) ORDER BY t.occurred_at, t.click_id",
            number,
            model,
        )
        return [(row[0], row[1].quantize(Decimal("0.01"))) for row in rows]

    async def credits(self, number: int) -> dict[str, Decimal]:
        """What each partner holds of a conversion and its adjustments that are not rejected."""
        rows = await self.db.fetch(
            "SELECT p.name, sum(r.amount) FROM conversion_credits r JOIN partners p USING (partner_id)"
            " JOIN conversion_events c USING (conversion_event_id)"
            " WHERE (c.conversion_event_id = $1 OR c.adjusts_conversion_event_id = $1) AND c.status <> 'rejected'"
            " GROUP BY 1 ORDER BY 1",
            number,
        )
        return {row[0]: row[1].quantize(Decimal("0.01")) for row in rows}

    async def override(self, partner: str, per_cent: str, event: str | None = None) -> None:
        """A partner's own rate, for ever."""
        await self.db.execute(
            "INSERT INTO partner_campaign_overrides (partner_id, campaign_version_id, conversion_event_type_id,"
            " commission_type, commission_value, valid_from) VALUES ($1, $2, (SELECT conversion_event_type_id"
            " FROM conversion_event_types WHERE name = $3), 'percentage', $4, '2020-01-01Z')",
            self.partners[partner],
            self.version_id,
            event,
            Decimal(per_cent),
        )

    async def rule(self, conditions: dict[str, Any], actions: dict[str, Any], name: str = "rule") -> int:
        """A commission rule, for ever."""
        number = await self.db.fetchval(
            "INSERT INTO commission_rules (campaign_version_id, name, conditions, actions, valid_from)"
            " VALUES ($1, $2, $3, $4, '2020-01-01Z') RETURNING commission_rule_id",
            self.version_id,
            name,
            orjson.dumps(conditions).decode(),
            orjson.dumps(actions).decode(),
        )
        return int(number)


async def disagreements(ledger: Ledger) -> None:
    """Whatever the ledger's invariants say must be empty."""
    wrong = await ledger.db.fetch(
        "SELECT c.conversion_event_id FROM conversion_events c JOIN ("
        " SELECT conversion_event_id, attribution_type, sum(touch_value) AS value, sum(touch_weight) AS weight"
        " FROM touches WHERE NOT is_deleted GROUP BY 1, 2) AS t USING (conversion_event_id)"
        " WHERE t.value <> c.commission_amount OR t.weight <> 1"
    )
    assert wrong == []
    wrong = await ledger.db.fetch(
        "SELECT conversion_event_id FROM conversion_credits r FULL JOIN ("
        " SELECT t.conversion_event_id, t.partner_id, sum(t.touch_value) AS value FROM touches t"
        " JOIN conversion_events c USING (conversion_event_id) WHERE t.attribution_type = c.attribution_type"
        " AND NOT t.is_deleted GROUP BY 1, 2) AS t USING (conversion_event_id, partner_id)"
        " WHERE coalesce(t.value, 0) <> coalesce(r.amount, 0)"
    )
    assert wrong == []
    assert await _recount(ledger) == await _stored(ledger)


async def _stored(ledger: Ledger) -> dict[Any, Any]:
    rows = await ledger.db.fetch(
        "SELECT campaign_version_id, partner_id, total_conversions, total_revenue, total_commission_earned"
        " FROM campaign_partners WHERE total_conversions <> 0 OR total_revenue <> 0 OR total_commission_earned <> 0"
    )
    return {tuple(row)[:2]: tuple(row)[2:] for row in rows}


async def _recount(ledger: Ledger) -> dict[Any, Any]:
    numbers = [row[0] for row in await ledger.db.fetch("SELECT conversion_event_id FROM conversion_events")]
    totals = await totals_of(ledger.db, numbers)
    return {pair: tuple(total)[:3] for pair, total in totals.items() if any(tuple(total)[:3])}


async def _round(worker: Attributor) -> int:
    found = await worker.settle_next()
    for step in (
        worker.settle_waited,
        worker.take_late,
        worker.lead,
        worker.approve,
        worker.refund,
        worker.journey,
    ):
        found += await step()
    return found


def on_ledger(url: str, work: Callable[[Ledger], Coroutine[Any, Any, T] | Awaitable[T]], **terms: Any) -> T:
    """What `work` returns when given a ledger that is set up."""

    async def run() -> T:
        connection = await asyncpg.connect(
            url, timeout=10, command_timeout=60, server_settings={"timezone": "UTC"}
        )
        try:
            return await work(await Ledger(connection, url).set_up(**terms))
        finally:
            await connection.close(timeout=10)

    return asyncio.run(run())
