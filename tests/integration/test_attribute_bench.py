"""The attributor's bench at toy size, so that it does not rot, and the month it makes is a sound one."""

from __future__ import annotations

import asyncio

from attribution.verify import verify_ledger
from bench.attribute import run


def test_the_bench_runs(empty_database_url: str, redis_url: str) -> None:
    result = run(clicks=1_500, conversions=60, engines=(empty_database_url, redis_url))
    assert result["conversions"] == 60 and result["clicks"] == 1_500
    assert result["touches"] == 5 * sum(1 + buyer % 30 for buyer in range(1, 61))
    assert result["ratio"] > 0 and result["memory_peak_mb"] > 0
    checks = asyncio.run(verify_ledger(empty_database_url))
    money = ("touches_sum_to_commission", "credits_equal_touches", "money_totals_equal_recount")
    assert [
        check for check in checks if check.name in (*money, "splits_equal_recomputation") and not check.ok
    ] == []
