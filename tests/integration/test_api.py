"""The API over a real database: links, keys, stats, tenancy, and answers that name what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from attribution.api.app import build_app
from attribution.keys import create_key
from schema.settings import Settings

PROGRAMME = """
    INSERT INTO vendors (vendor_id, name, email) VALUES (1, 'Acme', 'v1@example.com'), (2, 'Other', 'v2@example.com');
    INSERT INTO partners (partner_id, name, email, status) VALUES
        (1, 'Blog A', 'a@blog.example', 'active'), (2, 'Blog B', 'b@blog.example', 'active'),
        (3, 'New', 'c@blog.example', 'pending');
    BEGIN;
    INSERT INTO campaigns (campaign_id, vendor_id, current_campaign_version_id) VALUES (1, 1, 1), (2, 2, 2);
    INSERT INTO campaign_versions (campaign_version_id, campaign_id, version_number, name, destination_url,
        default_commission_type, default_commission_value) VALUES
        (1, 1, 1, 'Summer', 'https://shop.example/landing?a=1#top', 'flat', 1),
        (2, 2, 1, 'Winter', 'https://other.example/', 'flat', 1);
    COMMIT;
    INSERT INTO campaign_partners (campaign_partner_id, campaign_version_id, partner_id, status) VALUES
        (1, 1, 1, 'approved'), (2, 2, 2, 'approved'), (3, 1, 2, 'pending'), (4, 1, 3, 'approved');
