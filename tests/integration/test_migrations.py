"""What migrating leaves behind: tables that explain themselves, promises kept by the database, and safe repetition."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlencode, urlsplit

import asyncpg
import orjson
import pytest
from sample_ledger import (
    add_campaign,
    add_link,
    add_partner,
    add_two_programmes,
    connect,
    enrol,
    rehearse,
    run,
)

import schema
from schema.links import PublishedLink, decode_link
from schema.migrate import current_revision, migrate

REPOSITORY = Path(schema.__file__).parent.parent
MIGRATE = "import sys; from schema.migrate import migrate; sys.stdout.write(migrate(sys.argv[1]))"


def _migrate_elsewhere(url: str, root: Path = REPOSITORY) -> subprocess.Popen[str]:
    """`migrate` in a process of its own, importing the package from `root`."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", MIGRATE, url],
        env=os.environ | {"PYTHONPATH": str(root)},
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _column(url: str, sql: str) -> list[str]:
    """The first column of a query's rows."""

    async def read(db: asyncpg.Connection) -> list[str]:
        return [row[0] for row in await db.fetch(sql)]

    return run(url, read)


def test_every_table_view_and_column_has_a_comment(rehearsal_url: str) -> None:
    silent = """
        SELECT c.relname || coalesce('.' || a.attname, '')
        FROM pg_class c
        LEFT JOIN LATERAL (SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
                           AND NOT attisdropped UNION ALL SELECT NULL, 0) a ON true
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
          AND (NOT c.relispartition OR a.attnum = 0)
          AND coalesce(CASE a.attnum WHEN 0 THEN obj_description(c.oid, 'pg_class')
                                     ELSE col_description(c.oid, a.attnum) END, '') = ''"""
    assert _column(rehearsal_url, silent) == []


def test_every_function_has_a_comment(rehearsal_url: str) -> None:
    silent = """SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                AND prokind = 'f' AND obj_description(oid, 'pg_proc') IS NULL"""
    assert _column(rehearsal_url, silent) == []


def test_every_check_has_a_name_of_its_own(rehearsal_url: str) -> None:
    unnamed = r"""SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
                  AND conname ~ '_check\d*$'"""
    assert _column(rehearsal_url, unnamed) == []
    named = "SELECT DISTINCT conname FROM pg_constraint WHERE contype = 'c' AND conname LIKE '%_status_known'"
    assert len(_column(rehearsal_url, named)) >= 8


def test_no_extension_is_needed(rehearsal_url: str) -> None:
    assert _column(rehearsal_url, "SELECT extname FROM pg_extension") == ["plpgsql"]


def test_no_foreign_key_points_into_a_partitioned_table(rehearsal_url: str) -> None:
    keys = """SELECT conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
              WHERE k.contype = 'f' AND (c.relkind = 'p' OR c.relispartition)"""
    assert _column(rehearsal_url, keys) == []


def test_times_have_a_zone_and_money_is_never_a_float(rehearsal_url: str) -> None:
    wrong = """SELECT table_name || '.' || column_name FROM information_schema.columns
               WHERE table_schema = 'public'
                 AND data_type IN ('timestamp without time zone', 'real', 'double precision', 'money')"""
    assert _column(rehearsal_url, wrong) == []


def test_money_of_0_2_3_and_4_decimals_is_exact(rehearsal_url: str) -> None:
    amounts = _column(
        rehearsal_url, "SELECT x::numeric(18,4)::text FROM unnest(ARRAY[1235, 12.35, 1.235, 0.0001]) AS x"
    )
    assert amounts == ["1235.0000", "12.3500", "1.2350", "0.0001"]
    narrow = """SELECT column_name FROM information_schema.columns
                WHERE table_schema = 'public' AND data_type = 'numeric' AND numeric_scale <> 4
                  AND column_name ~ '(amount|value|revenue|commission)'"""
    assert _column(rehearsal_url, narrow) == []


def test_the_dictionarys_event_and_partner_types_are_there(rehearsal_url: str) -> None:
    events = _column(rehearsal_url, "SELECT name FROM conversion_event_types ORDER BY sort_order")
    assert events == [
        "click",
        "page_view",
        "lead_form",
        "signup",
        "trial_start",
        "sale",
        "subscription",
        "upgrade",
    ]
    free = _column(rehearsal_url, "SELECT name FROM conversion_event_types WHERE NOT is_commissionable")
    assert sorted(free) == ["click", "page_view"]
    assert len(_column(rehearsal_url, "SELECT name FROM partner_types")) == 4


