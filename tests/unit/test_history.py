"""Importing clicks: which files are understood, which rows are refused and why, what a row becomes."""

from __future__ import annotations

import io
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redirector.history import click_of, read_click_rows
from redirector.row_files import BadFile, Row, RowFault
from schema.events import ClickEvent
from schema.ids import LEASED_WORKER_MAX, click_ms, wall_clock_ms
from schema.links import PublishedLink

LINK = PublishedLink(
    link_id=7, code="a", destination="https://x.example", partner_id=3, campaign_version_id=2
)


def rows(text: str) -> list[Row | RowFault]:
    return list(read_click_rows(io.StringIO(text)))


def click(**fields: str) -> ClickEvent | RowFault:
    given = {"code": "a", "clicked_at": "2024-03-01T12:00:00Z"} | fields
    made = click_of(Row(2, given), LINK, wall_clock_ms())
    return made if isinstance(made, RowFault) else ClickEvent._make(made + (None,) * (14 - len(made)))


def test_csv_and_ndjson_are_told_apart() -> None:
    """The same two rows, numbered as an editor does."""
    csv = rows("code,clicked_at,ip\na,2024-01-01T00:00:00Z,1.2.3.4\nb,2024-01-01T00:00:00Z,\n")
    lines = rows(
        '{"code":"a","clicked_at":"2024-01-01T00:00:00Z","ip":"1.2.3.4"}\n\n{"code":"b","clicked_at":"2024-01-01T00:00:00Z"}\n'
    )
    assert [row.fields for row in csv] == [row.fields for row in lines]  # type: ignore[union-attr]
    assert [row.number for row in csv] == [2, 3]
    assert [row.number for row in lines] == [1, 3]


@pytest.mark.parametrize(
    "header", ["", "code", "clicked_at", "code,clicked_at,surname", "code,clicked_at,code"]
)
def test_a_file_of_the_wrong_columns_is_refused(header: str) -> None:
    """Before anything is imported, naming the known columns."""
    with pytest.raises(BadFile, match="clicked_at"):
        rows(header + "\n")


@pytest.mark.parametrize("line", ["{", "[]", '{"code":1}', '{"code":"a","nope":"x"}'])
def test_bad_json_lines_are_faults(line: str) -> None:
    """With their number; the lines around them are rows."""
    good = '{"code":"a","clicked_at":"2024-01-01T00:00:00Z"}'
    found = rows(f"{good}\n{line}\n{good}\n")
    assert [type(row) for row in found] == [Row, RowFault, Row]
    assert found[1].number == 2


def test_short_csv_rows_are_faults() -> None:
    """A missing field is never filled in silently."""
    (fault,) = rows("code,clicked_at\na\n")
    assert fault == RowFault(2, "has 1 fields, the header has 2")


@pytest.mark.parametrize(
    "moment",
    ["", "yesterday", "2024-01-01", "2024-01-01T00:00:00", "1960-01-01T00:00:00Z", "2999-01-01T00:00:00Z"],
)
def test_times_need_an_offset_and_a_past(moment: str) -> None:
    """RFC 3339, after 1970, not in the future."""
    fault = click(clicked_at=moment)
    assert isinstance(fault, RowFault)
    assert fault.message.startswith("clicked_at:")


def test_a_row_becomes_a_click_of_its_time() -> None:
    """Its id lies in the range that no live door mints; sub-ids and UTM values travel as a query."""
    made = click(
        clicked_at="2024-03-01T13:00:00+01:00",
        ip="::ffff:1.2.3.4",
        sub1="a&b",
        utm_source="x y",
        cookie_id="v-1",
    )
    assert isinstance(made, ClickEvent)
    assert click_ms(made.click_id) == 1_709_294_400_000
    assert (made.click_id >> 11) & 1023 > LEASED_WORKER_MAX
    assert (made.link_id, made.partner_id, made.ip) == (7, 3, "1.2.3.4")
    assert parse_qs(made.query) == {"sub1": ["a&b"], "utm_source": ["x y"]}
    assert made.cookie_id == click(cookie_id="v-1").cookie_id  # type: ignore[union-attr]


def test_bad_addresses_are_faults() -> None:
    """Named."""
    assert click(ip="1.2.3") == RowFault(2, "ip: is not an address")


def test_rows_are_recognised() -> None:
    """By import_id wherever it stands; without one by line and content."""
    key = click(import_id="42").import_key  # type: ignore[union-attr]
    assert key == click(import_id="42", ip="1.1.1.1").import_key  # type: ignore[union-attr]
    assert key != click(import_id="43").import_key  # type: ignore[union-attr]
    plain = click().import_key  # type: ignore[union-attr]
    assert plain == click().import_key != click(ip="1.1.1.1").import_key  # type: ignore[union-attr]


@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    """A file is refused as a whole or read row by row; it never raises anything else."""
    try:
        found = rows(text)
    except BadFile:
        return
    assert all(isinstance(row, Row | RowFault) for row in found)
