"""Every endpoint of the OpenAPI document, asked about one tenant's things with every wrong key.

The first tenant's names, codes, addresses and ids are planted with words found nowhere else. Whoever it is that asks,
no answer holds one of them, no row changes, and the status is the promised one. The owner asks the same and is
answered, which shows that the questions mean something. A new endpoint, or a new parameter that names something, fails
here until `CASES` says what strangers are answered.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import unquote

import asyncpg
import httpx
import orjson
from jsonschema_rs import Draft202012Validator

from attribution.api.app import build_app
from attribution.keys import issue_key, revoke_key
from attribution.rebuild import rebuild_rollups
from schema.settings import Settings
from tests.ledger_bed import Ledger, ago, cookie, on_ledger

PLANTED = ("zebra", "okapi", "7077.07", "13.57")
"""`zebra` stands in what is the vendor's, `okapi` in what is its partner's and its visitors'."""
NAMING = {"link", "partner", "campaign", "campaign_partner_id", "q", "cursor", "entity_id"}
"""Parameters that can name what is somebody else's."""
PERIOD = "start=2026-06-01&end=2026-07-01"
STATS = f"{PERIOD}&breakdown=utm_source,referrer,link,partner,campaign&compare=previous"
PLAIN = {"destination_url": "https://stranger.example/"}


class Ask(NamedTuple):
    """A request about the first tenant's things; `{…}` are filled in. What another vendor, another vendor's partner and
    a partner of the same campaign are answered, and whose key shows that the request is a sound one."""

    path: str
    vendor: int
    partner: int
    rival: int
    body: dict[str, Any] | None = None
    accept: str = "application/json"
    owner: str = "owner"
    owner_status: int = 200
    is_telling: bool = True


def everywhere(path: str, status: int, **more: Any) -> Ask:
    """The same answer for every stranger."""
    return Ask(path, status, status, status, **more)


def listed(path: str, **more: Any) -> list[Ask]:
    """A list of the caller's own, in whatever format it is asked for."""
    return [
        everywhere(path, 200, **more),
        everywhere(f"{path}?cursor=0&limit=1000", 200, is_telling=False),
    ]


def stats(path: str, vendor: int, partner: int, rival: int) -> list[Ask]:
    """Stats bare, and narrowed by each filter to the first tenant's things."""
    narrowed = ("", "&link={code}", "&partner={partner}", "&campaign={campaign}", "&utm_source=okapi-source")
    return [Ask(f"{path}?{STATS}{filters}", vendor, partner, rival) for filters in narrowed]