def test_migrating_twice_is_a_no_op(database_url: str) -> None:
    tables = "SELECT oid::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    before = _column(database_url, tables)
    assert migrate(database_url) == current_revision(database_url)
    assert _column(database_url, tables) == before


def test_two_processes_may_migrate_at_once(empty_database_url: str) -> None:
    assert current_revision(empty_database_url) is None
    both = [_migrate_elsewhere(empty_database_url) for _ in range(2)]
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert {answer for answer, _ in answers} == {current_revision(empty_database_url)}


def test_it_runs_from_a_path_with_spaces_and_percent_signs(empty_database_url: str, tmp_path: Path) -> None:
    root = tmp_path / "click ledger 100%s ü"
    shutil.copytree(Path(schema.__file__).parent, root / "schema")
    process = _migrate_elsewhere(empty_database_url, root)
    answer, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, "")
    assert answer == current_revision(empty_database_url)


def test_it_runs_over_a_unix_socket(database_url: str) -> None:
    directory = _column(database_url, "SELECT current_setting('unix_socket_directories')")[0].split(",")[0]
    parts = urlsplit(database_url)
    socket = Path(directory.strip()) / f".s.PGSQL.{parts.port or 5432}"
    if not directory or not socket.exists():
        pytest.skip("the server has no socket on this machine")
    query = {
        "host": directory.strip(),
        "port": parts.port or 5432,
        "user": unquote(parts.username or "postgres"),
    }
    if parts.password:
        query["password"] = unquote(parts.password)
    assert migrate(f"postgresql://{parts.path}?{urlencode(query)}") == current_revision(database_url)


