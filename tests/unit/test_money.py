"""Amounts: the grammar at its edges, digits of each currency, exact units, rounding half away from zero."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.money import (
    DIGITS,
    BadAmount,
    amount_text,
    canonical_amount,
    from_minor_units,
    is_currency,
    minor_units,
    parse_amount,
    round_to_minor_units,
)


@pytest.mark.parametrize(
    ("text", "currency", "units"),
    [
        ("0", "USD", 0),
        ("12.34", "USD", 1234),
        ("12.3", "USD", 1230),
        ("12", "USD", 1200),
        ("1235", "JPY", 1235),
        ("1.235", "KWD", 1235),
        ("0.0001", "CLF", 1),
        ("99999999999999.99", "EUR", 9999999999999999),
    ],
)
def test_amounts(text: str, currency: str, units: int) -> None:
    amount = parse_amount(text, currency)
    assert minor_units(amount, currency) == units
    assert from_minor_units(units, currency) == amount
    assert amount_text(amount, currency) == f"{from_minor_units(units, currency):f}"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "12,34",
            "1,234.00",
            "1.2.3",
            "+1",
            "-1",
            "1e3",
            "1E3",
            "NaN",
            "Infinity",
            "0x10",
            "1_000",
        ),
        *(
            " 1",
            "1 ",
            "1\n",
            ".5",
            "5.",
            "00",
            "007",
            "1.00000",
            "100000000000000",
            "١٢",
            "１２",
            "1\0",
            "$1",
        ),
    ],
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(BadAmount):
        parse_amount(text, "USD")
    with pytest.raises(BadAmount):
        parse_amount(text, None)


@pytest.mark.parametrize(
    ("text", "currency"), [("1.5", "JPY"), ("1.0", "JPY"), ("1.234", "USD"), ("1.2345", "KWD")]
)
def test_more_digits_than_the_currency_has(text: str, currency: str) -> None:
    with pytest.raises(BadAmount, match=currency):
        parse_amount(text, currency)
    with pytest.raises(BadAmount, match=currency):
        canonical_amount(text, currency)


def test_the_table() -> None:
    assert {code: DIGITS[code] for code in ("JPY", "USD", "EUR", "KWD", "CLF", "ISK", "MGA", "TND")} == {
        "JPY": 0, "USD": 2, "EUR": 2, "KWD": 3, "CLF": 4, "ISK": 0, "MGA": 2, "TND": 3,
    }  # fmt: skip
    assert all(len(code) == 3 and code.isupper() for code in DIGITS)
    assert not any(map(is_currency, ("usd", "XXX", "XAU", "", None, 840, "US", "USDT")))


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("1.005", "USD", 101),
        ("-1.005", "USD", -101),
        ("1.0149", "USD", 101),
        ("0.5", "JPY", 1),
        ("-0.5", "JPY", -1),
        ("0.00049999", "KWD", 0),
    ],
)
def test_a_half_is_rounded_away_from_zero(amount: str, currency: str, units: int) -> None:
    assert round_to_minor_units(Decimal(amount), currency) == units


def test_a_part_of_a_unit_is_refused() -> None:
    with pytest.raises(BadAmount):
        minor_units(Decimal("0.001"), "USD")


@given(st.integers(-(10**17), 10**17), st.sampled_from(sorted(DIGITS)))
def test_units_survive_the_way_out_and_back(units: int, currency: str) -> None:
    amount = from_minor_units(units, currency)
    assert minor_units(amount, currency) == units == round_to_minor_units(amount, currency)
    if 0 <= amount < 10**14:
        assert parse_amount(amount_text(amount, currency), currency) == amount


@given(
    st.text(max_size=20) | st.from_regex(r"\A[0-9]{1,15}(\.[0-9]{0,5})?\Z"),
    st.sampled_from(["JPY", "USD", "KWD", "CLF", None]),
)
def test_any_text_is_an_exact_amount_or_refused(text: str, currency: str | None) -> None:
    try:
        amount = parse_amount(text, currency)
    except BadAmount:
        return
    if currency is not None:
        assert canonical_amount(text, currency) == amount_text(amount, currency)
    assert text.isascii() and set(text) <= set("0123456789.")
    assert amount == Decimal(text) and 0 <= amount < 10**14