CONVERSION = "/v1/conversions/{conversion}"
FACTS = ("", "?link={code}", "?partner={partner}", "?campaign={campaign}", f"?{PERIOD}")
CASES: dict[tuple[str, str], list[Ask]] = {
    ("GET", "/v1/links/{code}/stats"): stats("/v1/links/{code}/stats", 404, 404, 404),
    ("GET", "/v1/stats"): stats("/v1/stats", 200, 200, 200),
    ("GET", "/v1/campaigns/{campaign_id}/stats"): stats("/v1/campaigns/{campaign}/stats", 404, 404, 200),
    ("GET", "/v1/partners/{partner_id}/stats"): stats("/v1/partners/{partner}/stats", 404, 404, 404),
    ("GET", "/v1/reconcile"): [everywhere(f"/v1/reconcile?{PERIOD}", 200)],
    ("GET", "/v1/links/{code}/qr.svg"): [everywhere("/v1/links/{code}/qr.svg", 404, is_telling=False)],
    ("GET", "/v1/links/{code}/qr.png"): [everywhere("/v1/links/{code}/qr.png", 404, is_telling=False)],
    ("GET", "/v1/links"): [
        *listed("/v1/links"),
        everywhere("/v1/links?q=okapi&order=newest", 200),
        everywhere("/v1/links?partner={partner}", 200),
        everywhere("/v1/links?campaign={campaign}&status=active", 200),
        everywhere("/v1/links?campaign_partner_id={enrolment}", 200),
    ],
    ("POST", "/v1/links"): [
        everywhere("/v1/links", 422, body={"campaign_partner_id": "{enrolment}"}, owner_status=201),
        Ask(
            "/v1/links",
            403,
            403,
            403,
            body=PLAIN | {"vendor_id": "{vendor}"},
            owner_status=201,
            is_telling=False,
        ),
        Ask("/v1/links", 409, 403, 403, body=PLAIN | {"code": "{code}"}, owner_status=409, is_telling=False),
    ],
    ("POST", "/v1/links/bulk"): [
        everywhere(
            "/v1/links/bulk",
            200,
            body={
                "links": [
                    {"campaign_partner_id": "{enrolment}", "label": "from a stranger"},
                    PLAIN | {"vendor_id": "{vendor}", "label": "from a stranger"},
                ]
            },
        )
    ],
    ("GET", "/v1/links/{code}"): [everywhere("/v1/links/{code}", 404)],
    ("PATCH", "/v1/links/{code}"): [everywhere("/v1/links/{code}", 404, body={"is_disabled": True})],
    ("DELETE", "/v1/links/{code}"): [everywhere("/v1/links/{code}", 404, owner_status=204, is_telling=False)],
    ("GET", "/v1/clicks"): [
        *listed("/v1/clicks"),
        *(everywhere(f"/v1/clicks{query}", 200, accept="text/csv") for query in FACTS),
        everywhere("/v1/clicks", 200, accept="application/x-ndjson"),
    ],
    ("GET", "/v1/conversions"): [
        *listed("/v1/conversions"),
        *(everywhere(f"/v1/conversions{query}", 200, accept="text/csv") for query in FACTS),
        everywhere("/v1/conversions?status=pending", 200, accept="application/x-ndjson"),
    ],
    ("GET", "/v1/vendors"): listed("/v1/vendors"),
    ("GET", "/v1/partners"): listed("/v1/partners"),
    ("GET", "/v1/campaigns"): listed("/v1/campaigns"),
    ("GET", "/v1/enrolments"): listed("/v1/enrolments", is_telling=False),
    ("GET", "/v1/event-types"): listed("/v1/event-types", is_telling=False),
    ("GET", "/v1/versions"): listed("/v1/versions"),
    ("GET", "/v1/tiers"): listed("/v1/tiers"),
    ("GET", "/v1/rewards"): listed("/v1/rewards", is_telling=False),
    ("GET", "/v1/milestones"): listed("/v1/milestones"),
    ("GET", "/v1/coupons"): listed("/v1/coupons"),
    ("GET", "/v1/content-pieces"): listed("/v1/content-pieces", owner="admin"),
    ("GET", "/v1/integrations"): listed("/v1/integrations"),
    ("GET", "/v1/mappings"): listed("/v1/mappings"),
    ("GET", "/v1/payment-methods"): listed("/v1/payment-methods", owner="admin"),
    ("GET", "/v1/payouts"): listed("/v1/payouts", owner="admin"),
    ("GET", "/v1/audit-log"): [
        *listed("/v1/audit-log", owner="admin"),
        everywhere(
            "/v1/audit-log?entity_type=partner_links&entity_id=1", 200, owner="admin", is_telling=False
        ),
    ],
    ("GET", "/v1/rules"): listed("/v1/rules"),
    ("GET", "/v1/overrides"): listed("/v1/overrides"),
    ("GET", "/v1/leads"): listed("/v1/leads"),
    ("POST", "/v1/keys"): [
        everywhere(
            "/v1/keys",
            403,
            body={"role": "vendor", "vendor_id": "{vendor}"},
            owner="admin",
            owner_status=201,
            is_telling=False,
        ),
        everywhere(
            "/v1/keys", 403, body={"role": "admin"}, owner="admin", owner_status=201, is_telling=False
        ),
    ],
    ("GET", "/v1/keys"): [everywhere("/v1/keys?cursor=0", 403, owner="admin")],
    ("DELETE", "/v1/keys/{api_key_id}"): [
        everywhere("/v1/keys/{key}", 403, owner="admin", owner_status=204, is_telling=False)
    ],
    ("GET", "/v1/conversions/{conversion_id}"): [everywhere(CONVERSION, 404)],
    ("GET", "/v1/conversions/{conversion_id}/explain"): [everywhere(f"{CONVERSION}/explain", 404)],
    ("POST", "/v1/conversions/{conversion_id}/approve"): [everywhere(f"{CONVERSION}/approve", 404)],
    ("POST", "/v1/conversions/{conversion_id}/reject"): [
        everywhere(f"{CONVERSION}/reject", 404, body={"reason": "of a stranger"})
    ],
    ("POST", "/v1/conversions/approve"): [
        Ask("/v1/conversions/approve", 200, 403, 403, body={"conversion_ids": ["{conversion}"]})
    ],
    ("POST", "/v1/conversions/reject"): [
        Ask(
            "/v1/conversions/reject",
            200,
            403,
            403,
            body={"conversion_ids": ["{conversion}"], "reason": "of a stranger"},
        )
    ],
    ("GET", "/v1/attribution"): [
        everywhere(f"/v1/attribution?{PERIOD}&by={by}", 200) for by in ("partner", "campaign", "link")
    ],
    ("GET", "/v1/journeys/{cookie_id}"): [everywhere("/v1/journeys/{cookie}", 404)],
    ("GET", "/v1/reports/markov"): [
        Ask(f"/v1/reports/markov?{PERIOD}{campaign}", 200, 403, 403)
        for campaign in ("", "&campaign={campaign}")
    ],
    ("GET", "/v1/reports/shapley"): [
        Ask(f"/v1/reports/shapley?{PERIOD}{campaign}", 200, 403, 403)
        for campaign in ("", "&campaign={campaign}")
    ],
}


