"""Links beyond the everyday: awkward codes, pictures, edits that must not meet, a thousand at once, and limits."""

from __future__ import annotations

import asyncio

import pytest
from test_api import Play, World, errors, play, world  # noqa: F401 - `play` is a fixture

from attribution.api.rate_limit import KEYS_MAX, Buckets
from attribution.link_bulk import ITEMS_MAX
from schema.settings import Settings

PLAIN = {"destination_url": "https://x.example"}


@pytest.mark.parametrize("code", ["a/stats", "stats", "a/b/qr.svg", "qr.png", "x/bulk", "bulk"])
def test_a_code_that_looks_like_an_endpoint_is_still_a_link(play: Play, code: str) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        made = await world.admin.post("/v1/links", json=PLAIN | {"code": code})
        assert made.status_code == 201
        path = made.headers["location"]
        assert (await world.admin.get(path)).json() == made.json()
        assert (await world.admin.get(f"{path}/stats")).json()["totals"]["gross"] == 0
        assert (await world.admin.get(f"{path}/qr.svg")).headers["content-type"] == "image/svg+xml"
        assert (await world.admin.patch(path, json={"label": "l"})).json()["label"] == "l"
        assert (await world.admin.delete(path)).status_code == 204

    play(scenario)


def test_the_stats_of_a_code_and_the_code_that_ends_in_stats_are_two_things(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        for code in ("a", "a/stats"):
            await world.admin.post("/v1/links", json=PLAIN | {"code": code})
        assert "totals" in (await world.admin.get("/v1/links/a/stats")).json()
        assert (await world.admin.get("/v1/links/a%2Fstats")).json()["code"] == "a/stats"
        assert "totals" in (await world.admin.get("/v1/links/a%2Fstats/stats")).json()

    play(scenario)


def test_qr_codes(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json=PLAIN | {"code": "q"})
        svg = await world.admin.get("/v1/links/q/qr.svg?scale=3&border=0")
        assert svg.status_code == 200 and b"<svg" in svg.content and b"<script" not in svg.content
        png = await world.admin.get("/v1/links/q/qr.png")
        assert png.headers["content-type"] == "image/png" and png.content.startswith(b"\x89PNG")
        assert (await world.other.get("/v1/links/q/qr.svg")).status_code == 404
        assert "scale" in errors(await world.admin.get("/v1/links/q/qr.png?scale=1000"))

    play(scenario)


def test_an_edit_of_what_somebody_else_changed_meanwhile_is_refused(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        made = await world.admin.post("/v1/links", json=PLAIN | {"code": "e"})
        tag = made.headers["etag"]
        got = await world.admin.get("/v1/links/e")
        assert got.headers["etag"] == tag
        assert (await world.admin.get("/v1/links/e", headers={"if-none-match": tag})).status_code == 304
        mine = await world.admin.patch("/v1/links/e", json={"label": "mine"}, headers={"if-match": tag})
        assert mine.status_code == 200 and mine.headers["etag"] != tag
        late = await world.admin.patch("/v1/links/e", json={"label": "late"}, headers={"if-match": tag})
        assert late.status_code == 412 and late.headers["content-type"] == "application/problem+json"
        assert (await world.admin.delete("/v1/links/e", headers={"if-match": tag})).status_code == 412
        assert (await world.admin.get("/v1/links/e")).json()["label"] == "mine"
        for header in ("*", f'"x", {mine.headers["etag"]}'):
            again = await world.admin.patch(
                "/v1/links/e", json={"label": "mine"}, headers={"if-match": header}
            )
            assert again.status_code == 200
        assert (await world.admin.delete("/v1/links/e", headers={"if-match": "*"})).status_code == 204

    play(scenario)


def test_of_two_edits_at_once_with_the_same_tag_one_wins(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        made = await world.admin.post("/v1/links", json=PLAIN | {"code": "e"})
        headers = {"if-match": made.headers["etag"]}
        answers = await asyncio.gather(
            *(world.admin.patch("/v1/links/e", json={"label": f"{n}"}, headers=headers) for n in range(5))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]

    play(scenario)


def test_many_links_at_once_stand_each_on_their_own(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        items = [
            PLAIN | {"code": "one"}, PLAIN | {"code": "one"}, {"destination_url": "ftp://x.example"}, PLAIN,
            {"campaign_partner_id": 99}, PLAIN | {"vendor_id": 2}, {"surprise": 1}, {"campaign_partner_id": 1},
        ]  # fmt: skip
        answer = await world.vendor.post("/v1/links/bulk", json={"links": items})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert [result["status"] for result in body["results"]] == [201, 409, 422, 201, 422, 403, 422, 201]
        assert body["created"] == 3 and body["results"][0]["link"]["code"] == "one"
        assert [fault["field"] for fault in body["results"][2]["errors"]] == ["destination_url"]
        assert await world.connection.fetchval("SELECT count(*) FROM partner_links") == 3
        many = {"links": [PLAIN] * (ITEMS_MAX + 1)}
        assert "links" in errors(await world.vendor.post("/v1/links/bulk", json=many))
        assert "links" in errors(await world.vendor.post("/v1/links/bulk", json={"links": []}))

    play(scenario)


def test_a_thousand_links_at_once(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        answer = await world.admin.post("/v1/links/bulk", json={"links": [PLAIN] * ITEMS_MAX}, timeout=60)
        assert answer.json()["created"] == ITEMS_MAX

    play(scenario)


def test_a_key_that_asks_too_often_is_told_when_to_come_back(settings: Settings) -> None:
    async def run() -> None:
        async with world(settings.model_copy(update={"api_requests_per_minute": 3})) as there:
            answers = [await there.admin.get("/v1/links") for _ in range(5)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
            assert answers[0].headers["ratelimit"] == '"key";r=2;t=60'
            assert answers[0].headers["ratelimit-policy"] == '"key";q=3;w=60'
            assert 1 <= int(answers[3].headers["retry-after"]) <= 20
            assert answers[3].headers["content-type"] == "application/problem+json"
            assert (await there.vendor.get("/v1/links")).status_code == 200
            assert "ratelimit" not in (await there.nobody.get("/-/healthz")).headers

    asyncio.run(run())


@pytest.mark.parametrize(
    "path",
    ["/v1/stats", "/v1/links/k/stats", "/v1/clicks", "/v1/conversions", "/v1/links", "/v1/attribution"],
)
def test_a_filter_nobody_knows_is_not_answered_with_everything(play: Play, path: str) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json=PLAIN | {"code": "k"})
        assert (await world.admin.get(path)).status_code == 200
        assert set(errors(await world.admin.get(f"{path}?contry=GB&limti=1"))) == {"contry", "limti"}
        assert (await world.nobody.get(f"{path}?contry=GB")).status_code == 401

    play(scenario)


def test_buckets_refill_evenly_and_are_bounded() -> None:
    now = [0.0]
    buckets = Buckets(60, clock=lambda: now[0])
    for _ in range(60):
        assert buckets.take(b"a")[1] == 0
    assert buckets.take(b"a") == (0, 1.0)
    now[0] = 1.5
    assert buckets.take(b"a") == (0, 0.0)
    assert buckets.take(b"a") == (0, 0.5)
    for number in range(KEYS_MAX + 10):
        buckets.take(str(number).encode())
    assert len(buckets._filled) == KEYS_MAX
