"""From counted rows to the figures of a stats answer: totals, steps, rates, money as text. Pure.

Clicks come as one row a step with a column a class, conversions as one row a step and currency.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from schema.money import DIGITS

CLASSES = ("valid", "bot", "prefetch", "head", "double", "datacenter", "noconsent")
RATE = Decimal("0.0001")

Rows = Iterable[Any]
"""Records of one of the blocks."""


def totals_of(clicks: Rows, sales: Rows, classes: Sequence[str]) -> dict[str, Any]:
    """Counts of the wanted classes, with conversion rate and earnings per click; 0 clicks give a rate of 0."""
    sales = list(sales)
    filtered = dict.fromkeys(CLASSES, 0)
    uniques = 0
    for row in clicks:
        uniques += row["uniques"]
        for name in CLASSES:
            filtered[name] += row[name]
    filtered = {name: count if name in classes else 0 for name, count in filtered.items()}
    valid = filtered.pop("valid")
    counts = {
        "clicks": valid,
        "gross": valid + sum(filtered.values()),
        "filtered": {name: count for name, count in sorted(filtered.items()) if count},
        "unique": uniques if "valid" in classes else 0,
        "conversions": sum(row["conversions"] for row in sales),
    }
    return counts | _money(sales, valid)


def _money(sales: Sequence[Any], clicks: int) -> dict[str, Any]:
    conversions = sum(row["conversions"] for row in sales)
    rate = Decimal(conversions) / clicks if clicks else Decimal(0)
    commission = _sums(sales, "commission")
    epc = {
        currency: str((amount / clicks).quantize(RATE, ROUND_HALF_UP))
        for currency, amount in commission.items()
        if clicks and amount
    }
    return {
        "revenue": texts_of(_sums(sales, "revenue")),
        "commission": texts_of(commission),
        "conversion_rate": str(rate.quantize(RATE, ROUND_HALF_UP)),
        "epc": epc,
    }


def step_of(start: datetime, clicks: Rows, sales: Sequence[Any], classes: Sequence[str]) -> dict[str, Any]:
    """One step of the series: thousands of them are asked for at once, most without a conversion."""
    valid = gross = uniques = 0
    for row in clicks:
        gross += sum([row[name] for name in classes])
        if "valid" in classes:
            valid += row["valid"]
            uniques += row["uniques"]
    return {
        "start": stamp(start),
        "clicks": valid,
        "gross": gross,
        "unique": uniques,
        "conversions": sum(row["conversions"] for row in sales),
        "revenue": texts_of(_sums(sales, "revenue")) if sales else {},
        "commission": texts_of(_sums(sales, "commission")) if sales else {},
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