class Plot(NamedTuple):
    """What the first tenant owns, and one client for whoever may knock."""

    things: dict[str, Any]
    secrets: list[str]
    clients: dict[str, httpx.AsyncClient]
    strangers: list[str]
    keyless: list[str]
    db: asyncpg.Connection


def test_no_endpoint_is_left_out(settings: Settings) -> None:
    paths = build_app(settings).openapi()["paths"]
    operations = {
        (method.upper(), path): operation
        for path, found in paths.items()
        for method, operation in found.items()
    }
    assert set(CASES) == set(operations), "say in CASES what strangers are answered there"
    for place, operation in operations.items():
        asked = "&".join(ask.path.partition("?")[2] for ask in CASES[place])
        naming = NAMING & {parameter["name"] for parameter in operation.get("parameters", [])}
        assert all(f"{name}=" in asked for name in naming), (place, naming)


def test_a_wrong_key_shows_nothing_and_changes_nothing_anywhere(settings: Settings) -> None:
    async def scenario(plot: Plot) -> None:
        before = await fingerprints(plot.db)
        for place, ask in every_ask():
            for who in plot.strangers:
                answer = await put(plot, who, place[0], ask)
                assert answer.status_code == getattr(ask, who), (who, place, ask.path, answer.text)
                hidden = [secret for secret in plot.secrets if who != "rival" or secret != "zebra"]
                assert not shown(plot, ask, answer, hidden), (who, place, ask.path, answer.text)
                if place == ("POST", "/v1/links/bulk"):
                    assert answer.json()["created"] == 0
            for who in plot.keyless:
                answer = await put(plot, who, place[0], ask)
                assert answer.status_code == 401, (who, place, answer.text)
                assert answer.headers["content-type"] == "application/problem+json"
                assert not shown(plot, ask, answer, plot.secrets), (who, place, answer.text)
        assert await fingerprints(plot.db) == before

    on_plot(settings, scenario)


def test_the_owner_is_answered_as_documented(settings: Settings) -> None:
    document = strict(build_app(settings).openapi())

    async def scenario(plot: Plot) -> None:
        asks = sorted(every_ask(), key=lambda one: ("GET", "POST", "PATCH", "DELETE").index(one[0][0]))
        for place, ask in asks:
            answer = await put(plot, ask.owner, place[0], ask)
            assert answer.status_code == ask.owner_status, (place, ask.path, answer.text)
            if ask.is_telling:
                assert any(secret in answer.text for secret in plot.secrets), (place, ask.path, answer.text)
            if answer.content and answer.headers["content-type"] == "application/json":
                described = document["paths"][place[1]][place[0].lower()]["responses"][str(ask.owner_status)]
                schema = described["content"]["application/json"]["schema"] | {
                    "components": document["components"]
                }
                faults = [
                    f"{'.'.join(map(str, error.instance_path))} {error.message}"
                    for error in Draft202012Validator(schema).iter_errors(answer.json())
                ]
                assert not faults, (place, ask.path, faults[:5])

    on_plot(settings, scenario)


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """The document with fields it does not name refused, so that every field answered is a documented one."""
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


def every_ask() -> list[tuple[tuple[str, str], Ask]]:
    return [(place, ask) for place, asks in CASES.items() for ask in asks]


async def put(plot: Plot, who: str, method: str, ask: Ask) -> httpx.Response:
    """Send it with that caller's key."""
    return await plot.clients[who].request(
        method,
        ask.path.format(**plot.things),
        content=None if ask.body is None else orjson.dumps(filled(ask.body, plot.things)),
        headers={"Accept": ask.accept, "Content-Type": "application/json"},
    )


def filled(body: Any, things: dict[str, Any]) -> Any:
    """The body with `{…}` replaced by what they stand for."""
    if isinstance(body, dict):
        return {name: filled(value, things) for name, value in body.items()}
    if isinstance(body, list):
        return [filled(value, things) for value in body]
    return things[body[1:-1]] if isinstance(body, str) and body[1:-1] in things else body


