"""From counts to the figures of a stats answer: totals, rows of breakdowns, rates, money as text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from schema.money import DIGITS

CLASSES = ("valid", "bot", "prefetch", "head", "double", "datacenter", "noconsent")
RATE = Decimal("0.0001")


def totals_of(
    by_class: Mapping[str, int],
    uniques: int,
    conversions: int,
    revenue: dict[str, Decimal],
    commission: dict[str, Decimal],
) -> dict[str, Any]:
    """Counts and money with conversion rate and earnings per click; 0 clicks give a rate of 0."""
    clicks = by_class["valid"]
    rate = Decimal(conversions) / clicks if clicks else Decimal(0)
    epc = {
        currency: str((amount / clicks).quantize(RATE, ROUND_HALF_UP))
        for currency, amount in commission.items()
        if clicks and amount
    }
    return {
        "clicks": clicks,
        "gross": sum(by_class.values()),
        "filtered": {name: count for name, count in sorted(by_class.items()) if count and name != "valid"},
        "unique": uniques,
        "conversions": conversions,
        "revenue": texts_of(revenue),
        "commission": texts_of(commission),
        "conversion_rate": str(rate.quantize(RATE, ROUND_HALF_UP)),
        "epc": epc,
    }


def row_of(value: str | None, counted: Any, sales: Sequence[Any]) -> dict[str, Any]:
    """One row of a breakdown."""
    return {
        "value": value,
        "clicks": counted["clicks"],
        "gross": counted["gross"],
        "unique": counted["uniques"],
        "conversions": sum(row["conversions"] for row in sales),
        "revenue": texts_of(_sums(sales, "revenue")),
        "commission": texts_of(_sums(sales, "commission")),
    }


def class_rows(totals: dict[str, Any]) -> list[dict[str, Any]]:
    """The breakdown by class, which the totals hold already."""
    money = {name: totals[name] for name in ("conversions", "revenue", "commission")}
    none = {"conversions": 0, "revenue": {}, "commission": {}}
    valid = {
        "value": "valid",
        "clicks": totals["clicks"],
        "gross": totals["clicks"],
        "unique": totals["unique"],
    }
    others = [
        {"value": name, "clicks": 0, "gross": count, "unique": 0} | none
        for name, count in sorted(totals["filtered"].items(), key=lambda item: (-item[1], item[0]))
    ]
    return ([valid | money] if totals["clicks"] else []) + others


def _sums(rows: Iterable[Any], name: str) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + row[name]
    return dict(sorted(sums.items()))


def texts_of(sums: dict[str, Decimal]) -> dict[str, str]:
    """Amounts by currency as text; a currency of which nothing is left is left out."""
    return {currency: money_text(amount, currency) for currency, amount in sums.items() if amount}


def digits_cut(currency: str) -> int:
    """How many characters to cut from an amount with four decimals to leave as many as its currency has."""
    digits = DIGITS.get(currency, 4)
    return 4 - digits if digits else 5


def money_text(amount: Decimal, currency: str) -> str:
    """An amount with as many decimals as its currency has: 12.00 USD, 12 JPY, 1.125 KWD."""
    return f"{amount:.{DIGITS.get(currency, 4)}f}"


def decimal_text(amount: Decimal) -> str:
    """An amount with the decimals it has, at least two: 12.00, 0.125."""
    text = f"{amount:f}".rstrip("0") if "." in f"{amount:f}" else f"{amount:f}."
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat() + "Z"
