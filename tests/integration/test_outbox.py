"""The outbox: what visitors would notice is noted, once a transaction wakes the publisher, and counters never are."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sample_ledger import Programme, add_two_programmes, connect, rehearse


async def _noted(db: asyncpg.Connection) -> list[tuple[str, int]]:
    """The outbox, emptied."""
    rows = await db.fetch(
        "WITH gone AS (DELETE FROM outbox RETURNING *) SELECT topic, entity_id FROM gone ORDER BY outbox_id"
    )
    return [(row["topic"], row["entity_id"]) for row in rows]


def _notes_of(url: str, change: str) -> tuple[list[tuple[str, int]], Programme]:
    async def change_and_read(db: asyncpg.Connection) -> tuple[list[tuple[str, int]], Programme]:
        acme, _ = await add_two_programmes(db)
        await _noted(db)
        await db.execute(change.format(**acme._asdict()))
        return await _noted(db), acme

    return rehearse(url, change_and_read)


def test_new_vendors_links_and_keys_are_noted(rehearsal_url: str) -> None:
    async def add(db: asyncpg.Connection) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        acme, bolt = await add_two_programmes(db)
        links = sorted((acme.link_id, acme.plain_link_id, bolt.link_id, bolt.plain_link_id))
        notes = await _noted(db)
        assert sorted(notes) == [
            *(("link", link_id) for link_id in links),
            ("vendor", acme.vendor_id),
            ("vendor", bolt.vendor_id),
        ]
        await db.execute(
            "INSERT INTO api_keys (api_key_id, key_hash, key_prefix, role)"
            " VALUES (9, repeat('a', 64), 'ck_', 'admin')"
        )
        return notes, await _noted(db)

    assert rehearse(rehearsal_url, add)[1] == [("key", 9)]


@pytest.mark.parametrize(
    ("change", "topic", "entity"),
    [
        (
            "UPDATE partner_links SET full_url = 'https://x.example/' WHERE partner_link_id = {link_id}",
            "link",
            "link_id",
        ),
        ("UPDATE partner_links SET is_disabled = true WHERE partner_link_id = {link_id}", "link", "link_id"),
        ("UPDATE partner_links SET max_clicks = 5 WHERE partner_link_id = {link_id}", "link", "link_id"),
        (
            "UPDATE campaigns SET status = 'paused' WHERE campaign_id = {campaign_id}",
            "campaign",
            "campaign_id",
        ),
        (
            "UPDATE campaign_versions SET click_param = 'cid' WHERE campaign_version_id = {version_id}",
            "campaign_version",
            "version_id",
        ),
        ("UPDATE partners SET status = 'suspended' WHERE partner_id = {partner_id}", "partner", "partner_id"),
        (
            "UPDATE campaign_partners SET status = 'removed' WHERE campaign_partner_id = {enrolment_id}",
            "campaign_partner",
            "enrolment_id",
        ),
    ],
)
def test_a_change_visitors_would_notice_is_noted(
    rehearsal_url: str, change: str, topic: str, entity: str
) -> None:
    notes, acme = _notes_of(rehearsal_url, change)
    assert notes == [(topic, getattr(acme, entity))]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE campaign_partners SET total_clicks = total_clicks + 1, last_click_at = now()",
        "UPDATE campaign_partners SET total_revenue = 5, total_conversions = 1",
        "UPDATE partner_links SET link_label = 'hero'",
        "UPDATE partners SET bio = 'writes', tier = 'gold'",
        "UPDATE campaign_versions SET name = 'Autumn'",
        "UPDATE partner_links SET full_url = full_url",
    ],
)
def test_what_visitors_would_not_notice_is_not(rehearsal_url: str, change: str) -> None:
    assert _notes_of(rehearsal_url, change)[0] == []


def test_key_changes_are_noted_but_not_their_use(rehearsal_url: str) -> None:
    key = "(key_hash, key_prefix, role, api_key_id) VALUES (repeat('b', 64), 'ck_', 'admin', 7)"
    used = f"INSERT INTO api_keys {key}; UPDATE api_keys SET last_used_at = now()"
    assert _notes_of(rehearsal_url, used)[0] == [("key", 7)]
    revoked = f"INSERT INTO api_keys {key}; UPDATE api_keys SET revoked_at = now()"
    assert _notes_of(rehearsal_url, revoked)[0] == [("key", 7), ("key", 7)]


def test_the_publisher_is_woken_once_a_transaction(database_url: str) -> None:
    async def listen() -> int:
        ears, hands = await connect(database_url), await connect(database_url)
        heard: list[object] = []
        try:
            await ears.add_listener("clickledger_outbox", lambda *event: heard.append(event))
            async with hands.transaction():
                await add_two_programmes(hands)
            for _ in range(50):
                if heard:
                    break
                await asyncio.sleep(0.02)
            await ears.fetchval("SELECT 1")
            return len(heard)
        finally:
            await ears.close()
            await hands.close()

    assert asyncio.run(listen()) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE partner_links SET short_code = 'other' WHERE partner_link_id = {link_id}",
        "DELETE FROM partner_links WHERE partner_link_id = {plain_link_id}",
    ],
)
def test_a_code_keeps_its_link_for_ever(rehearsal_url: str, change: str) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        _notes_of(rehearsal_url, change)