def test_a_migration_that_fails_leaves_nothing_behind(empty_database_url: str) -> None:
    async def be_in_the_way(db: asyncpg.Connection) -> None:
        await db.execute("CREATE TABLE payouts ()")

    run(empty_database_url, be_in_the_way)
    with pytest.raises(asyncpg.DuplicateTableError) as caught:
        migrate(empty_database_url)
    assert any("payouts.sql" in note for note in caught.value.__notes__)
    assert _column(empty_database_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [
        "payouts"
    ]


def test_partitions_reach_from_last_month_to_three_months_ahead(rehearsal_url: str) -> None:
    wanted = """SELECT to_char(month, 'YYYYMM') FROM generate_series(
                    date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month',
                    date_trunc('month', now() AT TIME ZONE 'UTC') + interval '3 months', interval '1 month') month"""
    for parent in ("clicks", "touches", "audit_logs"):
        found = f"SELECT right(inhrelid::regclass::text, 6) FROM pg_inherits WHERE inhparent = '{parent}'::regclass AND inhrelid::regclass::text ~ '_\\d{{6}}$' ORDER BY 1"
        assert _column(rehearsal_url, found) == _column(rehearsal_url, wanted), parent
    assert len(_column(rehearsal_url, "SELECT 1 FROM pg_inherits WHERE inhparent = 'cookies'::regclass")) == 8


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Los_Angeles"])
def test_an_old_months_partitions_appear_with_utc_bounds_in_any_zone(database_url: str, zone: str) -> None:
    async def make(db: asyncpg.Connection) -> tuple[int, int, list[str]]:
        await db.execute(f"SET timezone = '{zone}'")
        period = (datetime(2019, 1, 31, 23, 59, tzinfo=UTC), datetime(2019, 3, 1, tzinfo=UTC))
        made = await db.fetchval("SELECT ensure_month_partitions('clicks', $1, $2)", *period)
        again = await db.fetchval("SELECT ensure_month_partitions('clicks', $1, $2)", *period)
        await db.execute("SET timezone = 'UTC'")
        bounds = await db.fetch(
            "SELECT relname || ' ' || pg_get_expr(relpartbound, oid) AS bound FROM pg_class"
            " WHERE relname ~ '^clicks_2019..$' ORDER BY 1"
        )
        return made, again, [row["bound"] for row in bounds]

    assert run(database_url, make) == (
        3,
        0,
        [
            "clicks_201901 FOR VALUES FROM ('2019-01-01 00:00:00+00') TO ('2019-02-01 00:00:00+00')",
            "clicks_201902 FOR VALUES FROM ('2019-02-01 00:00:00+00') TO ('2019-03-01 00:00:00+00')",
            "clicks_201903 FOR VALUES FROM ('2019-03-01 00:00:00+00') TO ('2019-04-01 00:00:00+00')",
        ],
    )


def test_sessions_that_need_the_same_month_do_not_collide(database_url: str) -> None:
    ensure = "SELECT ensure_month_partitions('touches', '2018-01-01Z', '2018-12-31Z')"

    async def both() -> tuple[int, int]:
        first, second = await connect(database_url), await connect(database_url)
        try:
            transaction = first.transaction()
            await transaction.start()
            made = await first.fetchval(ensure)
            waiting = asyncio.create_task(second.fetchval(ensure))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            await transaction.commit()
            return made, await waiting
        finally:
            await first.close()
            await second.close()

    assert asyncio.run(both()) == (12, 0)


def test_making_a_partition_waits_for_no_reader_or_writer(database_url: str) -> None:
    async def beside_an_open_transaction() -> int:
        writer, other = await connect(database_url), await connect(database_url)
        try:
            async with writer.transaction():
                await add_two_programmes(writer)
                await writer.fetch("SELECT count(*) FROM clicks")
                sql = "SELECT ensure_month_partitions('clicks', '2017-05-05Z', '2017-05-05Z')"
                return int(await other.fetchval(sql, timeout=5))
        finally:
            await writer.close()
            await other.close()

    assert asyncio.run(beside_an_open_transaction()) == 1


def test_only_tables_by_month_get_month_partitions(database_url: str) -> None:
    for call in ("'partners', now(), now()", "'clicks', '0001-01-01Z', now()", "'clicks', NULL, now()"):
        with pytest.raises(asyncpg.InvalidParameterValueError):
            _column(database_url, f"SELECT ensure_month_partitions({call})")


def test_published_links_has_exactly_the_fields_of_a_published_link(rehearsal_url: str) -> None:
    columns = _column(
        rehearsal_url,
        "SELECT attname FROM pg_attribute WHERE attrelid = 'published_links'::regclass AND attnum > 0",
    )
    assert columns == [field.name for field in fields(PublishedLink)] + ["campaign_partner_id"]


def test_a_published_row_is_a_published_link(database_url: str) -> None:
    async def publish(db: asyncpg.Connection) -> list[PublishedLink]:
        await add_two_programmes(db)
        rows = await db.fetch("SELECT to_jsonb(p)::text AS value FROM published_links p ORDER BY link_id")
        return [decode_link(row["value"].encode()) for row in rows]

    link, plain = run(database_url, publish)[:2]
    assert (link.code, link.destination, link.window_days) == ("acme-link", "https://shop.example/", 30)
    assert None not in (link.partner_id, link.campaign_id, link.campaign_version_id)
    assert not link.is_paused
    assert plain == PublishedLink(plain.link_id, "acme-plain", "https://shop.example/")
    assert orjson.loads(orjson.dumps(plain))["forward_query"] == "append"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE campaigns SET status = 'paused'",
        "UPDATE campaigns SET status = 'archived'",
        "UPDATE campaigns SET is_deleted = true",
        "UPDATE partners SET status = 'suspended'",
        "UPDATE partners SET is_deleted = true",
        "UPDATE campaign_partners SET status = 'removed'",
        "UPDATE campaign_partners SET is_deleted = true",
    ],
)
def test_what_pauses_a_link(rehearsal_url: str, change: str) -> None:
    async def paused(db: asyncpg.Connection) -> dict[str, bool]:
        await add_two_programmes(db)
        await db.execute(change)
        return dict(await db.fetch("SELECT code, is_paused FROM published_links"))

    assert rehearse(rehearsal_url, paused) == {
        "acme-link": True,
        "acme-plain": False,
        "bolt-link": True,
        "bolt-plain": False,
    }


def test_a_deleted_version_pauses_its_links(rehearsal_url: str) -> None:
    """One without conversions: one with conversions cannot be deleted (R54)."""

    async def paused(db: asyncpg.Connection) -> list[bool]:
        sql = "INSERT INTO vendors (name, email) VALUES ('acme', 'acme@shop.example') RETURNING vendor_id"
        _, version_id = await add_campaign(db, await db.fetchval(sql))
        await add_link(db, "acme-link", await enrol(db, version_id, await add_partner(db, "blog")))
        sql = "SELECT is_paused FROM published_links"
        before = await db.fetchval(sql)
        await db.execute("UPDATE campaign_versions SET is_deleted = true")
        return [before, await db.fetchval(sql)]

    assert rehearse(rehearsal_url, paused) == [False, True]
