"""Money as text, Decimal and integer minor units, never as a float. Pure; the door and the ledger share it.

Amounts come in as text in one strict grammar and leave in their currency's own number of digits. Digits are those
of ISO 4217 list one as kept by SIX, its maintenance agency (six-group.com, data-standards; list of 2025-05-12), with
codes withdrawn since 2023 left in, because history is imported. Metals, test codes and units of account without
digits are left out.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal

_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
          CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD
          HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP
          MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR
          SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED
          VES WST XAD XCD XCG YER ZAR ZMW ZWG ZWL""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
DIGITS: dict[str, int] = {code: digits for digits, codes in _BY_DIGITS.items() for code in codes.split()}
"""Digits after the point of every currency."""

DIGITS_MAX = 4
WHOLE_DIGITS_MAX = 14
"""What numeric(18,4) holds: up to 99,999,999,999,999."""

EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
"""Wide enough for the product of an amount, a rate and a multiplier before it is rounded. ROUND_HALF_UP of the
decimal module rounds half away from zero, as PostgreSQL does; its default would round half to even."""

_AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,13})(?:\.([0-9]{1,4}))?")


class BadAmount(ValueError):
    """The text is no amount of that currency; the message says why, made to follow the name of a field."""


def is_currency(code: object) -> bool:
    """Whether it is a currency code as ISO 4217 writes it: three capital letters of the table."""
    return isinstance(code, str) and code in DIGITS


def parse_amount(text: str, currency: str | None) -> Decimal:
    """The amount with exactly its currency's digits (those it came with where the currency is not known yet).

    Grammar: digits, then at most one dot with at most the currency's digits after it. No sign, exponent, comma,
    space, leading zero or bare dot. Raises BadAmount.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise BadAmount('must be digits with a dot, like "12.34", and below 10^14')
    if currency is None:
        return Decimal(text)
    digits = DIGITS[currency]
    if len(match[1] or "") > digits:
        raise BadAmount(f"has more than the {digits} digits {currency} has after the dot")
    return Decimal(text).quantize(_UNITS[digits], context=EXACT)


def canonical_amount(text: str, currency: str) -> str:
    """The same amount as `parse_amount` as text with exactly its currency's digits, without making a Decimal of it."""
    match = _AMOUNT.fullmatch(text)
    digits = DIGITS[currency]
    given = match[1] or "" if match is not None else ""
    if match is None or len(given) > digits:
        parse_amount(text, currency)  # raises, and says why
    if len(given) == digits:
        return text
    return f"{text if given else text + '.'}{'0' * (digits - len(given))}"


def minor_units(amount: Decimal, currency: str) -> int:
    """The amount in the smallest unit of its currency. Raises BadAmount where it is not a whole number of them."""
    scaled = amount.scaleb(DIGITS[currency], context=EXACT)
    units = int(scaled)
    if units != scaled:
        raise BadAmount(f"is not a whole number of the smallest unit of {currency}")
    return units


def from_minor_units(units: int, currency: str) -> Decimal:
    """The amount of so many of the smallest unit, with its currency's digits."""
    return Decimal(units).scaleb(-DIGITS[currency], context=EXACT)


def round_to_minor_units(amount: Decimal, currency: str) -> int:
    """The nearest number of smallest units, a half away from zero: 1.005 USD is 101, -1.005 USD is -101."""
    return int(amount.scaleb(DIGITS[currency], context=EXACT).quantize(Decimal(1), context=EXACT))


def amount_text(amount: Decimal, currency: str) -> str:
    """The amount as answers show it: plain digits, exactly its currency's number after the dot."""
    return f"{amount.quantize(_UNITS[DIGITS[currency]], context=EXACT):f}"


_UNITS = tuple(Decimal(1).scaleb(-digits) for digits in range(DIGITS_MAX + 1))
