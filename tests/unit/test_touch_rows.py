"""Touches as binary COPY: what PostgreSQL reads is what was meant; and the calendar the ledger counts by."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import asyncpg
import pytest

from attribution.moments import click_micros, micros_of, moment_of, months_after
from attribution.touch_rows import COLUMNS, HEADER, TRAILER, Split, Touch, encode_touches

MOMENT = datetime.now(UTC).replace(microsecond=123456)
VALUES = [0, 1, -1, 9999, 10_000, -10_001, 100_000_000, 99_999_999_999_999]
SHARES = [0, 1, 10_000, 333_333_333_334, 10**12, 999_999_999_999, 10**8, 7]


@pytest.mark.parametrize("exponent", [0, 2, 4])
def test_rows_come_back_as_they_were_meant(database_url: str, exponent: int) -> None:
    values = [value // 10 ** (4 - exponent) if abs(value) > 10**8 else value for value in VALUES]
    cookie_id = uuid.uuid4()
    touches = [
        Touch(micros_of(MOMENT) - number, number or None, 7, 8, None if number else 9, cookie_id, "medium")
        for number in range(len(values))
    ]
    rows = encode_touches(5, micros_of(MOMENT), 6, exponent, touches, [Split("linear", SHARES, values)])

    async def work() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(database_url)
        try:
            source = BytesIO(HEADER + rows + TRAILER)
            await connection.copy_to_table("touches", source=source, columns=list(COLUMNS), format="binary")
            return await connection.fetch("SELECT * FROM touches ORDER BY occurred_at DESC")
        finally:
            await connection.close()

    stored = asyncio.run(work())
    assert [row["touch_value"] for row in stored] == [Decimal(value).scaleb(-exponent) for value in values]
    assert [row["touch_weight"] for row in stored] == [Decimal(share).scaleb(-12) for share in SHARES]
    assert [row["click_id"] for row in stored] == [None, *range(1, len(values))]
    assert [row["touch_type"] for row in stored] == ["first", *["middle"] * (len(values) - 2), "last"]
    first = stored[0]
    assert (first["converted_at"], first["occurred_at"], first["cookie_id"]) == (MOMENT, MOMENT, cookie_id)
    assert (first["partner_link_id"], stored[1]["partner_link_id"], first["lead_id"]) == (9, None, 6)


def test_microseconds_are_exact_both_ways() -> None:
    assert moment_of(micros_of(MOMENT)) == MOMENT
    assert click_micros((1_700_000_000_123 << 21) | 99) == 1_700_000_000_123_000


@pytest.mark.parametrize(
    ("months", "expected"), [(0, "2026-01-31"), (1, "2026-02-28"), (12, "2027-01-31"), (3, "2026-04-30")]
)
def test_months_end_where_the_calendar_says(months: int, expected: str) -> None:
    start = datetime(2026, 1, 31, tzinfo=UTC) + timedelta(hours=5)
    assert months_after(start, months).date().isoformat() == expected