def shown(plot: Plot, ask: Ask, answer: httpx.Response, secrets: list[str]) -> list[str]:
    """The secrets in an answer, apart from what the caller sent itself."""
    text = answer.text + str(answer.headers)
    sent = unquote(str(answer.request.url)) + answer.request.content.decode()
    echoes = [thing for thing in plot.things.values() if isinstance(thing, str) and thing in sent]
    for echo in (*echoes, "okapi-source") if "okapi-source" in sent else echoes:
        text = text.replace(echo, "")
    return [secret for secret in secrets if secret in text]


async def fingerprints(db: asyncpg.Connection) -> dict[str, str]:
    """What every table holds; when a key was used last is noted whoever asks."""
    tables = await db.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition"
    )
    return {
        row[0]: await db.fetchval(
            "SELECT count(*) || coalesce(md5(string_agg(content, ',' ORDER BY content)), '')"
            f" FROM (SELECT md5((to_jsonb(t) - 'last_used_at')::text) AS content FROM {row[0]} t) AS contents"
        )
        for row in tables
    }


def on_plot(settings: Settings, scenario: Any) -> None:
    """Run the scenario where two tenants live side by side."""

    async def run(ledger: Ledger) -> None:
        things = await first_tenant(ledger)
        other = await Ledger(ledger.db, ledger.url).set_up(name="Winter")
        await other.click("A", ago(1), 2)
        await other.sale("OTHER-1", "5.00", cookie_number=2)
        await ledger.attribute()
        await rebuild_rollups(ledger.url, None, lambda done, count: None)
        things |= await found_ids(ledger)
        app = build_app(settings)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        keys = await keys_of(ledger, other)
        things["key"] = keys.pop("number")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(app.router.lifespan_context(app))
            clients = {}
            for who, authorization in keys.items():
                headers = {} if authorization is None else {"Authorization": authorization}
                client = httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers)
                clients[who] = await stack.enter_async_context(client)
            secrets = [*PLANTED, things["conversion"], things["click"], things["cookie"]]
            strangers, owners = ["vendor", "partner", "rival"], ["admin", "owner"]
            keyless = [who for who in keys if who not in (*strangers, *owners)]
            await scenario(Plot(things, secrets, clients, strangers, keyless, ledger.db))

    on_ledger(
        str(settings.database_url), run, name="zebra-campaign", destination_url="https://zebra.example/landing"
    )  # fmt: skip


