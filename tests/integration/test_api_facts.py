"""Clicks and conversions one by one: pages, CSV and NDJSON streams, and what a spreadsheet must not run."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_api import Play, World, add_clicks, errors, play  # noqa: F401 - `play` is a fixture

from attribution.api import exports
from attribution.api.formats import CSV, JSON, NDJSON, csv_lines, json_lines, wanted_format
from attribution.spreadsheets import FORMULA_STARTS, as_written, cell

NOW = datetime.now(UTC)


async def add_sale(connection: asyncpg.Connection, number: int, value: str, currency: str = "USD") -> None:
    await connection.execute(
        """INSERT INTO conversion_events (vendor_id, conversion_event_type_id, transaction_id, event_value, currency,
               commission_amount, partner_id, campaign_version_id)
           SELECT 1, conversion_event_type_id, $1, $2, $3, 10, 1, 1
           FROM conversion_event_types WHERE name = 'sale'""",
        f"T{number}", Decimal(value), currency,
    )  # fmt: skip


def test_clicks_stream_as_csv_and_ndjson(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json={"destination_url": "https://x.example", "code": "k"})
        await add_clicks(world.connection, 1, NOW, 2_500)
        await world.connection.execute(
            "UPDATE clicks SET sub1 = '=HYPERLINK(1)', utm_source = 'a,\"b' || chr(10)"
        )
        text = await world.admin.get("/v1/clicks", headers={"accept": "text/csv"})
        assert (
            text.headers["content-type"].startswith("text/csv")
            and "attachment" in text.headers["content-disposition"]
        )
        rows = list(csv.DictReader(io.StringIO(text.text, newline="")))
        assert len(rows) == 2_500 and len({row["click_id"] for row in rows}) == 2_500
        assert rows[0]["sub1"] == "'=HYPERLINK(1)" and rows[0]["utm_source"] == 'a,"b\n'
        assert rows[0]["clicked_at"].endswith("Z") and rows[0]["is_unique"] == "true" and rows[0]["os"] == ""
        lines = await world.admin.get("/v1/clicks?limit=7", headers={"accept": NDJSON})
        parsed = [json.loads(line) for line in lines.text.splitlines()]
        assert len(parsed) == 7 and parsed[0]["sub1"] == "=HYPERLINK(1)"
        assert [row["click_id"] for row in parsed] == [row["click_id"] for row in rows[:7]]
        assert (await world.other.get("/v1/clicks", headers={"accept": CSV})).text.count("\r\n") == 1

    play(scenario)


def test_conversions_are_listed_with_their_money(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        for number, (value, currency) in enumerate([("100", "USD"), ("7", "JPY"), ("1.125", "KWD")]):
            await add_sale(world.connection, number, value, currency)
        first = (await world.vendor.get("/v1/conversions?limit=2")).json()
        assert [row["event_value"] for row in first["conversions"]] == ["1.125", "7.00"]
        rest = (await world.vendor.get(f"/v1/conversions?cursor={first['next_cursor']}")).json()
        assert [row["transaction_id"] for row in rest["conversions"]] == ["T0"] and rest[
            "next_cursor"
        ] is None
        assert rest["conversions"][0]["commission"] == "10.00"
        own = (await world.partner.get("/v1/conversions")).json()["conversions"]
        assert len(own) == 3 and own[0]["commission"] is None  # no credit yet
        assert (await world.other.get("/v1/conversions")).json()["conversions"] == []
        assert (await world.vendor.get("/v1/conversions?status=paid")).json()["conversions"] == []
        assert "status" in errors(await world.vendor.get("/v1/conversions?status=gone"))
        text = (await world.vendor.get("/v1/conversions", headers={"accept": CSV})).text
        assert len(text.splitlines()) == 4 and "1.125,KWD" in text

    play(scenario)


def test_clicks_and_conversions_of_one_link_partner_or_campaign(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json={"campaign_partner_id": 1, "code": "own"})
        await world.admin.post("/v1/links", json={"destination_url": "https://x.example", "code": "plain"})
        await add_clicks(world.connection, 1, NOW, 30)
        await add_clicks(world.connection, 2, NOW, 20)
        for filters, count in (("link=plain", 20), ("partner=1", 30), ("campaign=1", 30), ("partner=2", 0)):
            clicks = (await world.admin.get(f"/v1/clicks?{filters}")).json()["clicks"]
            assert len(clicks) == count, filters
            numbers = [int(click["click_id"]) for click in clicks]
            assert numbers == sorted(numbers, reverse=True)
        page = (await world.admin.get("/v1/clicks?partner=1&limit=12")).json()
        rest = (await world.admin.get(f"/v1/clicks?partner=1&cursor={page['next_cursor']}")).json()["clicks"]
        assert len({click["click_id"] for click in [*page["clicks"], *rest]}) == 30
        assert (await world.other.get("/v1/clicks?partner=1")).json()["clicks"] == []
        await add_sale(world.connection, 1, "100")
        await world.connection.execute(
            """INSERT INTO conversion_credits (conversion_event_id, partner_id, campaign_version_id, amount, currency,
                   touches)
               SELECT conversion_event_id, 1, 1, 4, 'USD', 1 FROM conversion_events"""
        )
        for filters, commission in (("partner=1", "4.00"), ("campaign=1", "10.00")):
            (sale,) = (await world.vendor.get(f"/v1/conversions?{filters}")).json()["conversions"]
            assert sale["commission"] == commission
        for filters in ("partner=2", "campaign=2", "partner=1&status=paid"):
            assert (await world.admin.get(f"/v1/conversions?{filters}")).json()["conversions"] == []
        assert "partner" in errors(await world.admin.get("/v1/conversions?partner=0"))

    play(scenario)


def test_no_more_exports_at_once_than_there_are_connections_for(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        for _ in range(exports.EXPORTS_MAX):
            await exports._free.acquire()
        try:
            answer = await world.admin.get("/v1/clicks", headers={"accept": CSV})
            assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
        finally:
            for _ in range(exports.EXPORTS_MAX):
                exports._free.release()
        assert (await world.admin.get("/v1/clicks", headers={"accept": CSV})).status_code == 200

    play(scenario)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [(None, JSON), ("*/*", JSON), ("text/csv", CSV), ("text/csv;q=0.1, application/x-ndjson", NDJSON),
     ("text/html, TEXT/CSV ; q=0.9", CSV), ("text/csv;q=0", JSON), ("text/csv;q=x", JSON), (",;=,", JSON)],
)  # fmt: skip
def test_the_format_asked_for(accept: str | None, media_type: str) -> None:
    assert wanted_format(accept) == media_type


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1+1", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "＝1+1"],
)
def test_what_looks_like_a_formula_is_text(text: str) -> None:
    field = csv_lines(["a"], [{"a": text}]).decode().lstrip('"')
    assert field.startswith("'" + text[0])
    for separated in (f"a;{text}", f"a\t{text}", f"a|{text}"):  # where another separator is usual
        assert csv_lines(["a"], [{"a": separated}]) == f'"{separated}"\r\n'.encode()


def test_numbers_stay_numbers() -> None:
    assert csv_lines(["a", "b"], [{"a": Decimal("-1.50"), "b": "-33.33"}]) == b"-1.50,-33.33\r\n"


@given(st.text(alphabet="'=+-@＝\t\r\n,;\"1a. ") | st.text())
def test_a_reader_of_csv_gets_back_what_was_written(text: str) -> None:
    line = f"{cell(text)},{cell('end')}\r\n"
    (row,) = csv.reader(io.StringIO(line, newline=""))
    assert [as_written(field) for field in row] == [text, "end"]
    assert not row[0].startswith(FORMULA_STARTS) or text.lstrip("-").replace(".", "").isdecimal()


def test_lines_of_json_hold_what_json_has_no_word_for() -> None:
    row = {"at": datetime(2026, 1, 1, tzinfo=UTC), "id": UUID(int=1), "amount": Decimal("1.10"), "no": None}
    assert json.loads(json_lines([row])) == {
        "at": "2026-01-01T00:00:00Z", "id": str(UUID(int=1)), "amount": "1.10", "no": None,
    }  # fmt: skip


def test_an_export_ends_when_its_reader_goes(play: Play) -> None:  # noqa: F811
    async def scenario(world: World) -> None:
        await world.admin.post("/v1/links", json={"destination_url": "https://x.example", "code": "k"})
        await add_clicks(world.connection, 1, NOW, 5_000)
        transport = world.admin._transport
        assert transport is not None
        async with world.admin.stream("GET", "/v1/clicks", headers={"accept": NDJSON}) as answer:
            await anext(answer.aiter_lines())
        await asyncio.sleep(0)
        assert not exports._free.locked()

    play(scenario)
