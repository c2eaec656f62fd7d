"""Rules for robots change: stored clicks are judged anew, and everything that counts them follows."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import pytest
from flusher_bed import CHROME, append, click, drain, rows, store, value
from test_api import PROGRAMME
from test_rollups import LINKS, disagreeing, random_clicks
from typer.testing import CliRunner

from attribution.verify import verify
from clickledger.cli import app
from flusher import reclassify
from schema import agents
from schema.ids import wall_clock_ms
from schema.settings import Settings

HOUR_MS = 3_600_000
SPY = f"{CHROME} Spy"


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Rules a test may change: user agents that are robots, and some that no longer are."""
    changed: dict[str, str | None] = {}

    def find(user_agent: str) -> str | None:
        return changed[user_agent] if user_agent in changed else agents.find_bot_rule(user_agent)

    monkeypatch.setattr(reclassify, "find_bot_rule", find)
    return changed


def prepare(settings: Settings) -> None:
    async def run() -> None:
        db = await asyncpg.connect(settings.database_url)
        await db.execute(PROGRAMME + LINKS)
        await db.close()

    asyncio.run(run())


def run_command(settings: Settings) -> str:
    environment = {"CLICKLEDGER_DATABASE_URL": str(settings.database_url)}
    ran = CliRunner().invoke(app, ["reclassify", "--from", "2020-01-01"], env=environment)
    assert ran.exit_code == 0, ran.output
    return ran.output


def wrong(settings: Settings) -> list[Any]:
    """Checks of the audit that fail."""
    return [check for check in verify(str(settings.database_url)) if not check.ok]


def test_a_robot_found_out_later_counts_no_more_and_makes_room_for_the_next(
    settings: Settings, rules: Any
) -> None:
    prepare(settings)
    start = wall_clock_ms() - 5 * HOUR_MS
    spy = click(at_ms=start, partner_id=1, campaign_version_id=1, user_agent=SPY)
    double = click(
        at_ms=start + 5_000, partner_id=1, campaign_version_id=1, cookie_id=spy.cookie_id, user_agent=CHROME
    )
    other = click(at_ms=start + 9_000, partner_id=1, campaign_version_id=1)
    store(settings, spy, double, other)
    assert value(settings, "SELECT total_clicks FROM campaign_partners WHERE campaign_partner_id = 1") == 2
    rules[SPY] = "Spy"
    output = run_command(settings)
    assert "1 user agents are judged differently, 2 clicks changed" in output
    found = rows(settings, "SELECT click_class, class_reason, is_unique FROM clicks ORDER BY click_id")
    assert [tuple(row.values()) for row in found] == [
        ("bot", "Spy", False),
        ("valid", None, True),
        ("valid", None, True),
    ]
    (cookie,) = rows(settings, "SELECT * FROM cookies WHERE cookie_id = $1::uuid", spy.cookie_id)
    assert cookie["first_click_id"] == cookie["last_click_id"] == double.click_id
    assert value(settings, "SELECT count(*) FROM late_clicks") == 2
    assert value(settings, "SELECT changes->>'clicks' FROM audit_logs WHERE action = 'reclassify'") == "2"
    assert wrong(settings) == []


def test_what_was_taken_for_a_robot_becomes_a_visitor(settings: Settings, rules: Any) -> None:
    prepare(settings)
    start = wall_clock_ms() - 5 * HOUR_MS
    first = click(at_ms=start, user_agent="curl/8.5", partner_id=1, campaign_version_id=1)
    later = click(at_ms=start + HOUR_MS, cookie_id=first.cookie_id, partner_id=1, campaign_version_id=1)
    store(settings, first, later)
    rules["curl/8.5"] = None
    run_command(settings)
    found = rows(settings, "SELECT click_class, is_unique FROM clicks ORDER BY click_id")
    assert [tuple(row.values()) for row in found] == [("valid", True), ("valid", False)]
    assert wrong(settings) == []


def test_judging_anew_by_the_same_rules_changes_nothing(settings: Settings) -> None:
    prepare(settings)
    append(settings, *random_clicks(random.Random(3), 150))
    drain(settings)
    assert "0 user agents are judged differently, 0 clicks changed" in run_command(settings)


@pytest.mark.parametrize("seed", range(2))
def test_there_and_back_again(
    settings: Settings, rules: Any, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reclassify, "SLICE_CLICKS", 7)
    prepare(settings)
    chance = random.Random(seed)
    append(settings, *random_clicks(chance, 200))
    drain(settings)
    every = "SELECT click_id, click_class, is_unique FROM clicks ORDER BY click_id"
    before = rows(settings, every)
    rules[CHROME] = "Chrome"
    run_command(settings)
    assert disagreeing(settings) == [] and wrong(settings) == []
    assert rows(settings, every) != before
    rules[CHROME] = None
    run_command(settings)
    assert disagreeing(settings) == [] and wrong(settings) == []
    assert rows(settings, every) == before