async def first_tenant(ledger: Ledger) -> dict[str, Any]:
    """A vendor, its partner, a link, clicks, a sale, a lead, an override, a rule: all bear planted words."""
    db, partner_id = ledger.db, ledger.partners["A"]
    await db.execute(
        "UPDATE vendors SET name = 'zebra-vendor', company_name = 'zebra-company', email = 'zebra@shop.example',"
        " website_url = 'https://zebra.example/' WHERE vendor_id = $1",
        ledger.vendor_id,
    )
    await db.execute(
        "UPDATE partners SET name = 'okapi-partner', email = 'okapi@blog.example', website_url = 'https://okapi.example/'"
        " WHERE partner_id = $1",
        partner_id,
    )
    enrolment = await db.fetchval(
        "SELECT campaign_partner_id FROM campaign_partners WHERE partner_id = $1", partner_id
    )
    ledger.links["A", ledger.version_id] = await db.fetchval(
        "INSERT INTO partner_links (short_code, full_url, link_label, utm_params, custom_params, fallback_url,"
        " campaign_partner_id) VALUES ('okapi/code', 'https://zebra.example/okapi', 'okapi-label',"
        """ '{"utm_source": "okapi-source"}', '{"k": "okapi-param"}', 'https://zebra.example/okapi-fallback', $1)"""
        " RETURNING partner_link_id",
        enrolment,
    )
    await ledger.override("A", "13.57")
    await ledger.rule({"min_event_value": 5000}, {"commission_multiplier": "2"}, "zebra-rule")
    for days in (2, 1):
        await ledger.click("A", ago(days))
    await db.execute(
        "UPDATE clicks SET utm_source = 'okapi-source', utm_campaign = 'okapi-campaign', sub1 = 'okapi-sub',"
        " referrer_url = 'https://okapi-referrer.example/', user_agent = 'okapi-agent', country_code = 'GB'"
    )
    await ledger.sale("okapi-order", "7077.07")
    await db.execute(
        "INSERT INTO leads (external_lead_id, vendor_id, partner_id, email, cookie_id)"
        " VALUES ('okapi-lead', $1, $2, 'okapi-hash', $3)",
        ledger.vendor_id, partner_id, cookie(1),
    )  # fmt: skip
    await db.execute(
        f"""
        INSERT INTO campaign_tiers (campaign_version_id, label, min_amount, max_amount, reward_type, reward_value)
            VALUES ({ledger.version_id}, 'zebra-tier', 0, 10, 'percentage', 1);
        INSERT INTO rewards (name, reward_type, reward_value) VALUES ('ten', 'flat', 10);
        INSERT INTO campaign_milestones (campaign_version_id, reward_id, name, event_type, target_count)
            SELECT {ledger.version_id}, reward_id, 'zebra-milestone', 'sale', 100 FROM rewards;
        INSERT INTO partner_coupons (vendor_id, code, partner_id, campaign_version_id)
            VALUES ({ledger.vendor_id}, 'okapi-coupon', {partner_id}, {ledger.version_id});
        INSERT INTO content_pieces (partner_id, external_reference, metadata)
            VALUES ({partner_id}, 'https://okapi.example/post', '{{"k": "okapi-meta"}}');
        INSERT INTO integrations (vendor_id, name, type) VALUES ({ledger.vendor_id}, 'zebra-shop', 'webhook');
        INSERT INTO integration_event_mappings (integration_id, event_name, mapping_config)
            SELECT integration_id, 'zebra-event', '{{}}' FROM integrations;
        INSERT INTO payment_providers (name, display_name) VALUES ('paypal', 'PayPal');
        INSERT INTO partner_payment_methods (partner_id, payment_provider_id, provider_account_id, is_verified)
            SELECT {partner_id}, payment_provider_id, 'okapi-account', true FROM payment_providers;
        INSERT INTO payouts (partner_id, amount, start_date, end_date, partner_payment_method_id, payment_provider_id,
                             provider_transaction_id)
            SELECT partner_id, 0, now() - interval '1 month', now(), partner_payment_method_id, payment_provider_id,
                   'okapi-payout' FROM partner_payment_methods;
        INSERT INTO audit_logs (entity_type, entity_id, action, actor_type, changes)
            VALUES ('partner_links', 1, 'update', 'admin', '{{"after": {{"link_label": "okapi-change"}}}}');
        """
    )
    return {
        "vendor": ledger.vendor_id, "partner": partner_id, "campaign": ledger.campaign_id, "enrolment": enrolment,
        "code": "okapi/code", "cookie": str(cookie(1)),
    }  # fmt: skip


async def found_ids(ledger: Ledger) -> dict[str, str]:
    """The ids of the sale and of its click, as the API writes them."""
    row = await ledger.db.fetchrow(
        "SELECT conversion_id::text, click_id::text, attribution_state FROM conversion_events"
        " WHERE transaction_id = 'okapi-order'"
    )
    assert row is not None and row["attribution_state"] == "attributed"
    return {"conversion": row["conversion_id"], "click": row["click_id"]}


async def keys_of(ledger: Ledger, other: Ledger) -> dict[str, Any]:
    """An Authorization header by who sends it, and the number of a key of the first tenant."""
    db = ledger.db
    owner = await issue_key(db, "vendor", vendor_id=ledger.vendor_id, label="zebra-key")
    revoked = [
        await issue_key(db, "vendor", vendor_id=ledger.vendor_id),
        await issue_key(db, "partner", partner_id=ledger.partners["A"]),
        await issue_key(db, "admin"),
    ]
    for key in revoked:
        await revoke_key(db, key.api_key_id)
    working = {
        "admin": await issue_key(db, "admin"),
        "owner": owner,
        "vendor": await issue_key(db, "vendor", vendor_id=other.vendor_id),
        "partner": await issue_key(db, "partner", partner_id=other.partners["A"]),
        "rival": await issue_key(db, "partner", partner_id=ledger.partners["C"]),
        "expired": await issue_key(
            db, "vendor", ledger.vendor_id, expires_at=datetime.now(UTC) - timedelta(seconds=1)
        ),
    } | {f"revoked {number}": key for number, key in enumerate(revoked)}
    headers: dict[str, Any] = {who: f"Bearer {key.plaintext}" for who, key in working.items()}
    return headers | {
        "number": (await issue_key(db, "vendor", vendor_id=ledger.vendor_id)).api_key_id,
        "nobody": None,
        "guesser": f"Bearer {owner.plaintext[:-1]}{'a' if owner.plaintext[-1] != 'a' else 'b'}",
        "wrong scheme": f"Basic {owner.plaintext}",
    }
