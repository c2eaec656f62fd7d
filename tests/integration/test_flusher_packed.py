"""Rows packed by hand and rows encoded by asyncpg end as the same rows, whatever the clicks say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from flusher_bed import CHROME, COOKIES, click

from flusher.classes import History, judge
from flusher.draft import Draft
from flusher.enrich import Sources, enrich
from flusher.packed import DELTA_COLUMNS, copy_chunks, packed_clicks, packed_deltas
from flusher.rollups import delta_of
from flusher.rows import COLUMNS, row_of
from flusher.store import set_codecs
from schema.countries import Countries
from schema.events import ClickEvent
from schema.ids import wall_clock_ms
from schema.settings import Settings

ODD = "tab\tnew\nline \\N back\\slash \0 nul é € 😀 'quote\" " + "x" * 3_000


def events() -> list[ClickEvent]:
    now = wall_clock_ms()
    some = click(ip="81.2.69.142", user_agent=CHROME, partner_id=7, campaign_version_id=9)
    return [
        some,
        some._replace(
            user_agent=ODD, referrer="https://" + ODD, query="sub1=%00%5C%09%0A&utm_term=" + "é" * 400
        ),
        some._replace(ip="2001:db8:1:2::3", cookie_id=None, partner_id=None, campaign_version_id=None),
        some._replace(ip=None, user_agent="", referrer="", query=""),
        some._replace(ip="nonsense", user_agent="curl/8", kind=0, link_id=(1 << 31) - 1),
        some._replace(kind=1),
        some._replace(cookie_id=COOKIES.mint(now), kind=3, query="&".join(f"sub{n}=v{n}" for n in range(7))),
        *(click(query=f"utm_source={number}&source=p") for number in range(2_500)),
    ]


def drafts(folder: Path, ip_privacy: str) -> list[Draft]:
    made = [Draft(event, "1-0", place) for place, event in enumerate(events())]
    secrets = {
        made[0].at_ms // 86_400_000 + day: blake2b(key=b"%d" % day, digest_size=8) for day in (-1, 0, 1)
    }
    assert enrich(made, Sources(Countries(None, folder), secrets, ip_privacy)) == []  # type: ignore[arg-type]
    for place, draft in enumerate(made):
        draft.move_to(draft.click_id + (place << 40))
    judge(made, History())
    return made


Pack = Callable[[Sequence[Draft]], bytes]
Way = tuple[str, tuple[str, ...], Pack, Callable[[Draft], tuple[Any, ...]]]
CLICKS: Way = ("clicks", COLUMNS, packed_clicks, row_of)
DELTAS: Way = ("click_deltas", DELTA_COLUMNS, packed_deltas, delta_of)


async def stored_both_ways(settings: Settings, made: list[Draft], way: Way) -> list[list[asyncpg.Record]]:
    table, columns, pack, values = way
    connection = await asyncpg.connect(str(settings.database_url))
    await set_codecs(connection)
    found = []
    for is_packed in (True, False):
        await connection.execute(
            f"CREATE TEMPORARY TABLE copied (LIKE {table} INCLUDING DEFAULTS, place serial)"
        )
        if is_packed:
            rows = copy_chunks(made, pack)
            await connection.copy_to_table("copied", source=rows, columns=columns, format="binary")
        else:
            await connection.copy_records_to_table("copied", records=map(values, made), columns=columns)
        found.append(await connection.fetch("SELECT * FROM copied ORDER BY place"))
        await connection.execute("DROP TABLE copied")
    await connection.close()
    return found


@pytest.mark.parametrize("way", [CLICKS, DELTAS], ids=["clicks", "deltas"])
def test_packed_rows_are_the_rows(settings: Settings, tmp_path: Path, way: Way) -> None:
    for ip_privacy in ("truncate", "full", "none"):
        made = drafts(tmp_path, ip_privacy)
        packed, encoded = asyncio.run(stored_both_ways(settings, made, way))
        assert len(packed) == len(made)
        assert packed == encoded
