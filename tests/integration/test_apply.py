"""A programme file brought to a real ledger: created once, left alone the second time, versioned when terms change."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from attribution.apply import apply_programme
from attribution.faults import Refused
from attribution.link_fields import Policy
from attribution.programme import read_programme
from schema.settings import Settings

FILE = """
vendors:
  - email: ops@acme.example
    name: Acme
    campaigns:
      - name: Summer
        destination_url: https://shop.example/landing
        commission: {type: percentage, value: "10.00"}
        window_days: 30
        attribution_model: linear
        half_life_days: 7
        rules:
          - name: December
            conditions: {date_range: {start: 2024-12-01, end: 2024-12-31}, min_event_value: 100}
            actions: {commission_multiplier: 1.5, bonus_flat: 10}
        partners:
          - email: a@blog.example
            name: Blog A
            tier: gold
            override: {type: percentage, value: "15.00"}
            links: [{code: summer-a, label: hero, utm_params: {utm_source: a}}, {code: summer-a2, destination_url: "https://shop.example/deep"}]
          - email: b@blog.example
            name: Blog B
            links: [{code: summer-b}]
      - name: Tiered
        destination_url: https://shop.example/t
        commission:
          type: tiered
          tiers:
            - {label: Bronze, min: 0, max: 999, value: 5}
            - {label: Silver, min: 1000, value: 10}
        partners: []
