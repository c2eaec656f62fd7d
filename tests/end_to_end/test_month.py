"""A month of history imported into a running system and settled: every sale credited as this file works it out by
itself, and clean books. `make test-month` runs it with 20,000 conversions, the suite with fewer.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from schema.ids import CookieIdMinter
from tests.end_to_end.system_account import apply_programme, assert_books_are_clean, query
from tests.running_system import Up, clickledger, wait_until

CONVERSIONS = int(os.environ.get("CLICKLEDGER_TEST_MONTH", "300"))
TOUCHES_MAX = 30 if CONVERSIONS > 1_000 else 8
SECONDS_MAX = 60 + CONVERSIONS / 20
CODES = {"summer-a": "Blog A", "summer-a2": "Blog A", "summer-b": "Blog B"}
START = datetime(2026, 9, 1, tzinfo=UTC)
RATES = {"Blog A": Decimal("0.10"), "Blog B": Decimal("0.15")}


class Sale(NamedTuple):
    """A sale with the codes clicked before it, oldest first."""

    transaction_id: str
    cookie_id: str
    amount: Decimal
    occurred_at: datetime
    clicks: list[tuple[datetime, str]]


def make_month() -> Iterator[Sale]:
    """Journeys of 1 to 30 clicks within three weeks before the sale, all at moments of their own."""
    chance = random.Random(11)
    cookies = CookieIdMinter()
    for number in range(CONVERSIONS):
        sold_at = START + timedelta(days=25, seconds=chance.randrange(5 * 86_400))
        hours = sorted(chance.sample(range(1, 500), chance.randint(1, TOUCHES_MAX)), reverse=True)
        clicks = [(sold_at - timedelta(hours=hour), chance.choice(list(CODES))) for hour in hours]
        amount = Decimal(chance.randint(1, 49_999)) / 100
        yield Sale(f"M-{number}", cookies.mint(int(clicks[0][0].timestamp() * 1000)), amount, sold_at, clicks)


def expected_credit(sale: Sale) -> dict[str, Decimal]:
    """Linear, pool: the rate of the partner with most clicks, of equals the latest; cents go to the earliest."""
    partners = [CODES[code] for _, code in sale.clicks]
    last = {partner: place for place, partner in enumerate(partners)}
    primary = max(last, key=lambda partner: (partners.count(partner), last[partner]))
    cents = int((sale.amount * RATES[primary] * 100).to_integral_value("ROUND_HALF_UP"))
    each, left = divmod(cents, len(partners))
    credit: dict[str, Decimal] = {}
    for place, partner in enumerate(partners):
        credit[partner] = credit.get(partner, Decimal(0)) + Decimal(each + (place < left)) / 100
    return credit


def load(up: Up, kind: str, rows: list[dict[str, Any]]) -> None:
    """Import a file as an operator does."""
    file = up.data_dir.with_name(f"{kind}.ndjson")
    file.write_text("\n".join(map(json.dumps, rows)))
    done = clickledger(kind, "import", str(file), cwd=file.parent, data_dir=up.data_dir, **up.settings)
    assert done.returncode == 0, done.stdout + done.stderr


def rows_of(sales: list[Sale]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    clicks = [
        {"code": code, "clicked_at": at.isoformat(), "cookie_id": sale.cookie_id, "import_id": f"{sale.transaction_id}/{place}",
         "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}
        for sale in sales
        for place, (at, code) in enumerate(sale.clicks)
    ]  # fmt: skip
    conversions = [
        {"vendor": "ops@shop.example", "transaction_id": sale.transaction_id, "amount": f"{sale.amount:.2f}", "currency": "USD",
         "cookie_id": sale.cookie_id, "occurred_at": sale.occurred_at.isoformat()}
        for sale in sales
    ]  # fmt: skip
    return clicks, conversions


@pytest.mark.timeout(int(SECONDS_MAX * 4))
def test_a_month_is_imported_settled_and_clean(system: Up) -> None:
    apply_programme(system, Path(__file__).with_name("month.yaml"), "/summer-b")
    sales = list(make_month())
    clicks, conversions = rows_of(sales)
    load(system, "clicks", clicks)
    wait_for(system, "SELECT count(*) = {} FROM clicks WHERE click_class = 'valid'", len(clicks))
    load(system, "conversions", conversions)
    wait_for(
        system,
        "SELECT count(*) = {} FROM conversion_events WHERE attribution_state = 'attributed'",
        len(sales),
    )
    load(system, "clicks", clicks)
    load(system, "conversions", conversions)
    found: dict[str, dict[str, Decimal]] = {}
    for row in query(
        system,
        "SELECT e.transaction_id, p.name, r.amount FROM conversion_credits r"
        " JOIN conversion_events e USING (conversion_event_id) JOIN partners p ON p.partner_id = r.partner_id",
    ):
        found.setdefault(row["transaction_id"], {})[row["name"]] = row["amount"]
    assert found == {sale.transaction_id: expected_credit(sale) for sale in sales}
    done = clickledger(
        *("recompute", "--from", "2026-09-01", "--to", "2026-11-01"),
        cwd=system.data_dir.parent, data_dir=system.data_dir, **system.settings,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == f"{len(sales):,} conversions attributed again, 0 changed, 0 final."
    assert_books_are_clean(system)


def wait_for(up: Up, statement: str, count: int) -> None:
    wait_until(lambda: query(up, statement.format(count))[0][0], SECONDS_MAX, statement.format(count))
