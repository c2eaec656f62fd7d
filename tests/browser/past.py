"""What happened before the tests: clicks and sales of the last months, imported as an operator would.

All of it lies more than a week back, so that a test may count what it does itself within seven days.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.doors import BROWSER
from tests.running_system import Up, clickledger

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
ORDER = "ORD-7"
"""A sale of three touches; a fourth click was too old."""
SALES = tuple(f"SALE-{number}" for number in range(1, 9))
"""Sales of 10, 20, … EUR by one click on ben-1 each; every test that decides has its own."""
HELD = "HELD-1"
"""A sale whose buyer is the partner credited for it."""
ALL = (ORDER, *SALES, HELD)


def import_past(up: Up) -> None:
    """Put it into a running system."""
    folder = up.data_dir.parent
    clicks = folder / "past.csv"
    with clicks.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["code", "clicked_at", "cookie_id", "import_id", "user_agent"])
        rows.writerows(
            [code, _before(days), _cookie(visitor), f"{visitor}-{code}", BROWSER]
            for visitor, code, days in _clicks()
        )
    sales = folder / "past.ndjson"
    sales.write_text("".join(json.dumps(sale) + "\n" for sale in _sales()))
    _run(up, "clicks", clicks)
    _run(up, "conversions", sales)


def _clicks() -> list[tuple[int, str, float]]:
    """Visitor, code, how many days ago."""
    journey = [(0, "ben-2", 70.0), (0, "ana-1", 32.0), (0, "ben-1", 22.0), (0, "ana-2", 12.1)]
    single = [(visitor, "ben-1", 14.1) for visitor in range(1, len(SALES) + 1)]
    return [*journey, *single, (99, "ana-1", 13.1)]


def _sales() -> list[dict[str, str]]:
    order = _sale(ORDER, "184.00", 0, 12)
    singles = [_sale(name, f"{number}0.00", number, 14) for number, name in enumerate(SALES, start=1)]
    return [order, *singles, _sale(HELD, "50.00", 99, 13) | {"customer_email": "ana@blog.example"}]


def _sale(transaction_id: str, amount: str, visitor: int, days: int) -> dict[str, str]:
    return {
        "vendor": "ops@shop.example", "event": "sale", "transaction_id": transaction_id, "amount": amount,
        "currency": "EUR", "cookie_id": _cookie(visitor), "occurred_at": _before(days),
    }  # fmt: skip


def _cookie(visitor: int) -> str:
    return f"01a1dc80-f000-7760-ade7-{visitor:012d}"


def _before(days: float) -> str:
    return (NOON - timedelta(days=days)).isoformat()


def _run(up: Up, what: str, file: Path) -> None:
    done = clickledger(what, "import", str(file), cwd=file.parent, data_dir=up.data_dir, **up.settings)
    assert done.returncode == 0, done.stdout + done.stderr
