"""The series of a stats answer: columns as PostgreSQL hands them over in, steps and totals out. Pure.

Thousands of steps are asked for at once: whole columns are added up and zipped, and money stays text wherever it comes
from one place only. Counts of a step may come from several: rollups, clicks of split hours, conversions that wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from attribution.stats_figures import CLASSES, digits_cut, money_text

NOTHING = "0.0000"
"""As PostgreSQL writes a numeric of the scale all our money has."""

Columns = Any
"""A record of one of the blocks: `bucket` with the numbers of steps from 1 on, and columns as long."""


class Series:
    """Counts by step, added up. `starts` are where the steps begin, `classes` those of clicks that are wanted."""

    def __init__(self, starts: Sequence[datetime], classes: Sequence[str]) -> None:
        self._starts = starts
        self._classes = classes
        self._counts = {name: [0] * len(starts) for name in ("valid", "gross", "uniques", "conversions")}
        self._sales: dict[str, list[Columns]] = {}
        self.by_class = dict.fromkeys(CLASSES, 0)

    def add_clicks(self, columns: Columns) -> None:
        """Clicks of one place, with `by_class` in the order of CLASSES (None: no click at all)."""
        wanted = ("valid", "gross", "uniques") if "valid" in self._classes else ("gross",)
        for name in wanted:
            _add(self._counts[name], columns["bucket"], columns[name])
        for name, count in zip(CLASSES, columns["by_class"], strict=True):
            if name in self._classes:
                self.by_class[name] += count or 0

    def add_sales(self, columns: Columns) -> None:
        """Conversions of one place and currency."""
        _add(self._counts["conversions"], columns["bucket"], columns["conversions"])
        self._sales.setdefault(columns["currency"], []).append(columns)

    @property
    def uniques(self) -> int:
        """Of all steps."""
        return sum(self._counts["uniques"])

    @property
    def conversions(self) -> int:
        """Of all steps."""
        return sum(self._counts["conversions"])

    def sums(self, name: str) -> dict[str, Decimal]:
        """`revenue` or `commission` of all steps by currency."""
        return {
            currency: sum((columns[f"all_{name}"] for columns in places), Decimal(0))
            for currency, places in sorted(self._sales.items())
        }

    def steps(self) -> list[dict[str, Any]]:
        """The series."""
        counts = self._counts
        columns = (self._starts, counts["valid"], counts["gross"], counts["uniques"], counts["conversions"])
        return [
            {
                "start": start,
                "clicks": clicks,
                "gross": gross,
                "unique": unique,
                "conversions": conversions,
                "revenue": revenue,
                "commission": commission,
            }
            for start, clicks, gross, unique, conversions, revenue, commission in zip(
                *columns, self._money("revenue"), self._money("commission"), strict=True
            )
        ]

    def _money(self, name: str) -> list[dict[str, str]]:
        steps: list[dict[str, str]] = [{} for _ in self._starts]
        for currency, places in sorted(self._sales.items()):
            cut = digits_cut(currency)
            zeros = NOTHING[len(NOTHING) - cut :]
            for number, amount in _amounts(places, name):
                if amount == NOTHING:
                    continue
                if amount.endswith(zeros):
                    steps[number - 1][currency] = amount[: len(amount) - cut]
                else:
                    steps[number - 1][currency] = money_text(Decimal(amount), currency)
        return steps


@lru_cache(maxsize=32)
def seconds_text(starts: tuple[datetime, ...]) -> str:
    """Where steps begin, as an array in PostgreSQL's text: its driver looks at every element of one of its own."""
    return "{" + ",".join(str(start.timestamp()) for start in starts) + "}"


def _add(counts: list[int], numbers: Sequence[int], values: Sequence[int]) -> None:
    for number, value in zip(numbers, values, strict=True):
        counts[number - 1] += value


def _amounts(places: Sequence[Columns], name: str) -> Iterator[tuple[int, str]]:
    """Numbers of steps and amounts as text."""
    if len(places) == 1:
        return zip(places[0]["bucket"], places[0][name], strict=True)
    sums: dict[int, Decimal] = {}
    for columns in places:
        for number, amount in zip(columns["bucket"], columns[name], strict=True):
            sums[number] = sums.get(number, Decimal(0)) + Decimal(amount)
    return ((number, f"{amount:.4f}") for number, amount in sums.items())