"""


class World(NamedTuple):
    """An application, its database, and a client for each role."""

    connection: asyncpg.Connection
    admin: httpx.AsyncClient
    vendor: httpx.AsyncClient
    partner: httpx.AsyncClient
    other: httpx.AsyncClient
    nobody: httpx.AsyncClient


@asynccontextmanager
async def world(settings: Settings) -> Any:
    app = build_app(settings)
    connection = await asyncpg.connect(settings.database_url)
    await connection.execute(PROGRAMME)
    keys = {
        "admin": await create_key(connection, "admin"),
        "vendor": await create_key(connection, "vendor", vendor_id=1),
        "partner": await create_key(connection, "partner", partner_id=1),
        "other": await create_key(connection, "vendor", vendor_id=2),
    }
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    clients = {
        role: httpx.AsyncClient(
            transport=transport, base_url="http://api", headers={"Authorization": f"Bearer {key}"}
        )
        for role, key in keys.items()
    }
    nobody = httpx.AsyncClient(transport=transport, base_url="http://api")
    async with app.router.lifespan_context(app):
        yield World(connection, nobody=nobody, **clients)
    await connection.close()


Play = Callable[[Callable[[World], Awaitable[None]]], None]


@pytest.fixture
def play(settings: Settings) -> Iterator[Play]:
    """Runs a scenario in a fresh world."""

    def run(scenario: Callable[[World], Awaitable[None]]) -> None:
        async def all_of_it() -> None:
            async with world(settings) as there:
                await scenario(there)

        asyncio.run(all_of_it())

    yield run


def errors(answer: httpx.Response) -> dict[str, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return {entry["field"]: entry["message"] for entry in answer.json().get("errors", [])}


def test_a_link_is_made_read_edited_and_deleted(play: Play, settings: Settings) -> None:
    async def scenario(world: World) -> None:
        made = await world.admin.post(
            "/v1/links",
            json={
                "campaign_partner_id": 1,
                "code": "spring/säle",
                "label": "hero",
                "utm_params": {"utm_source": "blog a"},
                "custom_params": {"k": "{sub1}"},
            },
        )
        assert made.status_code == 201, made.text
        body = made.json()
        assert body["full_url"] == "https://shop.example/landing?a=1&utm_source=blog%20a&k={sub1}#top"
        assert body["short_url"] == f"{settings.door_url}/spring/s%C3%A4le"
        assert body["destination_url"] is None
        assert (await world.admin.get(made.headers["location"])).json() == body

        edited = await world.admin.patch(
            "/v1/links/spring/säle",
            json={"destination_url": "https://shop.example/b", "is_disabled": True, "label": None},
        )
        assert edited.status_code == 200, edited.text
        assert edited.json()["full_url"] == "https://shop.example/b?utm_source=blog%20a&k={sub1}"
        assert edited.json()["is_disabled"] is True and edited.json()["label"] is None
        back = await world.admin.patch("/v1/links/spring/säle", json={"destination_url": None})
        assert back.json()["full_url"] == body["full_url"]

        assert (await world.admin.delete("/v1/links/spring/säle")).status_code == 204
        assert (await world.admin.get("/v1/links/spring/säle")).status_code == 404
        assert (await world.admin.delete("/v1/links/spring/säle")).status_code == 404
        again = await world.admin.post(
            "/v1/links", json={"destination_url": "https://x.example", "code": "spring/säle"}
        )
        assert again.status_code == 409 and "code" in errors(again)
        actions = await world.connection.fetch(
            "SELECT action, actor_type FROM audit_logs WHERE entity_type = 'partner_links' ORDER BY audit_log_id"
        )
        assert [row["action"] for row in actions] == ["create", "update", "update", "delete"]
        assert actions[0]["actor_type"] == "admin"

    play(scenario)


def test_an_edit_that_changes_nothing_leaves_no_trace(play: Play) -> None:
    async def scenario(world: World) -> None:
        link = {
            "destination_url": "https://x.example/?b=1",
            "code": "same",
            "utm_params": {"utm_term": "t", "utm_source": "s"},
            "rules": [{"when": {"country": ["GB"]}, "to": "https://uk.example/?x=%20"}],
        }
        before = (await world.admin.post("/v1/links", json=link)).json()
        await world.connection.execute("DELETE FROM outbox")
        after = (await world.admin.patch("/v1/links/same", json=link | {"code": "same"})).status_code
        assert after == 422  # the code is no field of an edit
        del link["code"]
        assert (await world.admin.patch("/v1/links/same", json=link)).json() == before
        assert await world.connection.fetchval("SELECT count(*) FROM outbox") == 0

    play(scenario)


def test_rules_keep_their_author_s_text_and_are_composed_for_the_door(play: Play) -> None:
    async def scenario(world: World) -> None:
        rules = [
            {
                "when": {
                    "country": ["GB"],
                    "device": ["mobile"],
                    "language": ["de"],
                    "from": "2026-01-01T00:00:00Z",
                },
                "to": "https://uk.example/",
            },
            {
                "when": {},
                "split": [
                    {"weight": 3, "to": "https://a.example/"},
                    {"weight": 1, "to": "https://b.example/?utm_source=own"},
                ],
            },
        ]
        made = await world.admin.post(
            "/v1/links",
            json={
                "destination_url": "https://x.example",
                "code": "r",
                "rules": rules,
                "utm_params": {"utm_source": "s"},
            },
        )
        assert made.status_code == 201, made.text
        assert made.json()["rules"] == rules
        stored = json.loads(await world.connection.fetchval("SELECT rules FROM partner_links"))
        assert stored[0]["to"] == "https://uk.example/?utm_source=s"
        assert [way["to"] for way in stored[1]["split"]] == [
            "https://a.example/?utm_source=s",
            "https://b.example/?utm_source=own",
        ]
        await world.admin.patch("/v1/links/r", json={"utm_params": {"utm_source": "z"}})
        stored = json.loads(await world.connection.fetchval("SELECT rules FROM partner_links"))
        assert stored[0]["to"] == "https://uk.example/?utm_source=z"

    play(scenario)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "destination_url"),
        ({"destination_url": "javascript:alert(1)"}, "destination_url"),
        ({"destination_url": "ftp://x.example/"}, "destination_url"),
        ({"destination_url": "https://"}, "destination_url"),
        ({"destination_url": "https://x.example/\r\nSet-Cookie: a"}, "destination_url"),
        ({"destination_url": "https://x.example/\x00"}, "destination_url"),
        ({"destination_url": "https://x.example/\ud800"}, "destination_url"),
        ({"destination_url": "https://x.example/" + "a" * 9000}, "destination_url"),
        ({"destination_url": 5}, "destination_url"),
        ({"destination_url": "https://x.example", "code": "-/x"}, "code"),
        ({"destination_url": "https://x.example", "code": "a b"}, "code"),
        ({"destination_url": "https://x.example", "code": "a" * 256}, "code"),
        ({"destination_url": "https://x.example", "code": ""}, "code"),
        ({"destination_url": "https://x.example", "redirect_status": 301}, "redirect_status"),
        ({"destination_url": "https://x.example", "redirect_status": 200}, "redirect_status"),
        ({"destination_url": "https://x.example", "redirect_status": True}, "redirect_status"),
        ({"destination_url": "https://x.example", "max_clicks": 0}, "max_clicks"),
        ({"destination_url": "https://x.example", "max_clicks": 1.5}, "max_clicks"),
        ({"destination_url": "https://x.example", "max_clicks": 10**30}, "max_clicks"),
        ({"destination_url": "https://x.example", "is_disabled": "yes"}, "is_disabled"),
        ({"destination_url": "https://x.example", "starts_at": "2026-01-01"}, "starts_at"),
        ({"destination_url": "https://x.example", "starts_at": 17}, "starts_at"),
        ({"destination_url": "https://x.example", "expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
        ({"destination_url": "https://x.example", "utm_params": {"x": "1"}}, "utm_params.x.[key]"),
        ({"destination_url": "https://x.example", "custom_params": {"x": "a\x00"}}, "custom_params.x"),
        ({"destination_url": "https://x.example", "custom_params": {"x": {}}}, "custom_params.x"),
        ({"destination_url": "https://x.example", "rules": None}, "rules"),
        ({"destination_url": "https://x.example", "rules": [{"when": {"county": ["GB"]}}]}, "rules.0.when.county"),
        ({"destination_url": "https://x.example", "rules": [{"when": {}, "to": "data:x"}]}, "rules.0.to"),
        ({"destination_url": "https://x.example", "rules": [{"when": {}}]}, "rules.0"),
        ({"destination_url": "https://x.example", "rules": [{"to": "https://a.example"}] * 51}, "rules"),
        ({"destination_url": "https://x.example", "fallback_url": "file:///etc/passwd"}, "fallback_url"),
        ({"destination_url": "https://x.example", "surprise": 1}, "surprise"),
        ({"campaign_partner_id": 99}, "campaign_partner_id"),
        ({"campaign_partner_id": 3}, "campaign_partner_id"),
        ({"campaign_partner_id": 4}, "campaign_partner_id"),
        ({"campaign_partner_id": 1, "vendor_id": 1}, "vendor_id"),
        ({"destination_url": "https://x.example", "vendor_id": 77}, "vendor_id"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(play: Play, body: dict[str, Any], field: str) -> None:
    async def scenario(world: World) -> None:
        answer = await world.admin.post(
            "/v1/links", content=json.dumps(body), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422, answer.text
        assert field in errors(answer), answer.text
        assert await world.connection.fetchval("SELECT count(*) FROM partner_links") == 0

    play(scenario)


def test_a_permanent_redirect_is_refused_with_its_reason(play: Play) -> None:
    async def scenario(world: World) -> None:
        body = {"destination_url": "https://x.example", "redirect_status": 308}
        assert (
            "clicks would be lost"
            in errors(await world.admin.post("/v1/links", json=body))["redirect_status"]
        )

    play(scenario)


@pytest.mark.parametrize(
    "content",
    [b"null", b"NaN", b"", b"[]", b"5", b'"x"', b"{", b"\xff\xfe", b'{"destination_url": NaN}',
     b'{"destination_url": Infinity}', b"[" * 100_000, b'{"max_clicks": ' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_hostile_bodies_are_refused_in_order(play: Play, content: bytes) -> None:
    async def scenario(world: World) -> None:
        for method, path in (("POST", "/v1/links"), ("POST", "/v1/keys"), ("PATCH", "/v1/links/x")):
            answer = await world.admin.request(
                method, path, content=content, headers={"content-type": "application/json"}
            )
            assert answer.status_code in (400, 422), answer.text
            assert answer.headers["content-type"] == "application/problem+json"

    play(scenario)


def test_a_body_over_the_limit_is_refused(play: Play) -> None:
    async def scenario(world: World) -> None:
        answer = await world.admin.post("/v1/links", content=b"x" * 2_000_001)
        assert answer.status_code == 413

    play(scenario)


def test_made_up_codes_are_long_enough_and_never_collide(play: Play) -> None:
    async def scenario(world: World) -> None:
        codes = {
            (await world.admin.post("/v1/links", json={"destination_url": "https://x.example"})).json()[
                "code"
            ]
            for _ in range(50)
        }
        assert len(codes) == 50 and all(len(code) >= 7 for code in codes)

    play(scenario)


def test_a_taken_code_is_a_conflict_even_when_two_ask_at_once(play: Play) -> None:
    async def scenario(world: World) -> None:
        body = {"destination_url": "https://x.example", "code": "one"}
        answers = await asyncio.gather(*(world.admin.post("/v1/links", json=body) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]

    play(scenario)


def test_codes_ignore_case_where_the_deployment_says_so(settings: Settings) -> None:
    async def run() -> None:
        async with world(settings.model_copy(update={"code_case": "insensitive"})) as there:
            body = {"destination_url": "https://x.example", "code": "SaLe"}
            assert (await there.admin.post("/v1/links", json=body)).json()["code"] == "sale"
            assert (await there.admin.get("/v1/links/SALE")).status_code == 200

    asyncio.run(run())


def test_pages_follow_each_other_without_gap(play: Play) -> None:
    async def scenario(world: World) -> None:
        for number in range(7):
            await world.admin.post(
                "/v1/links", json={"destination_url": "https://x.example", "code": f"p{number}"}
            )
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = (
                await world.admin.get(
                    "/v1/links", params={"limit": 3} | ({"cursor": cursor} if cursor else {})
                )
            ).json()
            seen += [link["code"] for link in page["links"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == [f"p{number}" for number in range(7)]
        for bad in ("limit=0", "limit=1001", "cursor=x", "limit=x"):
            assert (await world.admin.get(f"/v1/links?{bad}")).status_code == 422

    play(scenario)


def test_no_key_and_wrong_keys_get_401(play: Play) -> None:
    async def scenario(world: World) -> None:
        for header in ({}, {"authorization": "Bearer nope"}, {"authorization": "Basic eDp5"}):
            answer = await world.nobody.get("/v1/links", headers=header)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        await world.connection.execute("UPDATE api_keys SET expires_at = now() WHERE role = 'vendor'")
        assert (await world.vendor.get("/v1/links")).status_code == 401

    play(scenario)


def test_only_an_admin_handles_keys(play: Play) -> None:
    async def scenario(world: World) -> None:
        made = await world.admin.post("/v1/keys", json={"role": "partner", "partner_id": 2, "label": "x"})
        assert made.status_code == 201 and made.json()["key"].startswith("clk_partner_")
        number = made.json()["api_key_id"]
        new = {"authorization": f"Bearer {made.json()['key']}"}
        assert (await world.nobody.get("/v1/links", headers=new)).status_code == 200
        listed = (await world.admin.get("/v1/keys")).json()["keys"]
        assert len(listed) == 5 and "key" not in listed[-1] and "key_hash" not in listed[-1]
        assert (await world.admin.delete(f"/v1/keys/{number}")).status_code == 204
        assert (await world.admin.delete(f"/v1/keys/{number}")).status_code == 404
        assert (await world.nobody.get("/v1/links", headers=new)).status_code == 401
        for client in (world.vendor, world.partner):
            assert (await client.get("/v1/keys")).status_code == 403
            assert (await client.post("/v1/keys", json={"role": "admin"})).status_code == 403
            assert (await client.delete("/v1/keys/1")).status_code == 403
        for body, field in (
            ({"role": "vendor"}, "vendor_id"),
            ({"role": "root"}, "role"),
            ({"role": "admin", "vendor_id": 1}, "vendor_id"),
            ({"role": "vendor", "vendor_id": 999}, "vendor_id"),
        ):
            assert field in errors(await world.admin.post("/v1/keys", json=body))

    play(scenario)


def test_a_wrong_tenant_s_key_shows_nothing(play: Play) -> None:
    async def scenario(world: World) -> None:
        body = {"campaign_partner_id": 1, "code": "mine"}
        assert (await world.admin.post("/v1/links", json=body)).status_code == 201
        plain = {"destination_url": "https://x.example", "code": "plain", "vendor_id": 1}
        assert (await world.admin.post("/v1/links", json=plain)).status_code == 201
        await add_clicks(world.connection, 1, datetime.now(UTC), 5, partner_id=1, version_id=1)
        for method, path, content in (
            ("GET", "/v1/links/mine", None),
            ("GET", "/v1/links/mine/stats", None),
            ("PATCH", "/v1/links/mine", {"is_disabled": True}),
            ("DELETE", "/v1/links/mine", None),
            ("GET", "/v1/links/plain", None),
            ("PATCH", "/v1/links/plain", {"is_disabled": True}),
        ):
            answer = await world.other.request(method, path, json=content)
            assert answer.status_code == 404, (path, answer.text)
        refused = await world.other.post("/v1/links", json={"campaign_partner_id": 1, "code": "steal"})
        assert refused.status_code == 422
        foreign = {"destination_url": "https://x.example", "vendor_id": 1}
        assert (await world.other.post("/v1/links", json=foreign)).status_code == 403
        for path in ("links", "clicks", "partners", "vendors", "campaigns", "enrolments"):
            listed = (await world.other.get(f"/v1/{path}")).json()[path]
            text = json.dumps(listed)
            assert "mine" not in text and "Acme" not in text and "a@blog.example" not in text
        assert (await world.other.get("/v1/stats")).json()["totals"]["gross"] == 0
        assert (await world.vendor.get("/v1/stats")).json()["totals"]["clicks"] == 5
        assert (await world.partner.get("/v1/stats")).json()["totals"]["clicks"] == 5
        assert len((await world.vendor.get("/v1/clicks")).json()["clicks"]) == 5
        assert [v["vendor_id"] for v in (await world.vendor.get("/v1/vendors")).json()["vendors"]] == [1]
        assert len((await world.admin.get("/v1/links")).json()["links"]) == 2

    play(scenario)


def test_a_partner_makes_links_on_its_enrolment_and_the_campaign_s_host_only(play: Play) -> None:
    async def scenario(world: World) -> None:
        own = await world.partner.post("/v1/links", json={"campaign_partner_id": 1, "code": "own"})
        assert own.status_code == 201, own.text
        deep = {"campaign_partner_id": 1, "destination_url": "https://shop.example/deep"}
        assert (await world.partner.post("/v1/links", json=deep)).status_code == 201
        away = {"campaign_partner_id": 1, "destination_url": "https://evil.example/"}
        assert "destination_url" in errors(await world.partner.post("/v1/links", json=away))
        elsewhere = await world.partner.patch(
            "/v1/links/own", json={"destination_url": "https://evil.example/"}
        )
        assert "destination_url" in errors(elsewhere)
        ruled = {"rules": [{"when": {}, "to": "https://evil.example/"}]}
        assert "rules.0.to" in errors(await world.partner.patch("/v1/links/own", json=ruled))
        plain = {"destination_url": "https://shop.example/"}
        assert (await world.partner.post("/v1/links", json=plain)).status_code == 403
        assert (await world.partner.post("/v1/links", json={"campaign_partner_id": 2})).status_code == 422

    play(scenario)


def test_a_vendor_s_plain_link_is_the_vendor_s(play: Play) -> None:
    async def scenario(world: World) -> None:
        made = await world.vendor.post(
            "/v1/links", json={"destination_url": "https://x.example", "code": "v"}
        )
        assert made.json()["vendor_id"] == 1
        await add_clicks(world.connection, 1, datetime.now(UTC), 3)
        assert (await world.vendor.get("/v1/links/v/stats")).json()["totals"]["clicks"] == 3
        assert (await world.other.get("/v1/links/v/stats")).status_code == 404

    play(scenario)


NO_SALES: dict[str, Any] = {"conversions": 0, "revenue": {}, "commission": {}}


async def add_clicks(
    connection: asyncpg.Connection,
    link_id: int,
    at: datetime,
    count: int,
    *,
    click_class: str = "valid",
    unique: bool = True,
    country: str | None = "GB",
    partner_id: int | None = None,
    version_id: int | None = None,
) -> None:
    """Clicks of one millisecond."""
    await connection.execute("SELECT ensure_month_partitions('clicks', $1, $1)", at)
    await connection.execute(
        """INSERT INTO clicks (click_id, clicked_at, partner_link_id, partner_id, campaign_version_id, click_class,
               is_unique, country_code, device_type)
           SELECT ((extract(epoch FROM date_trunc('milliseconds', $1::timestamptz)) * 1000)::bigint << 21)
                  + (SELECT count(*) FROM clicks) + n, date_trunc('milliseconds', $1::timestamptz), $2, $3, $4, $5, $6, $7,
                  'mobile'
           FROM generate_series(1, $8) n""",
        at, link_id, partner_id, version_id, click_class, unique, country, count,
    )  # fmt: skip
    await connection.execute(
        """INSERT INTO click_deltas (clicked_at, partner_link_id, partner_id, campaign_version_id, click_class, is_unique,
               country_code, device_type)
           SELECT date_trunc('milliseconds', $1::timestamptz), $2, $3, $4, $5, $6, $7, 'mobile'
           FROM generate_series(1, $8)""",
        at, link_id, partner_id, version_id, click_class, unique, country, count,
    )  # fmt: skip


def test_stats_count_classes_uniques_and_freshness(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json={"destination_url": "https://x.example", "code": "s/1"})
        now = datetime.now(UTC)
        empty = (await world.admin.get("/v1/links/s/1/stats")).json()
        assert empty["as_of"] is None and empty["totals"]["clicks"] == 0
        await add_clicks(world.connection, 1, now, 5)
        await add_clicks(world.connection, 1, now, 2, unique=False, country=None)
        await add_clicks(world.connection, 1, now, 3, click_class="bot", unique=False)
        await add_clicks(world.connection, 1, now, 1, click_class="head", unique=False)
        await world.connection.execute(
            "INSERT INTO writer_watermarks (shard, stored_through) VALUES (0, now()), (1, now() - interval '5 s')"
        )
        stats = (await world.admin.get("/v1/links/s/1/stats?breakdown=country,class&interval=hour")).json()
        assert stats["totals"] == {
            "clicks": 7, "gross": 11, "filtered": {"bot": 3, "head": 1}, "unique": 5,
            "conversions": 0, "revenue": {}, "commission": {}, "conversion_rate": "0.0000", "epc": {},
        }  # fmt: skip
        assert 4.9 < stats["lag_seconds"] < 30 and stats["as_of"].endswith("Z")
        assert sum(entry["clicks"] for entry in stats["series"]) == 7
        assert sum(entry["gross"] for entry in stats["series"]) == 11
        assert stats["breakdowns"]["country"] == [
            {"value": "GB", "clicks": 5, "gross": 9, "unique": 5} | NO_SALES,
            {"value": None, "clicks": 2, "gross": 2, "unique": 0} | NO_SALES,
        ]
        assert [row["value"] for row in stats["breakdowns"]["class"]] == ["valid", "bot", "head"]
        for query, clicks in (("country=GB", 5), ("country=", 2), ("class=bot", 0), ("device=mobile", 7)):
            filtered = (await world.admin.get(f"/v1/stats?{query}")).json()
            assert filtered["totals"]["clicks"] == clicks, query

    play(scenario)


def test_stats_of_a_period_are_half_open(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json={"destination_url": "https://x.example", "code": "h"})
        noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
        for moment in (noon - timedelta(milliseconds=1), noon, noon + timedelta(hours=1)):
            await add_clicks(world.connection, 1, moment, 1)
        stats = (
            await world.admin.get(
                "/v1/links/h/stats?start=2026-03-10T12:00:00Z&end=2026-03-10T13:00:00Z&interval=hour"
            )
        ).json()
        assert stats["totals"]["clicks"] == 1
        assert stats["series"] == [
            {"start": "2026-03-10T12:00:00Z", "clicks": 1, "gross": 1, "unique": 1,
             "conversions": 0, "revenue": {}, "commission": {}}
        ]  # fmt: skip
        days = (await world.admin.get("/v1/links/h/stats?start=2026-03-10&end=2026-03-12")).json()
        assert [entry["clicks"] for entry in days["series"]] == [3, 0]

    play(scenario)


@pytest.mark.parametrize(
    ("day", "following", "hours"), [("2026-03-29", "2026-03-30", 23), ("2026-10-25", "2026-10-26", 25)]
)
def test_the_day_clocks_change_has_23_or_25_hours(play: Play, day: str, following: str, hours: int) -> None:
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json={"destination_url": "https://x.example", "code": "dst"})
        query = {"start": day, "end": following, "timezone": "Europe/Berlin"}
        stats = (await world.admin.get("/v1/links/dst/stats", params=query | {"interval": "hour"})).json()
        assert len(stats["series"]) == hours
        for entry in stats["series"]:
            await add_clicks(world.connection, 1, datetime.fromisoformat(entry["start"]), 1)
        hourly = (await world.admin.get("/v1/links/dst/stats", params=query | {"interval": "hour"})).json()
        assert [entry["clicks"] for entry in hourly["series"]] == [1] * hours
        daily = (await world.admin.get("/v1/links/dst/stats", params=query)).json()
        assert [entry["clicks"] for entry in daily["series"]] == [hours]

    play(scenario)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("timezone=Mars/Base", "timezone"), ("timezone=../../etc/passwd", "timezone"), ("timezone=Europe", "timezone"),
        ("start=yesterday", "start"), ("start=2026-01-01T00:00:00", "start"), ("start=2026-13-01", "start"),
        ("start=2026-02-01&end=2026-01-01", "end"), ("start=0001-01-01", "start"), ("interval=year", "interval"),
        ("interval=hour&start=1990-01-01&end=2026-01-01", "interval"), ("breakdown=shoe", "breakdown"),
        ("top=0", "top"), ("country=%00", "country"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_named(play: Play, query: str, field: str) -> None:
    async def scenario(world: World) -> None:
        answer = await world.admin.get(f"/v1/stats?{query}")
        assert answer.status_code == 422 and field in errors(answer), answer.text

    play(scenario)


def test_conversions_are_counted_from_their_table(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json={"campaign_partner_id": 1, "code": "c"})
        now = datetime.now(UTC)
        await add_clicks(world.connection, 1, now, 4, partner_id=1, version_id=1)
        click = await world.connection.fetchrow("SELECT click_id, clicked_at FROM clicks LIMIT 1")
        await world.connection.execute(
            """INSERT INTO conversion_events (vendor_id, conversion_event_type_id, transaction_id, event_value, currency,
                   commission_amount, commission_type, attribution_state, partner_id, campaign_version_id, click_id,
                   clicked_at)
               SELECT 1, conversion_event_type_id, 'T1', 100, 'USD', 10, 'flat', 'attributed', 1, 1, $1, $2
               FROM conversion_event_types WHERE name = 'sale'""",
            *click,
        )
        await world.connection.execute(
            """INSERT INTO touches (conversion_event_id, converted_at, attribution_type, touch_type, partner_id,
                   campaign_version_id, partner_link_id, touch_weight, touch_value, click_id, occurred_at)
               SELECT conversion_event_id, occurred_at, model, 'only', 1, 1, 1, 1, value, click_id, clicked_at
               FROM conversion_events CROSS JOIN (VALUES ('last_click', 10), ('linear', 9)) AS models (model, value)"""
        )
        for client in (world.admin, world.vendor, world.partner):
            totals = (await client.get("/v1/links/c/stats")).json()["totals"]
            assert totals["conversions"] == 1 and totals["revenue"] == {"USD": "100.00"}
            assert totals["commission"] == {"USD": "10.00"} and totals["epc"] == {"USD": "2.5000"}
            assert totals["conversion_rate"] == "0.2500"
            linear = (await client.get("/v1/links/c/stats?model=linear&breakdown=country")).json()
            assert linear["totals"]["commission"] == {"USD": "9.00"}
            assert linear["breakdowns"]["country"][0]["revenue"] == {"USD": "100.00"}

    play(scenario)


def test_clicks_are_listed_newest_first_in_pages(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json={"destination_url": "https://x.example", "code": "k"})
        now = datetime.now(UTC)
        for age in range(5):
            await add_clicks(world.connection, 1, now - timedelta(days=age), 1)
        first = (await world.admin.get("/v1/clicks?limit=3&link=k")).json()
        second = (await world.admin.get(f"/v1/clicks?limit=3&cursor={first['next_cursor']}")).json()
        moments = [click["clicked_at"] for click in first["clicks"] + second["clicks"]]
        assert len(moments) == 5 and moments == sorted(moments, reverse=True)
        assert second["next_cursor"] is None
        assert isinstance(first["clicks"][0]["click_id"], str)
        assert (await world.admin.get("/v1/clicks?link=other")).json()["clicks"] == []

    play(scenario)


def test_pages_without_a_key_load_nothing_from_elsewhere(play: Play) -> None:
    async def scenario(world: World) -> None:
        assert (await world.nobody.get("/-/healthz")).json() == {"status": "ok"}
        assert (await world.nobody.get("/-/readyz")).status_code == 200
        assert (await world.nobody.get("/")).headers["content-type"].startswith("text/html")
        page = await world.nobody.get("/docs")
        assert "POST /v1/links" in page.text and "http" not in page.text.replace("/v1/openapi.json", "")
        spec = (await world.nobody.get("/v1/openapi.json")).json()
        assert spec["openapi"].startswith("3.1")
        missing = await world.nobody.get("/nothing")
        assert missing.status_code == 404 and missing.headers["content-type"] == "application/problem+json"
        assert (await world.nobody.delete("/v1/links")).status_code == 405

    play(scenario)


def test_postgresql_away_is_503_with_retry_after(settings: Settings) -> None:
    async def run() -> None:
        away = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:9/none"})
        app = build_app(away)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://api"
            ) as client,
        ):
            answer = await client.get("/v1/links", headers={"authorization": "Bearer clk_admin_x"})
            assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
            assert answer.headers["content-type"] == "application/problem+json"
            assert (await client.get("/-/healthz")).status_code == 200
            assert (await client.get("/-/readyz")).status_code == 503

    asyncio.run(run())


@pytest.mark.parametrize(
    "path", ["/v1/links/%00", "/v1/links/%FF", "/v1/links/" + "a" * 3000, "/v1/links/a%2Fb/stats"]
)
def test_strange_paths_are_not_found(play: Play, path: str) -> None:
    async def scenario(world: World) -> None:
        assert (await world.admin.get(path)).status_code == 404

    play(scenario)


def test_the_process_ends_gracefully_with_status_0(settings: Settings) -> None:
    code = "from attribution.api.app import run_api; from schema.settings import load_settings; run_api(load_settings())"
    variables = {
        "CLICKLEDGER_DATABASE_URL": str(settings.database_url),
        "CLICKLEDGER_API_PORT": str(settings.api_port),
    }
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | variables)
        url = f"http://127.0.0.1:{settings.api_port}/-/readyz"
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url).status_code == 200:
                    break
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(15) == 0
