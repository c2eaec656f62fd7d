"""Other shorteners' exports, as their files look, read into links."""

from __future__ import annotations

from typing import Any

import pytest

from attribution.faults import Fault
from attribution.link_fields import NewLink
from attribution.link_formats import UnknownFormat, link_of, recognise, rows_of

BITLY_CSV = """Link,Custom Link,Title,Long URL,Created,Tags
https://bit.ly/3xYz,https://go.example/spring,Spring,https://shop.example/a?x=%20,2024-01-02,promo
https://bit.ly/4abc,,,https://shop.example/b,2024-01-03,
"""
BITLY_API = '{"id":"bit.ly/3xYz","link":"https://bit.ly/3xYz","long_url":"https://shop.example/a","title":"T","custom_bitlinks":["https://go.example/x"],"tags":[]}\n'
YOURLS_CSV = """keyword,url,title,timestamp,ip,clicks
ozh,https://shop.example/a,"A, title",2024-01-02 03:04:05,127.0.0.1,12
"""
SHLINK_CSV = """createdAt,title,shortUrl,domain,shortCode,longUrl,tags,visits
2024-01-02T03:04:05+00:00,T,https://s.example/abc,s.example,abc,https://shop.example/a,a|b,3
"""
SHLINK_API = '{"shortCode":"abc","longUrl":"https://shop.example/a","title":null,"meta":{"validSince":null,"validUntil":"2030-01-01T00:00:00+00:00","maxVisits":5}}\n'
SHLINK_IMPORT_CSV = "Long URL;Short code\n"
KUTT_API = '{"address":"abc","target":"https://shop.example/a","description":"D","expire_in":null,"banned":false,"visit_count":7,"id":"u-1"}\n'
DUB_CSV = """Short link,Destination URL,Clicks,Created at,Tags,Archived
https://dub.sh/abc,https://shop.example/a,3,2024-01-02,,false
"""
DUB_API = '{"domain":"dub.sh","key":"abc","url":"https://shop.example/a","expiresAt":"2030-01-01T00:00:00.000Z","expiredUrl":"https://shop.example/over","archived":true,"utm_source":"news","utm_term":null}\n'


def read(text: str, *, is_csv: bool) -> tuple[str, list[Any]]:
    rows = list(rows_of(text.splitlines(keepends=True), is_csv=is_csv))
    name = recognise(rows[0].row)
    return name, [link_of(row.row, name) for row in rows]


@pytest.mark.parametrize(
    ("text", "is_csv", "name", "expected"),
    [
        (BITLY_CSV, True, "bitly", {"code": "spring", "destination_url": "https://shop.example/a?x=%20", "label": "Spring"}),
        (BITLY_API, False, "bitly", {"code": "x", "destination_url": "https://shop.example/a", "label": "T"}),
        (YOURLS_CSV, True, "yourls", {"code": "ozh", "destination_url": "https://shop.example/a", "label": "A, title"}),
        (SHLINK_CSV, True, "shlink", {"code": "abc", "destination_url": "https://shop.example/a", "label": "T"}),
        (SHLINK_API, False, "shlink", {"code": "abc", "max_clicks": 5, "label": None}),
        (KUTT_API, False, "kutt", {"code": "abc", "destination_url": "https://shop.example/a", "label": "D", "is_disabled": False}),
        (DUB_CSV, True, "dub", {"code": "abc", "destination_url": "https://shop.example/a", "is_disabled": False}),
        (DUB_API, False, "dub", {"code": "abc", "fallback_url": "https://shop.example/over", "is_disabled": True, "utm_params": {"utm_source": "news"}}),
    ],
)  # fmt: skip
def test_a_foreign_export_is_recognised_and_read(
    text: str, is_csv: bool, name: str, expected: dict[str, Any]
) -> None:
    found, links = read(text, is_csv=is_csv)
    assert found == name
    assert isinstance(links[0], NewLink), links[0]
    assert {field: getattr(links[0], field) for field in expected} == expected


def test_a_bitly_link_without_a_custom_one_keeps_its_own_code() -> None:
    assert read(BITLY_CSV, is_csv=True)[1][1].code == "4abc"


def test_the_own_format_takes_every_field_of_the_api() -> None:
    text = (
        "code,destination_url,label,rules,utm_params,forward_query,max_clicks,is_disabled,redirect_status,starts_at\n"
        'a/b,https://x.example/?q=1,"L","[{""when"":{""country"":[""GB""]},""to"":""https://uk.example""}]",'
        '"{""utm_source"":""s""}","[""a"",""b""]",5,true,307,2026-01-01T00:00:00Z\n'
        "plain,https://y.example,,,,,,,,\n"
    )
    name, links = read(text, is_csv=True)
    assert name == "own"
    assert links[0].rules[0].when.country == ["GB"] and links[0].forward_query == ["a", "b"]
    assert (links[0].max_clicks, links[0].is_disabled, links[0].redirect_status) == (5, True, 307)
    assert links[1].forward_query == "append" and links[1].redirect_status == 302


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (",https://x.example,,", "code"),
        ("a,,,", "destination_url"),
        ("a,https://x.example,many,", "max_clicks"),
        ("a,https://x.example,,perhaps", "is_disabled"),
    ],
)
def test_a_wrong_row_names_its_field(line: str, field: str) -> None:
    text = f"code,destination_url,max_clicks,is_disabled\n{line}\n"
    _, links = read(text, is_csv=True)
    if field == "destination_url":  # whether a campaign gives one is the database's to say
        assert links[0].destination_url is None
    else:
        assert [fault.field for fault in links[0]] == [field]


def test_lines_that_are_no_records_have_a_fault_and_a_number() -> None:
    rows = list(rows_of(['{"code":"a"}\n', "\n", "[1]\n", "{\n"], is_csv=False))
    assert [(row.line, row.fault is None) for row in rows] == [(1, True), (3, False), (4, False)]
    rows = list(rows_of(["code,destination_url\n", "a,b,c\n"], is_csv=True))
    assert rows[0].line == 2 and "3 fields" in str(rows[0].fault)


def test_a_field_over_several_lines_and_a_nul_do_not_break_the_reading() -> None:
    rows = list(rows_of(["code,destination_url,label\n", 'a,b,"x\n', 'y"\n', "c,d\x00,e\n"], is_csv=True))
    assert [row.row["code"] for row in rows] == ["a", "c"]


def test_an_unknown_format_says_what_is_known() -> None:
    with pytest.raises(UnknownFormat, match="YOURLS"):
        recognise(["foo", "bar"])


def test_link_of_never_raises_for_odd_values() -> None:
    for value in (None, 5, [], {}, True, "\ud800"):
        for name in ("own", "bitly", "yourls", "shlink", "kutt", "dub"):
            row = dict.fromkeys(
                ("code", "destination_url", "link", "long_url", "keyword", "url", "short_code", "address", "target",
                 "key", "meta", "title", "expire_in", "banned", "archived", "custom_bitlinks", "rules"), value
            )  # fmt: skip
            result = link_of(row, name)
            assert isinstance(result, NewLink) or all(isinstance(fault, Fault) for fault in result)
