"""Rollups are a recount at any moment: random clicks, late clicks, sales, refunds, rejections and corrections, folded in
bits at random, then every rollup is compared with a GROUP BY of the raw tables; and with what readers are told.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from flusher_bed import CHROME, COOKIES, append, click, drain
from test_api import PROGRAMME, Play, World, add_clicks, errors, play  # noqa: F401 - `play` is a fixture
from typer.testing import CliRunner

from attribution import stats
from attribution.keys import ADMIN
from attribution.periods import period_of
from attribution.stats import PROPERTIES, Question, read_stats
from attribution.stats_scope import Subject
from attribution.verify import Check, verify
from clickledger.cli import app
from schema.ids import wall_clock_ms
from schema.settings import Settings

HOUR_MS = 3_600_000
LINKS = """
    INSERT INTO partner_links (short_code, campaign_partner_id, vendor_id, destination_url, full_url) VALUES
        ('a', 1, NULL, NULL, 'https://shop.example/'), ('b', 1, NULL, NULL, 'https://shop.example/'),
        ('c', 2, NULL, NULL, 'https://other.example/'), ('d', NULL, 1, 'https://x.example/', 'https://x.example/')
"""
OWNERS: dict[int, tuple[int | None, int | None]] = {1: (1, 1), 2: (1, 1), 3: (2, 2), 4: (None, None)}
MODELS = ("first_click", "last_click", "linear", "time_decay", "position_based")


def random_clicks(chance: random.Random, count: int) -> list[Any]:
    """Clicks of the last days and of weeks ago, some by robots, some repeated at once, with few or very many values."""
    now = wall_clock_ms()
    made: list[Any] = []
    for number in range(count):
        link = chance.choice((1, 1, 1, 2, 3, 4))
        partner, version = OWNERS[link]
        fields = {
            "link_id": link,
            "partner_id": partner,
            "campaign_version_id": version,
            "kind": chance.choice((0, 0, 0, 0, 0, 1, 2)),
            "user_agent": chance.choice((CHROME, f"{CHROME} {number}", "curl/8.5")),
            "referrer": chance.choice(
                ("", "https://blog.example/x", f"https://r{chance.randrange(40)}.example/")
            ),
            "query": chance.choice(
                ("", "utm_source=mail", f"utm_source=s{chance.randrange(60)}&utm_term=%20")
            ),
        }
        at_ms = now - chance.randrange(chance.choice((3, 19)) * 24) * HOUR_MS - chance.randrange(HOUR_MS)
        if made and chance.random() < 0.2:
            at_ms = (made[-1].click_id >> 21) + 2_000
            fields |= {"cookie_id": made[-1].cookie_id, "link_id": made[-1].link_id,
                       "partner_id": made[-1].partner_id, "campaign_version_id": made[-1].campaign_version_id}  # fmt: skip
        made.append(click(at_ms=at_ms, **({"cookie_id": COOKIES.mint(at_ms)} | fields)))
    return made


async def sell(db: asyncpg.Connection, chance: random.Random, number: int) -> None:
    """A conversion of a random earning click with the touches of all models, as the ledger writes it."""
    found = await db.fetch(
        "SELECT * FROM clicks WHERE click_class = 'valid' AND partner_id IS NOT NULL ORDER BY click_id"
    )
    if not found:
        return
    touched = chance.sample(found, min(len(found), chance.randrange(1, 4)))
    last = touched[-1]
    async with db.transaction():
        event_id = await db.fetchval(
            """INSERT INTO conversion_events (vendor_id, conversion_event_type_id, transaction_id, event_value, currency,
                   attribution_type, occurred_at)
               SELECT 1, conversion_event_type_id, $1, $2, $3, $4, $5 FROM conversion_event_types WHERE name = 'sale'
               RETURNING conversion_event_id""",
            f"T{number}", Decimal(chance.randrange(1, 10_000)) / 100, chance.choice(("USD", "JPY")),
            chance.choice(MODELS), last["clicked_at"] + timedelta(minutes=chance.randrange(300)),
        )  # fmt: skip
        await attribute(db, chance, event_id, touched)


async def attribute(db: asyncpg.Connection, chance: random.Random, event_id: int, touched: list[Any]) -> None:
    """Touches instead of those there were, and the conversion after its last one; none: nobody earned it."""
    await db.execute(
        "UPDATE touches SET is_deleted = true WHERE conversion_event_id = $1 AND NOT is_deleted", event_id
    )
    for model in MODELS if touched else ():
        for place in touched:
            await db.execute(
                """INSERT INTO touches (conversion_event_id, converted_at, attribution_type, touch_type, partner_id,
                       campaign_version_id, partner_link_id, touch_weight, touch_value, click_id, occurred_at)
                   SELECT $1, occurred_at, $2, 'middle', $3, $4, $5, 1, $6, $7, $8 FROM conversion_events
                   WHERE conversion_event_id = $1""",
                event_id, model, place["partner_id"], place["campaign_version_id"], place["partner_link_id"],
                Decimal(chance.randrange(1000)) / 100, place["click_id"], place["clicked_at"],
            )  # fmt: skip
    last = touched[-1] if touched else None
    await db.execute(
        """UPDATE conversion_events SET attribution_state = $2, commission_type = $3, commission_amount = $4,
               partner_id = $5, campaign_version_id = $6, click_id = $7, clicked_at = $8
           WHERE conversion_event_id = $1""",
        event_id, "attributed" if last else "unattributed", "flat" if last else None, Decimal(1),
        *((last[name] if last else None) for name in ("partner_id", "campaign_version_id", "click_id", "clicked_at")),
    )  # fmt: skip


async def happen(db: asyncpg.Connection, chance: random.Random, number: int) -> None:
    """One of the things that change what was counted."""
    events = [
        row[0]
        for row in await db.fetch(
            "SELECT conversion_event_id FROM conversion_events WHERE status = 'pending'"
        )
    ]
    what = chance.choice(
        ("sell", "sell", "sell", "again", "reject", "refund", "erase", "correct", "fold", "fold")
    )
    if what == "sell" or (not events and what in ("again", "reject", "refund")):
        await sell(db, chance, number)
    elif what == "again":
        found = await db.fetch("SELECT * FROM clicks WHERE click_class = 'valid' AND partner_id IS NOT NULL")
        await attribute(
            db, chance, chance.choice(events), chance.sample(found, min(len(found), chance.randrange(3)))
        )
    elif what == "reject":
        await db.execute(
            "UPDATE conversion_events SET status = 'rejected' WHERE conversion_event_id = $1",
            chance.choice(events),
        )
    elif what == "refund":
        await db.execute(
            """INSERT INTO conversion_events (vendor_id, conversion_event_type_id, transaction_id, event_value, currency,
                   commission_amount, commission_type, attribution_state, partner_id, campaign_version_id, click_id,
                   clicked_at, adjusts_conversion_event_id, adjustment_key)
               SELECT vendor_id, conversion_event_type_id, transaction_id, -event_value, currency, -commission_amount,
                   commission_type, attribution_state, partner_id, campaign_version_id, click_id, clicked_at,
                   conversion_event_id, $2 FROM conversion_events WHERE conversion_event_id = $1""",
            chance.choice(events), str(number),
        )  # fmt: skip
    elif what == "erase":
        await correct(db, "DELETE FROM clicks", chance)
    elif what == "correct":
        await correct(db, "UPDATE clicks SET click_class = 'bot', is_unique = false", chance)
    elif chance.random() < 0.3:
        await db.execute("SELECT bound_rollups(5, current_date - 40)")
    elif chance.random() < 0.3:
        await db.execute("SELECT close_week()")
    else:
        await db.execute(
            "SELECT fold_clicks($1), fold_sales($2)", chance.randrange(1, 60), chance.randrange(1, 4)
        )


async def correct(db: asyncpg.Connection, change: str, chance: random.Random) -> None:
    """Change one click for good, and say so with the same transaction."""
    click_id = await db.fetchval(
        "SELECT click_id FROM clicks ORDER BY click_id OFFSET $1 LIMIT 1", chance.randrange(20)
    )
    delta = """INSERT INTO click_deltas SELECT clicked_at, partner_link_id, partner_id, campaign_version_id, {weight},
        click_class, is_unique, country_code, device_type, browser, os, referrer_host, utm_source, utm_medium,
        utm_campaign, utm_content, utm_term FROM clicks WHERE click_id = $1"""
    async with db.transaction():
        await db.execute(delta.format(weight=-1), click_id)
        await db.execute(f"{change} WHERE click_id = $1", click_id)
        await db.execute(delta.format(weight=1), click_id)
        await db.execute(
            """INSERT INTO sale_marks SELECT conversion_event_id FROM touches WHERE click_id = $1
               UNION SELECT conversion_event_id FROM conversion_events WHERE click_id = $1""",
            click_id,
        )


def disagreeing(settings: Settings) -> list[Check]:
    wanted = ("rollups_equal_raw", "weeks_equal_days", "sales_equal_raw")
    checks = [check for check in verify(str(settings.database_url)) if check.name in wanted]
    assert len(checks) == len(wanted)
    return [check for check in checks if not check.ok]


async def told(db: asyncpg.Connection, start: str, interval: Any, zone: str) -> dict[str, Any]:
    """What a reader is told of everything."""
    period = period_of(start, None, interval, zone, datetime.now(UTC))
    question = Question(period, {}, (*PROPERTIES, "link", "partner", "campaign", "class"), 1000, "linear")
    async with db.transaction(isolation="repeatable_read"):
        body = await read_stats(db, ADMIN, Subject(), question)
    body.pop("lag_seconds")
    return body


@pytest.mark.parametrize("seed", range(3))
def test_every_rollup_equals_a_recount_whatever_happens(settings: Settings, seed: int) -> None:
    chance = random.Random(seed)

    async def rounds(count: int) -> None:
        db = await asyncpg.connect(settings.database_url, server_settings={"timezone": "UTC"})
        for number in range(count):
            await happen(db, chance, chance.randrange(1 << 30) + number)
        await db.close()

    async def prepare() -> None:
        db = await asyncpg.connect(settings.database_url)
        await db.execute(PROGRAMME + LINKS)
        await db.close()

    asyncio.run(prepare())
    for _ in range(3):
        append(settings, *random_clicks(chance, 120))
        drain(settings)
        asyncio.run(rounds(25))
        assert disagreeing(settings) == []

    async def fold_all() -> tuple[list[Any], list[Any]]:
        db = await asyncpg.connect(settings.database_url, server_settings={"timezone": "UTC"})
        month_ago = (datetime.now(UTC) - timedelta(days=20)).date().isoformat()
        questions = [
            (month_ago, "day", "UTC"),
            (month_ago, "day", "Asia/Kolkata"),
            (month_ago, "week", "Europe/Berlin"),
            (month_ago, "day", "America/Denver"),
        ]
        before = [await told(db, *question) for question in questions]
        await db.execute("SELECT fold_clicks(100000), fold_sales(100000)")
        assert await db.fetchval("SELECT count(*) FROM click_deltas") == 0
        assert await db.fetchval("SELECT sum(conversions) FROM sale_hours WHERE scope = 'all'") > 0
        while await db.fetchval("SELECT close_week()"):
            continue
        after = [await told(db, *question) for question in questions]
        assert await db.fetchval("SELECT count(*) FROM rollup_weeks") > 0
        await db.execute("DELETE FROM closed_weeks; DELETE FROM rollup_weeks")
        assert [await told(db, *question) for question in questions] == after
        await db.close()
        return before, after

    before, after = asyncio.run(fold_all())
    for one, other in zip(before, after, strict=True):
        assert one["totals"] == other["totals"] and one["series"] == other["series"]
        for rows in other["breakdowns"].values():
            assert sum(row["gross"] for row in rows) == other["totals"]["gross"]
            assert sum(row["unique"] for row in rows) == other["totals"]["unique"]
    assert len({body["totals"]["gross"] for body in after}) == 1
    assert disagreeing(settings) == []


def test_a_crowded_day_keeps_its_largest_values_and_the_rest_in_one_row(settings: Settings) -> None:
    async def scenario() -> None:
        db = await asyncpg.connect(settings.database_url, server_settings={"timezone": "UTC"})
        await db.execute(PROGRAMME + LINKS)
        add = """INSERT INTO click_deltas (clicked_at, partner_link_id, partner_id, campaign_version_id, click_class, is_unique,
                     utm_source)
                 SELECT now(), 1, 1, 1, 'valid', true, 's' || n FROM generate_series(1, $1) n, generate_series(1, 10 / n) m"""
        await db.execute(add, 10)
        await db.execute("SELECT fold_clicks(1000), bound_rollups(3, current_date)")
        await db.execute(add, 6)
        await db.execute("SELECT fold_clicks(1000)")
        rows = await db.fetch(
            """SELECT value, is_rest, gross FROM rollup_days
               WHERE scope = 'link' AND dimension = 'utm_source' ORDER BY is_rest, gross DESC"""
        )
        assert [tuple(row) for row in rows] == [
            ("s1", False, 20), ("s2", False, 10), ("s3", False, 6), ("", True, 2 + 2 + 1 + 1 + 1 + 1 + 1 + 2 + 2 + 1),
        ]  # fmt: skip
        body = await told(db, datetime.now(UTC).date().isoformat(), "day", "UTC")
        assert [row["value"] for row in body["breakdowns"]["utm_source"]] == ["s1", "s2", "s3", "other"]
        assert body["breakdowns"]["utm_source"][-1]["is_rest"] is True
        await db.close()

    asyncio.run(scenario())


def test_rollups_outlive_the_clicks_they_count(settings: Settings) -> None:
    at_ms = wall_clock_ms() - 100 * 24 * HOUR_MS
    append(settings, *(click(at_ms=at_ms + number * 1000, query="utm_source=old") for number in range(7)))
    append(settings, click())
    drain(settings)

    async def scenario() -> None:
        db = await asyncpg.connect(settings.database_url, server_settings={"timezone": "UTC"})
        await db.execute("SELECT fold_clicks(1000)")
        month = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y%m")
        await db.execute(f"DROP TABLE clicks_{month}")
        body = await told(db, "2000-01-01", "month", "UTC")
        assert body["totals"]["clicks"] == 8
        assert {row["value"]: row["clicks"] for row in body["breakdowns"]["utm_source"]} == {
            "old": 7,
            None: 1,
        }
        await db.close()

    asyncio.run(scenario())
    assert disagreeing(settings) == []


def test_rebuilding_mends_rollups_and_sales_beside_clicks_that_come_in(settings: Settings) -> None:
    chance = random.Random(7)

    async def prepare() -> None:
        db = await asyncpg.connect(settings.database_url)
        await db.execute(PROGRAMME + LINKS)
        await db.close()

    asyncio.run(prepare())
    append(settings, *random_clicks(chance, 200))
    drain(settings)

    async def damage() -> None:
        db = await asyncpg.connect(settings.database_url, server_settings={"timezone": "UTC"})
        for number in range(5):
            await sell(db, chance, number)
        await db.execute("SELECT fold_clicks(100), fold_sales(3)")
        await db.execute("UPDATE rollup_hours SET valid = valid + 1")
        await db.execute("DELETE FROM rollup_days WHERE dimension = 'os'")
        await db.execute("UPDATE sale_hours SET paid = 0")
        await db.execute("DELETE FROM sale_days")
        await db.execute("DELETE FROM click_deltas WHERE ctid IN (SELECT ctid FROM click_deltas LIMIT 9)")
        await db.close()

    asyncio.run(damage())
    assert len(disagreeing(settings)) == 2
    ran = CliRunner().invoke(
        app, ["rollups", "rebuild"], env={"CLICKLEDGER_DATABASE_URL": str(settings.database_url)}
    )
    assert ran.exit_code == 0, ran.output
    assert "200 clicks and 5 conversions counted" in ran.output
    assert disagreeing(settings) == []


def test_reconciliation_shows_what_is_apart(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        await world.connection.execute(LINKS)
        await add_clicks(world.connection, 1, datetime.now(UTC), 4, partner_id=1, version_id=1)
        await world.connection.execute(
            "UPDATE campaign_partners SET total_clicks = 4 WHERE campaign_partner_id = 1"
        )
        for client in (world.admin, world.vendor, world.partner, world.other):
            body = (await client.get("/v1/reconcile")).json()
            assert body["ok"] is True, body
        assert (await world.vendor.get("/v1/reconcile")).json()["gross"] == {
            "raw": 4,
            "rollups": 4,
            "difference": 0,
        }
        await world.connection.execute(
            "UPDATE campaign_partners SET total_clicks = 5 WHERE campaign_partner_id = 1"
        )
        await world.connection.execute(
            "DELETE FROM click_deltas WHERE ctid IN (SELECT ctid FROM click_deltas LIMIT 1)"
        )
        body = (await world.partner.get("/v1/reconcile")).json()
        assert body["ok"] is False and body["clicks"] == {"raw": 4, "rollups": 3, "difference": -1}
        assert body["enrolments"] == {
            "apart": 1,
            "rows": [{"campaign_id": 1, "partner_id": 1, "clicks_total": 5, "clicks": 3, "conversions_total": 0,
                      "conversions": 0}],
        }  # fmt: skip
        assert (await world.other.get("/v1/reconcile")).json()["ok"] is True

    play(scenario)


def test_a_filter_no_rollup_knows_reads_few_clicks(play: Play, monkeypatch: Any) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        await world.connection.execute(LINKS)
        await add_clicks(world.connection, 1, datetime.now(UTC), 4, partner_id=1, version_id=1)
        query = "country=GB&breakdown=device,link&partner=1"
        few = (await world.vendor.get(f"/v1/stats?{query}")).json()
        assert few["totals"]["clicks"] == 4 and few["breakdowns"]["link"][0]["value"] == "a"
        await world.connection.execute("SELECT fold_clicks(100)")
        monkeypatch.setattr(stats, "CLICKS_READ_MAX", 3)
        refused = await world.vendor.get("/v1/campaigns/1/stats?country=GB")
        assert refused.status_code == 422 and "4 clicks would have to be read" in errors(refused)["country"]
        assert (await world.vendor.get("/v1/links/a/stats?country=GB")).json()["totals"]["clicks"] == 4
        assert (await world.vendor.get("/v1/campaigns/1/stats?partner=1")).json()["totals"]["clicks"] == 4
        assert (await world.vendor.get("/v1/campaigns/1/stats?partner=2")).json()["totals"]["clicks"] == 0
        assert (await world.partner.get("/v1/partners/1/stats?campaign=1&link=a")).json()["totals"][
            "clicks"
        ] == 4
        assert (await world.other.get("/v1/campaigns/1/stats")).status_code == 404
        compared = (await world.admin.get("/v1/stats?compare=previous")).json()
        assert compared["previous"]["totals"]["clicks"] == 0 and compared["totals"]["clicks"] == 4

    play(scenario)