"""
POLICY = Policy(frozenset({"http", "https"}), True, "http://go.example")

Connection = asyncpg.Connection
Scenario = Callable[[Connection], Awaitable[None]]


def run(settings: Settings, scenario: Scenario) -> None:
    async def all_of_it() -> None:
        connection = await asyncpg.connect(settings.database_url)
        try:
            await scenario(connection)
        finally:
            await connection.close()

    asyncio.run(all_of_it())


async def apply(connection: Connection, text: str) -> Counter[tuple[str, str]]:
    """What became of how many things of each kind."""
    outcomes = await apply_programme(connection, POLICY, read_programme(text))
    return Counter((outcome.action, outcome.kind) for outcome in outcomes)


def test_a_programme_is_created_once(settings: Settings) -> None:
    async def scenario(connection: Connection) -> None:
        first = await apply(connection, FILE)
        assert first == {
            ("created", "vendor"): 1, ("created", "campaign"): 2, ("created", "rule"): 1, ("created", "partner"): 2,
            ("created", "enrolment"): 2, ("created", "override"): 1, ("created", "link"): 3,
        }  # fmt: skip
        links = await connection.fetch(
            "SELECT code, destination, is_paused, window_days FROM published_links ORDER BY code"
        )
        assert [tuple(row) for row in links] == [
            ("summer-a", "https://shop.example/landing?utm_source=a", False, 30),
            ("summer-a2", "https://shop.example/deep", False, 30),
            ("summer-b", "https://shop.example/landing", False, 30),
        ]
        assert await connection.fetchval("SELECT count(*) FROM audit_logs WHERE action = 'create'") == 12
        assert await connection.fetchval("SELECT count(*) FROM campaign_tiers") == 2
        await connection.execute("DELETE FROM outbox")

        second = await apply(connection, FILE)
        assert {action for action, _ in second} == {"left"}
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
        assert await connection.fetchval("SELECT count(*) FROM audit_logs") == 12
        assert await connection.fetchval("SELECT count(*) FROM campaign_versions") == 2

    run(settings, scenario)


def test_a_changed_term_publishes_a_version_that_takes_everything_along(settings: Settings) -> None:
    async def scenario(connection: Connection) -> None:
        await apply(connection, FILE)
        await connection.execute("UPDATE campaign_partners SET total_clicks = 5")
        changed = await apply(connection, FILE.replace("shop.example/landing", "shop.example/new?x=1"))
        assert changed[("changed", "campaign")] == 1 and ("created", "enrolment") not in changed
        assert {kind for action, kind in changed if action != "left"} == {"campaign"}
        links = await connection.fetch(
            "SELECT code, destination, campaign_version_id FROM published_links ORDER BY code"
        )
        assert [tuple(row) for row in links] == [
            ("summer-a", "https://shop.example/new?x=1&utm_source=a", 3),
            ("summer-a2", "https://shop.example/deep", 3),
            ("summer-b", "https://shop.example/new?x=1", 3),
        ]
        versions = await connection.fetch(
            "SELECT version_number, destination_url FROM campaign_versions WHERE campaign_id = 1 ORDER BY 1"
        )
        assert [tuple(row) for row in versions] == [
            (1, "https://shop.example/landing"), (2, "https://shop.example/new?x=1"),
        ]  # fmt: skip
        for table in ("partner_campaign_overrides", "commission_rules"):
            rows = await connection.fetch(f"SELECT campaign_version_id FROM {table} ORDER BY 1")
            assert [row[0] for row in rows] == [1, 3], table
        totals = await connection.fetch(
            "SELECT campaign_version_id, total_clicks FROM campaign_partners ORDER BY 1, 2"
        )
        assert [tuple(row) for row in totals] == [(1, 5), (1, 5), (3, 0), (3, 0)]
        again = await apply(connection, FILE.replace("shop.example/landing", "shop.example/new?x=1"))
        assert {action for action, _ in again} == {"left"}

    run(settings, scenario)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("name: Acme", "name: Acme Ltd", "vendor"),
        ('value: "10.00"', 'value: "12.50"', "campaign"),
        ("attribution_model: linear", "attribution_model: time_decay", "campaign"),
        ("window_days: 30", "window_days: 60", "campaign"),
        ("max: 999, value: 5", "max: 999, value: 6", "campaign"),
        ("destination_url: https://shop.example/t\n", "destination_url: https://shop.example/t\n        status: paused\n", "campaign"),
        ("commission_multiplier: 1.5", "commission_multiplier: 2", "rule"),
        ("tier: gold", "tier: platinum", "partner"),
        ('value: "15.00"', 'value: "16.00"', "override"),
        ("label: hero", "label: foot", "link"),
    ],
)  # fmt: skip
def test_one_change_changes_one_thing(settings: Settings, old: str, new: str, kind: str) -> None:
    async def scenario(connection: Connection) -> None:
        await apply(connection, FILE)
        assert FILE.count(old) == 1
        result = await apply(connection, FILE.replace(old, new))
        assert [key for key in result if key[0] != "left"] in (
            [("changed", kind)], [("created", kind)],
        )  # fmt: skip
        assert {action for action, _ in await apply(connection, FILE.replace(old, new))} == {"left"}

    run(settings, scenario)


def test_rules_and_overrides_not_listed_any_more_end(settings: Settings) -> None:
    async def scenario(connection: Connection) -> None:
        await apply(connection, FILE)
        begin = FILE.index("        rules:")
        end = FILE.index("        partners:")
        shorter = FILE[:begin] + "        rules: []\n" + FILE[end:]
        shorter = shorter.replace('override: {type: percentage, value: "15.00"}', "override: null")
        result = await apply(connection, shorter)
        assert result[("changed", "rule")] == 1 and result[("changed", "override")] == 1
        assert await connection.fetchval("SELECT is_deleted FROM commission_rules")
        assert await connection.fetchval(
            "SELECT valid_until = valid_from OR valid_until <= now() FROM partner_campaign_overrides"
        )
        silent = FILE[:begin] + FILE[end:]
        assert {
            action
            for action, _ in await apply(
                connection, silent.replace('            override: {type: percentage, value: "15.00"}\n', "")
            )
        } == {"left"}

    run(settings, scenario)


OVERRIDES = """
            overrides:
              - {type: percentage, value: "12.00", valid_from: "2026-01-01T00:00:00Z", valid_until: "2026-03-01T00:00:00Z"}
              - {type: percentage, value: "13.00", valid_from: "2026-03-01T00:00:00Z"}
              - {type: flat, value: "1.00", event: signup, valid_until: "2199-01-01T00:00:00Z"}
