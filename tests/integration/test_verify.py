"""The audit: clean where all agrees, and each broken invariant is found, counted and named."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from attribution.verify import Check, verify
from schema.settings import Settings

CLEAN = """
    INSERT INTO vendors (name, email) VALUES ('V', 'v@x.example');
    INSERT INTO partners (name, email, status) VALUES ('P', 'p@x.example', 'active');
    BEGIN;
    INSERT INTO campaigns (vendor_id, current_campaign_version_id) VALUES (1, 1);
    INSERT INTO campaign_versions (campaign_id, version_number, name, destination_url, default_commission_type,
        default_commission_value) VALUES (1, 1, 'C', 'https://c.example/', 'flat', 1);
    COMMIT;
    INSERT INTO campaign_partners (campaign_version_id, partner_id, status) VALUES (1, 1, 'approved');
    INSERT INTO partner_links (short_code, campaign_partner_id, full_url) VALUES ('a', 1, 'https://c.example/');
    SELECT ensure_month_partitions('clicks', now() - interval '70 days', now());
    CREATE TEMP TABLE made AS
        SELECT ((extract(epoch FROM date_trunc('milliseconds', now() - n * interval '1 day')) * 1000)::bigint << 21) + n AS click_id,
               date_trunc('milliseconds', now() - n * interval '1 day') AS clicked_at, n,
               ('00000000-0000-7000-8000-00000000000' || n % 3)::uuid AS cookie_id
        FROM generate_series(0, 59) n;
    INSERT INTO clicks (click_id, clicked_at, partner_link_id, partner_id, campaign_version_id, cookie_id, click_class)
        SELECT click_id, clicked_at, 1, 1, 1, cookie_id, CASE WHEN n % 10 = 0 THEN 'bot' ELSE 'valid' END FROM made;
    INSERT INTO cookies (cookie_id, first_click_id, last_click_id, first_partner_id, last_partner_id,
        last_campaign_version_id, expires_at)
        SELECT cookie_id, min(click_id), max(click_id), 1, 1, 1, now() FROM clicks WHERE click_class = 'valid' GROUP BY 1;
    UPDATE campaign_partners SET (total_clicks, last_click_at) =
        (SELECT count(*), max(clicked_at) FROM clicks WHERE click_class = 'valid');
    INSERT INTO click_imports (import_key, click_id) SELECT cookie_id, max(click_id) FROM clicks GROUP BY 1;
    DROP TABLE made;
    INSERT INTO click_deltas SELECT clicked_at, partner_link_id, partner_id, campaign_version_id, 1, click_class, is_unique
        FROM clicks;
    SELECT fold_clicks(40);
"""


def checks_after(settings: Settings, *statements: str) -> dict[str, Check]:
    async def run() -> None:
        connection = await asyncpg.connect(settings.database_url)
        for statement in (CLEAN, *statements):
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())
    return {check.name: check for check in verify(str(settings.database_url))}


def test_a_sound_ledger_is_clean(settings: Settings) -> None:
    checks = checks_after(settings)
    assert [check for check in checks.values() if not check.ok] == []
    assert checks["click_ids_unique"].examined == 60
    assert checks["cookies_last_click"].examined == 3
    assert checks["totals_equal_recount"].examined == 1
    assert checks["imports_have_clicks"].examined == 3


@pytest.mark.parametrize(
    ("statement", "name", "violations"),
    [
        ("INSERT INTO clicks (click_id, clicked_at, partner_link_id, click_class) SELECT click_id, clicked_at - interval '40 days', 1, 'bot' FROM clicks ORDER BY 1 DESC LIMIT 1", "click_ids_unique", 1),
        ("UPDATE clicks SET clicked_at = clicked_at + interval '1 millisecond' WHERE click_id = (SELECT min(click_id) FROM clicks)", "clicked_at_equals_id", 1),
        ("UPDATE clicks SET partner_link_id = 99", "clicks_have_links", 60),
        ("UPDATE cookies SET last_click_id = first_click_id", "cookies_last_click", 3),
        ("DELETE FROM cookies", "cookies_known", 3),
        ("UPDATE cookies SET first_click_id = first_click_id + 1", "cookies_have_clicks", 3),
        ("UPDATE cookies SET first_click_id = last_click_id, last_click_id = first_click_id", "cookies_partners", 3),
        ("UPDATE cookies SET last_partner_id = 7", "cookies_partners", 3),
        ("UPDATE campaign_partners SET total_clicks = total_clicks + 1", "totals_equal_recount", 1),
        ("INSERT INTO click_imports (import_key, click_id) SELECT gen_random_uuid(), max(click_id) + 1 FROM clicks", "imports_have_clicks", 1),
        ("UPDATE clicks SET is_unique = true WHERE click_class = 'bot'", "unique_clicks_are_valid", 6),
        ("UPDATE rollup_hours SET valid = valid + 1 WHERE scope = 'all'", "rollups_equal_raw", 40),
        ("DELETE FROM click_deltas", "rollups_equal_raw", 20 * (5 + 10 + 4 * 13)),
        ("UPDATE rollup_days SET value = 'XX' WHERE scope = 'link' AND dimension = 'os'", "rollups_equal_raw", 80),
        ("DO $$ BEGIN EXECUTE 'DROP TABLE touches' || to_char(now() AT TIME ZONE 'UTC', '_YYYYMM'); END $$", "partitions_cover_now", 1),
        ("UPDATE listed_links SET words = ''", "listed_links_equal_links", 1),
        ("DELETE FROM listed_links", "listed_links_equal_links", 1),
    ],
)  # fmt: skip
def test_what_disagrees_is_found(settings: Settings, statement: str, name: str, violations: int) -> None:
    check = checks_after(settings, statement)[name]
    assert not check.ok and check.violations == violations
    assert 1 <= len(check.detail) <= 5


def test_clicks_dropped_by_retention_are_not_missed(settings: Settings) -> None:
    drop = """DO $$ BEGIN EXECUTE 'DROP TABLE clicks' || (SELECT to_char(min(clicked_at) AT TIME ZONE 'UTC', '_YYYYMM') FROM clicks); END $$"""
    checks = checks_after(settings, drop)
    assert checks["cookies_have_clicks"].ok and checks["imports_have_clicks"].ok
