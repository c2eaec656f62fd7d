"""The API of the ledger over a real database: outcomes, explanations, approval, journeys, and nobody sees what is not
theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import httpx

from attribution.api.app import build_app
from attribution.keys import create_key
from schema.settings import Settings
from tests.ledger_bed import NOW, Ledger, ago, cookie, on_ledger

MODELS = {"first_click", "last_click", "linear", "time_decay", "position_based"}


class Desk(NamedTuple):
    """A ledger with an API before it, and a client for each role: partner is A, other another vendor."""

    ledger: Ledger
    admin: httpx.AsyncClient
    vendor: httpx.AsyncClient
    partner: httpx.AsyncClient
    outsider: httpx.AsyncClient
    other: httpx.AsyncClient

    async def conversion(self, number: int) -> str:
        """The id a vendor is told."""
        return str((await self.ledger.row(number))["conversion_id"])


def at_desk(settings: Settings, work: Callable[[Desk], Awaitable[None]], **terms: Any) -> None:
    """Run `work` at a desk of its own."""

    async def run(ledger: Ledger) -> None:
        other_vendor = await ledger.db.fetchval(
            "INSERT INTO vendors (name, email) VALUES ('Other', 'other@shop.example') RETURNING vendor_id"
        )
        owners: dict[str, dict[str, int]] = {
            "admin": {},
            "vendor": {"vendor_id": ledger.vendor_id},
            "partner": {"partner_id": ledger.partners["A"]},
            "outsider": {"partner_id": ledger.partners["C"]},
            "other": {"vendor_id": other_vendor},
        }
        app = build_app(settings)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(app.router.lifespan_context(app))
            clients = {}
            for name, owner in owners.items():
                role = next((kind.removesuffix("_id") for kind in owner), "admin")
                key = await create_key(ledger.db, role, **owner)
                client = httpx.AsyncClient(
                    transport=transport, base_url="http://api", headers={"Authorization": f"Bearer {key}"}
                )
                clients[name] = await stack.enter_async_context(client)
            await work(Desk(ledger, **clients))

    on_ledger(str(settings.database_url), run, **terms)


async def a_sale(desk: Desk, transaction: str = "T1", amount: str = "100.00", **more: Any) -> str:
    """A-B-A within the window, then the sale; settled."""
    for days, partner in ((3, "A"), (2, "B"), (1, "A")):
        await desk.ledger.click(partner, ago(days))
    number = await desk.ledger.sale(transaction, amount, **more)
    await desk.ledger.attribute()
    return await desk.conversion(number)


def test_the_outcome_is_told_in_its_documented_shape(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        path = f"/v1/conversions/{await a_sale(desk)}"
        body = (await desk.vendor.get(path)).json()
        assert body["outcome"] == "attributed" and body["status"] == "pending" and body["reason"] is None
        assert (body["amount"], body["currency"], body["transaction_id"]) == ("100.00", "USD", "T1")
        assert body["commission"] == {
            "amount": "10.00", "type": "percentage", "value": "10", "rule_id": None,
            "version_id": desk.ledger.version_id,
        }  # fmt: skip
        assert set(body["touches"]) == MODELS and body["attribution_model"] == "linear"
        assert [touch["value"] for touch in body["touches"]["linear"]] == ["3.34", "3.33", "3.33"]
        assert [touch["touch_type"] for touch in body["touches"]["linear"]] == ["first", "middle", "last"]
        a, b = desk.ledger.partners["A"], desk.ledger.partners["B"]
        assert body["credits"] == [{"partner_id": a, "amount": "6.67"}, {"partner_id": b, "amount": "3.33"}]
        assert body["occurred_at"] == "2026-06-15T12:00:00Z" and body["adjustments"] == []
        assert (await desk.admin.get(path)).json() == body

    at_desk(settings, work, attribution_model="linear")


def test_a_partner_is_told_its_own_part_only(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        conversion_id = await a_sale(desk)
        body = (await desk.partner.get(f"/v1/conversions/{conversion_id}")).json()
        a = desk.ledger.partners["A"]
        assert body["commission"]["amount"] == "6.67"
        assert body["credits"] == [{"partner_id": a, "amount": "6.67"}]
        assert {touch["partner_id"] for rows in body["touches"].values() for touch in rows} == {a}
        why = (await desk.partner.get(f"/v1/conversions/{conversion_id}/explain")).json()
        assert {one["partner_id"] for one in why["candidates"]} == {a} and len(why["candidates"]) == 2
        assert {one["partner_id"] for one in why["rates"]} <= {a}
        journey = (await desk.partner.get(f"/v1/journeys/{cookie(1)}")).json()
        assert [one["type"] for one in journey["events"]] == ["click", "click", "conversion"]
        assert journey["events"][-1]["commission"] == "6.67" and journey["journeys"] == []
        report = (await desk.partner.get("/v1/attribution?start=2026-06-01&end=2026-07-01")).json()
        assert [row["id"] for row in report["rows"]] == [a]
        assert report["rows"][0]["payable"] == "6.67"

    at_desk(settings, work, attribution_model="linear")


def test_every_endpoint_hides_what_belongs_to_others(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        conversion_id = await a_sale(desk)
        path = f"/v1/conversions/{conversion_id}"
        for stranger in (desk.other, desk.outsider):
            for url in (path, f"{path}/explain", f"/v1/journeys/{cookie(1)}"):
                answer = await stranger.get(url)
                assert answer.status_code == 404, (url, answer.text)
                assert answer.headers["content-type"] == "application/problem+json"
            assert (await stranger.post(f"{path}/approve")).status_code == 404
            assert (await stranger.post(f"{path}/reject", json={"reason": "no"})).status_code == 404
            report = (await stranger.get("/v1/attribution?start=2026-06-01&end=2026-07-01")).json()
            assert report["rows"] == [] and report["totals"]["conversions"] == 0
            listed = (await stranger.get("/v1/conversions")).json()["conversions"]
            assert listed == []
        for kind, empty in (("markov", "0/1"), ("shapley", None)):
            url = f"/v1/reports/{kind}?start=2026-06-01&end=2026-07-01"
            body = (await desk.other.get(url)).json()
            assert body["rows"] == [] and body["totals"]["conversions"] == 0, empty
            assert (await desk.outsider.get(url)).status_code == 403
        assert (await desk.partner.get("/v1/attribution?reported=distinct_partner")).status_code == 403
        for decision in ("approve", "reject"):
            answer = await desk.partner.post(
                f"{path}/{decision}", json={"reason": "x"} if decision == "reject" else None
            )
            assert answer.status_code == 403
        assert (await desk.ledger.row(await number_of(desk, conversion_id)))["status"] == "pending"

    at_desk(settings, work, attribution_model="linear")


async def number_of(desk: Desk, conversion_id: str) -> int:
    sql = "SELECT conversion_event_id FROM conversion_events WHERE conversion_id = $1"
    return int(await desk.ledger.db.fetchval(sql, UUID(conversion_id)))


def test_a_vendor_sees_no_clicks_of_another_vendor_in_an_explanation(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        ledger, mine = desk.ledger, desk.ledger.version_id
        own_vendor = ledger.vendor_id
        ledger.vendor_id = await ledger.db.fetchval("SELECT vendor_id FROM vendors WHERE name = 'Other'")
        theirs = await ledger.add_campaign()
        ledger.vendor_id, ledger.version_id = own_vendor, mine
        hidden = await ledger.click("B", ago(1.5), version_id=theirs)
        path = f"/v1/conversions/{await a_sale(desk)}/explain"
        seen = {one["click_id"] for one in (await desk.vendor.get(path)).json()["candidates"]}
        every = (await desk.admin.get(path)).json()["candidates"]
        assert str(hidden) not in seen and len(seen) == 3
        stranger = next(one for one in every if one["click_id"] == str(hidden))
        assert stranger["verdict"] == "other_vendor" and not stranger["is_in"]
        journey = (await desk.vendor.get(f"/v1/journeys/{cookie(1)}")).json()
        assert str(hidden) not in {one.get("click_id") for one in journey["events"]}

    at_desk(settings, work)


def test_the_explanation_names_every_click_and_every_rate(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        ledger = desk.ledger
        old = await ledger.click("B", ago(31))
        bot = await ledger.click("B", ago(1), click_class="bot")
        late = await ledger.click("B", NOW + timedelta(hours=1))
        await ledger.override("A", "20")
        await ledger.rule({"min_event_value": 500}, {"commission_multiplier": "2"}, "big")
        body = (await desk.vendor.get(f"/v1/conversions/{await a_sale(desk)}/explain")).json()
        verdicts = {one["click_id"]: (one["verdict"], one["is_in"], one["why"]) for one in body["candidates"]}
        assert verdicts[str(old)][:2] == ("window_closed", False)
        assert verdicts[str(bot)][:2] == ("not_valid", False)
        assert verdicts.get(str(late), ("after_conversion", False))[:2] == ("after_conversion", False)
        assert sum(is_in for _, is_in, _ in verdicts.values()) == 3
        assert all(why.startswith("The click ") for _, _, why in verdicts.values())
        rate = body["rates"][0]
        winners = [one for one in rate["considered"] if one["is_winner"]]
        assert (
            len(winners) == 1
            and winners[0]["source"].startswith("override")
            and winners[0]["value"] == "20.0000"
        )
        lost = {one["source"]: one["why"] for one in rate["considered"] if not one["is_winner"]}
        assert any("min_event_value" in why for why in lost.values())
        assert body["commission"]["amount"] == "20.00" and body["terms"]["model"] == "last_click"

    at_desk(settings, work)


def test_approval_is_final_snapshotted_and_audited(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        conversion_id = await a_sale(desk)
        path = f"/v1/conversions/{conversion_id}"
        approved = await desk.vendor.post(f"{path}/approve")
        assert approved.status_code == 200, approved.text
        assert approved.json()["status"] == "approved" and approved.json()["approved_at"]
        again = await desk.vendor.post(f"{path}/approve", json={})
        assert again.status_code == 409 and again.json()["errors"][0]["field"] == "status"
        rows = await desk.ledger.db.fetch(
            "SELECT action, actor_type, actor_id FROM audit_logs WHERE entity_type = 'conversion_events'"
            " AND action LIKE 'approve%' ORDER BY audit_log_id"
        )
        assert [tuple(row) for row in rows] == [
            ("approve", "vendor", desk.ledger.vendor_id),
            ("approve_refused", "vendor", desk.ledger.vendor_id),
        ]
        snapshots = await desk.ledger.db.fetch(
            "SELECT partner_id, commission_amount FROM event_commission_snapshots"
        )
        assert len(snapshots) == 2
        rejected = await desk.admin.post(f"{path}/reject", json={"reason": "fraud"})
        assert rejected.status_code == 200 and rejected.json()["outcome"] == "rejected"
        assert rejected.json()["reason"] == "fraud"
        assert (await desk.admin.post(f"{path}/reject", json={"reason": "again"})).status_code == 409

    at_desk(settings, work, attribution_model="linear")


def test_many_are_decided_at_once_each_on_its_own(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        first, second = await a_sale(desk), await a_sale(desk, "T2", "50.00")
        organic = await desk.conversion(await desk.ledger.sale("T0", cookie_number=99))
        await desk.ledger.attribute()
        unknown = str(UUID(int=1))
        ids = [first, unknown, organic, second, first]
        answer = await desk.vendor.post("/v1/conversions/approve", json={"conversion_ids": ids})
        body = answer.json()
        assert answer.status_code == 200 and body["done"] == 2, answer.text
        assert [one["status"] for one in body["results"]] == [200, 404, 409, 200, 409]
        assert [one["conversion_id"] for one in body["results"]] == ids
        assert "already" in body["results"][4]["errors"][0]["message"]
        for conversion_id in (first, second):
            seen = (await desk.vendor.get(f"/v1/conversions/{conversion_id}")).json()
            assert seen["status"] == "approved"
        everything = {"conversion_ids": [first, second], "reason": "fraud"}
        assert (await desk.other.post("/v1/conversions/reject", json=everything)).json()["done"] == 0
        assert (await desk.partner.post("/v1/conversions/reject", json=everything)).status_code == 403
        assert (await desk.admin.post("/v1/conversions/reject", json=everything)).json()["done"] == 2
        actions = await desk.ledger.db.fetch(
            "SELECT action, actor_type, count(*) FROM audit_logs WHERE entity_type = 'conversion_events'"
            " AND action ~ 'approve|reject' GROUP BY 1, 2 ORDER BY 1"
        )
        assert [tuple(row) for row in actions] == [
            ("approve", "vendor", 2), ("approve_refused", "vendor", 2), ("reject", "admin", 2)
        ]  # fmt: skip
        for wrong in (
            {"conversion_ids": []},
            {"conversion_ids": [first] * 1001},
            {"conversion_ids": ["x"]},
            {},
        ):
            assert (await desk.vendor.post("/v1/conversions/approve", json=wrong)).status_code == 422

    at_desk(settings, work)


def test_what_cannot_be_decided_is_refused(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        organic = await desk.conversion(await desk.ledger.sale("T0", cookie_number=99))
        await desk.ledger.attribute()
        assert (await desk.vendor.post(f"/v1/conversions/{organic}/approve")).status_code == 409
        path = f"/v1/conversions/{await a_sale(desk)}"
        await desk.ledger.refund("T1", "50.00", "R1")
        await desk.ledger.attribute()
        body = (await desk.vendor.get(path)).json()
        (adjustment,) = body["adjustments"]
        assert (adjustment["amount"], adjustment["commission"]) == ("-50.00", "-5.00")
        for decision, sent in (("approve", None), ("reject", {"reason": "x"})):
            answer = await desk.vendor.post(
                f"/v1/conversions/{adjustment['conversion_id']}/{decision}", json=sent
            )
            assert answer.status_code == 409, answer.text
        assert (await desk.vendor.get(f"/v1/conversions/{adjustment['conversion_id']}")).json()[
            "adjusts_conversion_id"
        ] == body["conversion_id"]
        for wrong in ({}, {"reason": ""}, {"reason": "x" * 1001}, {"reason": "a\x00b"}, {"reason": 1}):
            assert (await desk.vendor.post(f"{path}/reject", json=wrong)).status_code == 422
        assert (await desk.vendor.post(f"{path}/approve", json={"lift": True})).status_code == 422
        assert (await desk.vendor.get("/v1/conversions/not-an-id")).status_code == 422

    at_desk(settings, work)


def test_a_held_conversion_is_approved_only_by_who_looked(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        number = await desk.ledger.sale("T1")
        await desk.ledger.click("A", ago(1))
        await desk.ledger.attribute()
        await desk.ledger.db.execute(
            "UPDATE conversion_events SET is_held = true, hold_reason = 'partner_suspended: partner 99'"
        )
        path = f"/v1/conversions/{await desk.conversion(number)}"
        assert (await desk.vendor.get(path)).json()["reason"] == "partner_suspended: partner 99"
        assert (await desk.partner.get(path)).json()["reason"] == "held"
        refused = await desk.vendor.post(f"{path}/approve")
        assert refused.status_code == 409 and "held" in refused.json()["errors"][0]["message"]
        assert (await desk.vendor.post(f"{path}/approve", json={"lifts_hold": True})).status_code == 200

    at_desk(settings, work)


def test_credit_under_every_model_side_by_side(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        await a_sale(desk)
        await desk.ledger.click("B", ago(1), 2)
        await desk.ledger.sale("T2", "50.00", cookie_number=2)
        await desk.ledger.sale("T3", "7", cookie_number=2, currency="JPY")
        await desk.ledger.attribute()
        period = "start=2026-06-01&end=2026-07-01"
        body = (await desk.vendor.get(f"/v1/attribution?{period}&currency=USD")).json()
        assert body["currencies"] == ["USD"]
        credit = dict.fromkeys(MODELS, "15.00")
        assert body["totals"] == {"conversions": 2, "currency": "USD", "revenue": "150.00", "credit": credit}
        rows = {row["name"]: row for row in body["rows"]}
        assert rows["A"]["credit"]["linear"] == rows["A"]["payable"] == "6.67" and rows["A"]["touches"] == 2
        assert rows["B"]["credit"]["linear"] == rows["B"]["payable"] == "8.33" and rows["B"]["touches"] == 2
        assert rows["A"]["credit"]["last_click"] == "10.00" and rows["B"]["credit"]["last_click"] == "5.00"
        both = (await desk.vendor.get(f"/v1/attribution?{period}&reported=distinct_partner,w_shaped")).json()
        assert both["currencies"] == ["JPY", "USD"] and both["totals"]["revenue"] is None
        assert both["totals"]["conversions"] == 3
        dollars = {row["name"]: row["credit"] for row in both["rows"] if row["currency"] == "USD"}
        assert dollars["A"]["distinct_partner"] == "5.00" and dollars["B"]["distinct_partner"] == "10.00"
        campaigns = (await desk.vendor.get(f"/v1/attribution?{period}&by=campaign&currency=USD")).json()[
            "rows"
        ]
        assert [(row["id"], row["name"], row["payable"]) for row in campaigns] == [
            (desk.ledger.campaign_id, "Summer", "15.00")
        ]
        links = (await desk.vendor.get(f"/v1/attribution?{period}&by=link&currency=USD")).json()["rows"]
        assert len(links) == 2 and all(row["name"] for row in links)
        assert (await desk.vendor.get("/v1/attribution?by=colour")).status_code == 422
        assert (await desk.vendor.get("/v1/attribution?reported=magic")).status_code == 422

    at_desk(settings, work, attribution_model="linear")


def test_refunds_reduce_the_credit_of_their_period(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        await a_sale(desk)
        await desk.ledger.refund("T1", "50.00", "R1")
        await desk.ledger.attribute()
        body = (await desk.vendor.get("/v1/attribution?start=2026-06-01&end=2026-07-01")).json()
        assert body["totals"]["revenue"] == "50.00" and body["totals"]["conversions"] == 1
        assert set(body["totals"]["credit"].values()) == {"5.00"}
        assert sum(row["touches"] for row in body["rows"]) == 3

    at_desk(settings, work, attribution_model="linear")


def test_the_reports_over_a_period(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        ledger = desk.ledger
        for number in range(1, 5):
            await ledger.click("A", ago(1), number)
            await ledger.sale(f"T{number}", cookie_number=number)
        for number in range(5, 11):
            await ledger.click("A", ago(2), number)
            await ledger.click("B", ago(1), number)
            await ledger.sale(f"T{number}", cookie_number=number)
        for number in range(11, 21):
            await ledger.click("B", ago(1), number)
        await ledger.attribute()
        period = "start=2026-06-01&end=2026-07-01"
        shapley = (await desk.vendor.get(f"/v1/reports/shapley?{period}")).json()
        assert [(row["name"], row["exact"], row["conversions"]) for row in shapley["rows"]] == [
            ("A", "7", "7.000000"),
            ("B", "3", "3.000000"),
        ]
        markov = (await desk.vendor.get(f"/v1/reports/markov?{period}&campaign={ledger.campaign_id}")).json()
        assert markov["totals"] == {
            "conversions": 10,
            "journeys": 20,
            "probability": "0.500000",
            "exact": "1/2",
        }
        effects = {row["name"]: row["removal_effect"] for row in markov["rows"]}
        # Without A only B from the start is left: 10/20 of the journeys, 6/16 of them bought.
        assert effects == {"A": "0.625000", "B": "0.600000"}
        assert (await desk.vendor.get(f"/v1/reports/markov?{period}&campaign=999")).json()["rows"] == []

    at_desk(settings, work)


def test_a_journey_is_its_events_in_order(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        await a_sale(desk)
        body = (await desk.admin.get(f"/v1/journeys/{cookie(1)}")).json()
        assert [one["type"] for one in body["events"]] == ["click"] * 3 + ["conversion"]
        assert [one["at"] for one in body["events"]] == sorted(one["at"] for one in body["events"])
        assert body["is_complete"] and body["events"][-1]["outcome"] == "attributed"
        (journey,) = body["journeys"]
        assert journey["is_converted"] and journey["furthest_stage"] == "sale" and journey["events"] == 4
        assert (await desk.admin.get(f"/v1/journeys/{cookie(7)}")).status_code == 404

    at_desk(settings, work)


def test_the_terms_and_leads_are_listed_to_their_owners(settings: Settings) -> None:
    async def work(desk: Desk) -> None:
        ledger = desk.ledger
        await ledger.override("A", "20")
        await ledger.override("B", "12.5", "sale")
        await ledger.rule({"min_event_value": 500}, {"commission_multiplier": "2"}, "big")
        await ledger.db.execute(
            "INSERT INTO leads (external_lead_id, vendor_id, email) VALUES ('L1', $1, 'hashed')",
            ledger.vendor_id,
        )

        async def listed(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
            body = (await client.get(f"/v1/{path}")).json()
            return list(body[path.replace("-", "_")])

        overrides = await listed(desk.vendor, "overrides")
        assert [(one["event"], one["commission_value"]) for one in overrides] == [
            (None, "20.0000"),
            ("sale", "12.5000"),
        ]
        assert [one["partner_id"] for one in await listed(desk.partner, "overrides")] == [
            ledger.partners["A"]
        ]
        (rule,) = await listed(desk.vendor, "rules")
        assert rule["conditions"] == {"min_event_value": 500} and rule["actions"] == {
            "commission_multiplier": "2"
        }
        (lead,) = await listed(desk.vendor, "leads")
        assert lead["external_lead_id"] == "L1" and not {"email", "customer_id", "phone"} & lead.keys()
        for path in ("overrides", "rules", "leads"):
            assert await listed(desk.other, path) == []
        assert await listed(desk.outsider, "overrides") == await listed(desk.partner, "leads") == []
        assert "sale" in {one["name"] for one in await listed(desk.partner, "event-types")}

    at_desk(settings, work)