"""


async def _rates(connection: Connection) -> list[tuple[Any, ...]]:
    rows = await connection.fetch(
        "SELECT commission_value::int, extract(month FROM valid_from AT TIME ZONE 'UTC')::int,"
        " extract(year FROM valid_until AT TIME ZONE 'UTC')::int"
        " FROM partner_campaign_overrides WHERE NOT is_deleted AND conversion_event_type_id IS NULL ORDER BY valid_from"
    )
    return [tuple(row) for row in rows]


def test_r17_r19_overrides_follow_one_another_as_the_file_says(settings: Settings) -> None:
    async def scenario(connection: Connection) -> None:
        text = FILE.replace('            override: {type: percentage, value: "15.00"}\n', OVERRIDES[1:])
        assert (await apply(connection, text))["created", "override"] == 3
        assert await _rates(connection) == [(12, 1, 2026), (13, 3, None)]
        assert {action for action, _ in await apply(connection, text)} == {"left"}
        raised = text.replace('"13.00"', '"14.00"')
        assert (await apply(connection, raised))["changed", "override"] == 1
        assert await _rates(connection) == [(12, 1, 2026), (14, 3, None)]
        assert await connection.fetchval(
            "SELECT deleted_at IS NOT NULL FROM partner_campaign_overrides WHERE commission_value = 13"
        )
        later = raised.replace('"14.00", valid_from: "2026-03', '"16.00", valid_from: "2026-05')
        assert (await apply(connection, later))["changed", "override"] == 1
        assert await _rates(connection) == [(12, 1, 2026), (14, 3, 2026), (16, 5, None)]
        assert {action for action, _ in await apply(connection, later)} == {"left"}
        clashing = raised.replace("2026-01-01T", "2025-12-01T").replace("2026-03-01T", "2026-02-01T")
        with pytest.raises(Refused, match=r"partners\[0\]\.overrides\[0\]\.valid_from lies in the validity"):
            await apply(connection, clashing)
        past = FILE.replace('value: "15.00"}', 'value: "15.00", valid_until: "2026-01-01T00:00:00Z"}')
        with pytest.raises(Refused, match=r"override\.valid_until has passed"):
            await apply(connection, past.replace("a@blog", "z@blog").replace("summer-a", "summer-z"))

    run(settings, scenario)


def test_r37_a_changed_rate_is_audited_with_before_and_after(settings: Settings) -> None:
    async def scenario(connection: Connection) -> None:
        await apply(connection, FILE)
        await apply(
            connection, FILE.replace('"15.00"', '"16.00"').replace("multiplier: 1.5", "multiplier: 2")
        )
        rows = await connection.fetch(
            "SELECT entity_type, changes #>> '{before,value}', changes #>> '{after,value}',"
            " changes #>> '{before,actions,commission_multiplier}', changes #>> '{after,actions,commission_multiplier}'"
            " FROM audit_logs WHERE action = 'update' ORDER BY 1"
        )
        assert [tuple(row) for row in rows] == [
            ("commission_rules", None, None, "1.5", "2"),
            ("partner_campaign_overrides", "15.0000", "16.00", None, None),
        ]

    run(settings, scenario)


def test_r21_rules_are_tried_in_the_order_of_the_file(settings: Settings) -> None:
    names = ["A", "B", "C"]

    def with_rules(multipliers: dict[str, str]) -> str:
        begin, end = FILE.index("        rules:"), FILE.index("        partners:")
        rules = [
            f"{{name: {name}, actions: {{commission_multiplier: {by}}}}}" for name, by in multipliers.items()
        ]
        return f"{FILE[:begin]}        rules: [{', '.join(rules)}]\n{FILE[end:]}"

    async def order(connection: Connection) -> list[str]:
        rows = await connection.fetch(
            "SELECT name FROM commission_rules WHERE NOT is_deleted ORDER BY commission_rule_id"
        )
        return [row[0] for row in rows]

    async def scenario(connection: Connection) -> None:
        await apply(connection, with_rules(dict.fromkeys(names, "2")))
        changed = with_rules({"A": "2", "B": "3", "C": "2"})
        assert (await apply(connection, changed))["changed", "rule"] == 2
        assert await order(connection) == names
        turned = with_rules({"C": "2", "A": "2", "B": "3"})
        await apply(connection, turned)
        assert await order(connection) == ["C", "A", "B"]
        assert {action for action, _ in await apply(connection, turned)} == {"left"}

    run(settings, scenario)


def test_terms_a_campaign_may_set(settings: Settings) -> None:
    async def scenario(connection: Connection) -> None:
        await apply(connection, FILE)
        text = FILE.replace(
            "        window_days: 30\n",
            "        window_days: 30\n        rebill_months_max: 12\n        is_upgrade_reattributed: true\n"
            "        is_pending_counted: true\n        is_held_after_end: false\n",
        ).replace(
            'value: "10.00"}', 'value: "10.00", partner_tiers: {gold: {type: percentage, value: "12.00"}}}'
        )
        assert (await apply(connection, text))["changed", "campaign"] == 1
        row = await connection.fetchrow(
            "SELECT v.rebill_months_max, v.is_upgrade_reattributed, v.is_pending_counted, v.is_held_after_end,"
            " r.partner_tier, r.commission_value::int FROM campaigns c JOIN campaign_versions v"
            " ON v.campaign_version_id = c.current_campaign_version_id JOIN partner_tier_rates r"
            " ON r.campaign_version_id = v.campaign_version_id"
        )
        assert row is not None and tuple(row) == (12, True, True, False, "gold", 12)
        assert {action for action, _ in await apply(connection, text)} == {"left"}
        assert (await apply(connection, text.replace('"12.00"', '"13.00"')))["changed", "campaign"] == 1

    run(settings, scenario)


def test_what_the_api_changed_and_the_file_does_not_name_is_kept(settings: Settings) -> None:
    async def scenario(connection: Connection) -> None:
        await apply(connection, FILE)
        await connection.execute(
            "UPDATE partner_links SET is_disabled = true, max_clicks = 5 WHERE short_code = 'summer-b'"
        )
        await connection.execute("UPDATE partners SET status = 'suspended' WHERE email = 'b@blog.example'")
        assert {action for action, _ in await apply(connection, FILE)} == {"left"}
        row = await connection.fetchrow(
            "SELECT is_disabled, is_paused FROM published_links WHERE code = 'summer-b'"
        )
        assert row is not None and row["is_disabled"] and row["is_paused"]

    run(settings, scenario)


def test_a_fault_leaves_nothing_behind(settings: Settings) -> None:
    async def scenario(connection: Connection) -> None:
        await apply(connection, FILE)
        stolen = FILE.replace("ops@acme.example", "other@acme.example").replace("name: Acme", "name: Other")
        with pytest.raises(Refused, match=r"links\[0\]\.code summer-a is a link of somebody else"):
            await apply(connection, stolen)
        assert await connection.fetchval("SELECT count(*) FROM vendors") == 1
        wrong = FILE.replace('value: "15.00"}', 'value: "15.00", event: nonsense}')
        with pytest.raises(Refused, match="nonsense is no known event type"):
            await apply(connection, wrong)

    run(settings, scenario)


def test_an_old_enrolment_s_number_stands_for_its_successor(settings: Settings) -> None:
    from attribution.keys import ADMIN
    from attribution.link_fields import NewLink
    from attribution.links import create_link

    async def scenario(connection: Connection) -> None:
        await apply(connection, FILE)
        await apply(connection, FILE.replace("shop.example/landing", "shop.example/new"))
        new: Any = NewLink(code="late", campaign_partner_id=1)
        link = await create_link(connection, POLICY, ADMIN, new)
        assert link["full_url"] == "https://shop.example/new" and link["campaign_partner_id"] == 3

    run(settings, scenario)


def test_two_applies_at_once_make_one_programme(settings: Settings) -> None:
    async def scenario(connection: Connection) -> None:
        other = await asyncpg.connect(settings.database_url)
        results = await asyncio.gather(apply(connection, FILE), apply(other, FILE))
        await other.close()
        assert sorted({action for action, _ in result}.pop() for result in results) == ["created", "left"]

    run(settings, scenario)
