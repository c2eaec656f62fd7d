"""Links found by word, owner and standing: what is found, by whom, in what order, and that the list stays true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sample_ledger import add_campaign, add_link, add_partner, add_programme, enrol, run
from test_api import Play, World, errors, play  # noqa: F401 - `play` is a fixture

from attribution.links import SQL
from schema.settings import Settings

PLAIN = {"destination_url": "https://shop.example/Sommer-Schuhe?size=44"}
APART = """
    (TABLE listed_links EXCEPT TABLE links_to_list) UNION ALL (TABLE links_to_list EXCEPT TABLE listed_links)
"""


async def found(client: Any, **query: Any) -> list[str]:
    """The codes found, in their order."""
    answer = await client.get("/v1/links", params=query)
    assert answer.status_code == 200, answer.text
    return [link["code"] for link in answer.json()["links"]]


def test_links_are_found_by_the_words_of_code_label_and_destination(play: Play, settings: Settings) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json=PLAIN | {"code": "spring/SÄLE", "label": "hero banner"})
        await world.admin.post("/v1/links", json={"destination_url": "https://x.example", "code": "other"})
        for q in (
            "spring", "SPR", "säle", "banner", "HER ban", "sommer", "schuhe 44", "size=44", "sommer-schuhe",
            "https://shop.example/Sommer", f"{settings.door_url}/spring/SÄLE", " spring ",
        ):  # fmt: skip
            assert await found(world.admin, q=q) == ["spring/SÄLE"], q
        for q in ("pring", "spring other", "nothing", "'", "& | ! :*"):
            expected = [] if any(char.isalnum() for char in q) else ["spring/SÄLE", "other"]
            assert await found(world.admin, q=q) == expected, q
        assert await found(world.admin, q="\x00spr\x00ing'") == ["spring/SÄLE"]
        assert "q" in errors(await world.admin.get("/v1/links", params={"q": "x" * 201}))

    play(scenario)


def test_a_destination_of_endless_words_can_be_found_too(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        url = "https://shop.example/" + "a" * 4000 + "?" + "&".join(f"p{n}=é{n}" for n in range(400))
        made = await world.admin.post("/v1/links", json={"destination_url": url, "code": "long"})
        assert made.status_code == 201, made.text
        assert await found(world.admin, q="a" * 100) == await found(world.admin, q="p399") == ["long"]

    play(scenario)


def test_links_are_found_by_how_they_stand(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        now = datetime.now(UTC)
        past, future = (
            (now - timedelta(days=1)).isoformat(),
            (now + timedelta(days=1)).isoformat(),
        )
        for code, more in {
            "on": {}, "off": {"is_disabled": True}, "over": {"expires_at": past}, "soon": {"starts_at": future},
            "running": {"starts_at": past, "expires_at": future}, "off-over": {"is_disabled": True, "expires_at": past},
        }.items():  # fmt: skip
            made = await world.admin.post("/v1/links", json=PLAIN | {"code": code} | more)
            assert made.status_code == 201, made.text
        assert await found(world.admin, status="active") == ["on", "running"]
        assert await found(world.admin, status="disabled") == ["off", "off-over"]
        assert await found(world.admin, status="expired") == ["over"]
        assert await found(world.admin, status="scheduled", q="so") == ["soon"]
        await world.admin.patch("/v1/links/on", json={"is_disabled": True, "label": "fresh"})
        assert await found(world.admin, status="disabled", q="fresh") == ["on"]
        await world.admin.delete("/v1/links/on")
        assert await found(world.admin, q="fresh") == []
        assert "status" in errors(await world.admin.get("/v1/links?status=lost"))

    play(scenario)


def test_conditions_combine_and_stay_within_the_caller_s_own(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        for code, more in {
            "a": {"campaign_partner_id": 1}, "b": {"campaign_partner_id": 2}, "c": PLAIN | {"vendor_id": 1},
        }.items():  # fmt: skip
            made = await world.admin.post("/v1/links", json=more | {"code": code, "label": "hello"})
            assert made.status_code == 201, made.text
        assert await found(world.admin, q="hello") == ["a", "b", "c"]
        assert await found(world.admin, campaign=1) == await found(world.admin, partner=1) == ["a"]
        assert await found(world.admin, campaign_partner_id=2, campaign=2, q="hel", status="active") == ["b"]
        assert await found(world.admin, campaign_partner_id=2, campaign=1) == []
        assert await found(world.vendor, q="hello") == ["a", "c"]
        assert await found(world.partner, q="hello") == ["a"]
        assert await found(world.other, q="hello") == ["b"]
        for query in ({"campaign": 1}, {"partner": 1}, {"campaign_partner_id": 1}, {"q": "a"}):
            assert await found(world.other, **query) == []

    play(scenario)


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_pages_follow_each_other_in_either_order(play: Play, order: str) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        codes = [f"c{number}" for number in range(7)]
        for code in codes:
            await world.admin.post("/v1/links", json=PLAIN | {"code": code})
        seen: list[str] = []
        cursor = None
        while True:
            query = {"order": order, "limit": 3, "q": "schuhe"} | ({"cursor": cursor} if cursor else {})
            body = (await world.admin.get("/v1/links", params=query)).json()
            seen += [link["code"] for link in body["links"]]
            cursor = body["next_cursor"]
            if cursor is None:
                break
        assert seen == (codes if order == "oldest" else codes[::-1])
        assert len(await found(world.admin, order=order, limit=7)) == 7

    play(scenario)


def test_the_list_stays_true_whatever_happens_to_links(database_url: str) -> None:
    async def live(db: asyncpg.Connection) -> None:
        acme = await add_programme(db, "acme")
        other_campaign, other_version = await add_campaign(db, acme.vendor_id)
        elsewhere = await enrol(db, other_version, acme.partner_id)
        gone = await add_link(db, "gone", acme.enrolment_id)
        for change in (
            "UPDATE partner_links SET link_label = 'new label' WHERE short_code = 'acme-plain'",
            "UPDATE partner_links SET full_url = 'https://else.example/path' WHERE short_code = 'acme-link'",
            f"UPDATE partner_links SET is_deleted = true WHERE partner_link_id = {gone}",
            f"UPDATE partner_links SET campaign_partner_id = {elsewhere} WHERE partner_link_id = {acme.link_id}",
            f"UPDATE campaign_partners SET partner_id = {await add_partner(db, 'heir')}"
            f" WHERE campaign_partner_id = {elsewhere}",
            "UPDATE partner_links SET starts_at = now(), is_disabled = true",
            "INSERT INTO partner_links (short_code, full_url, destination_url) SELECT 'n' || n, 'https://x.example/', 'https://x.example/'"
            " FROM generate_series(1, 50) AS numbers (n)",
        ):
            await db.execute(change)
            assert await db.fetch(APART) == [], change
        row = await db.fetchrow("SELECT * FROM listed_links WHERE partner_link_id = $1", acme.link_id)
        assert (row["vendor_id"], row["campaign_id"]) == (acme.vendor_id, other_campaign)
        assert await db.fetchval("SELECT count(*) FROM listed_links WHERE partner_link_id = $1", gone) == 0

    run(database_url, live)


@pytest.mark.parametrize(
    "statement", ["TABLE listed_links", "TABLE links_to_list", "SELECT list_links(ARRAY[1])"]
)
def test_a_tenant_reaches_the_list_through_the_search_only(rehearsal_url: str, statement: str) -> None:
    async def attempt(db: asyncpg.Connection) -> None:
        async with db.transaction():
            await db.execute(
                "SELECT set_config('clickledger.role', 'admin', true), set_config('role', 'clickledger_tenant', true)"
            )
            await db.execute(statement)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        run(rehearsal_url, attempt)


def test_the_search_shows_nobody_nothing(database_url: str) -> None:
    async def look(db: asyncpg.Connection) -> list[Any]:
        await add_programme(db, "acme")
        return await db.fetch(SQL["find_links"], None, None, None, None, None, 0, False, 1000)

    assert run(database_url, look) == []
