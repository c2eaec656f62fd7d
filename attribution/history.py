"""What had happened before a sale, where its price depends on that: a customer's purchases, a partner's revenue.

`settlement` asks for a whole batch. Revenue decides tiers, so whoever prices by it first locks the partner's revenue
until it commits: two attributors never miss each other's sales. Of sales in the same batch the earlier ones count.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple
from uuid import UUID

from attribution.conversion_rows import Conversion
from attribution.decision import Decision
from attribution.moments import month_start
from attribution.pricing import Past, earners
from attribution.terms import SQL, Catalogue, Connection, needs_history
from schema.money import minor_units

Order = tuple[datetime, UUID]


class Shop(NamedTuple):
    """Where revenue adds up: a partner in a campaign, one currency, one month."""

    partner_id: int
    campaign_id: int
    currency: str
    month: datetime


async def load_pasts(
    connection: Connection, decisions: Sequence[Decision], catalogue: Catalogue
) -> list[Past]:
    """The past of each decision, in their order."""
    bought = await _purchases(connection, decisions, catalogue)
    revenues = await _revenues(connection, decisions, catalogue)
    return [
        Past(*bought.get(place, (0, _claims_first(decision.conversion))), revenues.get(place, {}))
        for place, decision in enumerate(decisions)
    ]


def _claims_first(conversion: Conversion) -> bool:
    """What the vendor says; it counts only where we know of no earlier purchase."""
    return conversion.metadata.get("is_first_purchase") is True


async def _purchases(
    connection: Connection, decisions: Sequence[Decision], catalogue: Catalogue
) -> dict[int, tuple[int, bool]]:
    """Lifetime value and whether it is the first purchase, for customers that are known and where a rule asks."""
    asked = [
        (
            place,
            one.vendor_id,
            one.customer_id,
            one.customer_email,
            one.currency,
            one.occurred_at,
            one.conversion_id,
        )
        for place, decision in enumerate(decisions)
        if _asks_history(decision, catalogue)
        for one in (decision.conversion,)
    ]
    if not asked:
        return {}
    columns = [list(column) for column in zip(*asked, strict=True)]
    known = {}
    for row in await connection.fetch(SQL["customer_history"], *columns):
        conversion = decisions[row["place"]].conversion
        is_first = not row["purchases"] and conversion.metadata.get("is_first_purchase", True) is True
        known[row["place"]] = minor_units(Decimal(row["value"]), conversion.currency), is_first
    return known


def _asks_history(decision: Decision, catalogue: Catalogue) -> bool:
    conversion = decision.conversion
    if not decision.touches or (conversion.customer_id is None and conversion.customer_email is None):
        return False
    return any(
        needs_history(catalogue.terms(version_id, conversion))
        for version_id in earners(decision, catalogue).values()
    )


async def _revenues(
    connection: Connection, decisions: Sequence[Decision], catalogue: Catalogue
) -> dict[int, dict[tuple[int, int], int]]:
    """For each decision priced by tiers the revenue of its earners, by (campaign, partner)."""
    shops: dict[Shop, list[int]] = {}
    for place, decision in enumerate(decisions):
        for shop in _tiered_shops(decision, catalogue):
            shops.setdefault(shop, []).append(place)
    if not shops:
        return {}
    keys = [f"clickledger revenue {shop.campaign_id} {shop.partner_id}" for shop in shops]
    await connection.execute(SQL["lock_keys"], keys)
    books = await _books(connection, shops, decisions, catalogue)
    revenues: dict[int, dict[tuple[int, int], int]] = {}
    for (shop, places), book in zip(shops.items(), books, strict=True):
        for place in places:
            revenue = book.before(decisions[place].conversion.order)
            revenues.setdefault(place, {})[shop.campaign_id, shop.partner_id] = revenue
    return revenues


def _tiered_shops(decision: Decision, catalogue: Catalogue) -> list[Shop]:
    if not decision.touches:
        return []
    conversion = decision.conversion
    return [
        Shop(
            partner_id,
            catalogue.versions[version_id].campaign_id,
            conversion.currency,
            month_start(conversion.occurred_at),
        )
        for partner_id, version_id in earners(decision, catalogue).items()
        if catalogue.versions[version_id].default_rate is None
    ]


class Book:
    """The sales of one shop in order, answering what had been sold before a moment."""

    def __init__(self, opening: int, sales: Sequence[tuple[Order, int]]) -> None:
        ordered = sorted(sales)
        self._orders = [order for order, _ in ordered]
        self._sums = list(accumulate((value for _, value in ordered), initial=opening))

    def before(self, order: Order) -> int:
        """Everything sold earlier."""
        return self._sums[bisect_left(self._orders, order)]


async def _books(
    connection: Connection,
    shops: dict[Shop, list[int]],
    decisions: Sequence[Decision],
    catalogue: Catalogue,
) -> list[Book]:
    numbers = [decision.conversion.number for decision in decisions]
    sales = _sales_of_batch(decisions, catalogue)
    moments = [[decisions[place].conversion.occurred_at for place in places] for places in shops.values()]
    first, last = [min(some) for some in moments], [max(some) for some in moments]
    columns = [
        list(column) for column in zip(*((at, *shop[:3]) for at, shop in enumerate(shops)), strict=True)
    ]
    months = [shop.month for shop in shops]
    opening = {
        row["place"]: row["value"]
        for row in await connection.fetch(SQL["revenue_before"], *columns, months, first, numbers)
    }
    between: dict[int, list[tuple[Order, int]]] = {}
    for row in await connection.fetch(SQL["revenue_between"], *columns, first, last, numbers):
        currency = columns[3][row["place"]]
        value = minor_units(row["event_value"] or Decimal(0), currency)
        between.setdefault(row["place"], []).append(((row["occurred_at"], row["conversion_id"]), value))
    return [
        Book(
            minor_units(Decimal(opening.get(at, 0)), shop.currency),
            [*between.get(at, []), *sales.get(shop, [])],
        )
        for at, shop in enumerate(shops)
    ]


def _sales_of_batch(
    decisions: Sequence[Decision], catalogue: Catalogue
) -> dict[Shop, list[tuple[Order, int]]]:
    """What the conversions of this batch add, each for its primary partner."""
    sales: dict[Shop, list[tuple[Order, int]]] = {}
    for decision in decisions:
        conversion = decision.conversion
        primary = decision.primary
        if primary is not None and conversion.status != "rejected":
            campaign_id = catalogue.versions[primary.campaign_version_id].campaign_id
            month = month_start(conversion.occurred_at)
            shop = Shop(primary.partner_id, campaign_id, conversion.currency, month)
            sales.setdefault(shop, []).append((conversion.order, conversion.value))
    return sales
