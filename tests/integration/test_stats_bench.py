"""The stats bench at toy size, so that it does not rot."""

from __future__ import annotations

from bench.stats import ENDPOINTS, run
from flusher import rollups


def test_the_bench_runs(empty_database_url: str, redis_url: str) -> None:
    result = run(
        clicks=2_000, seconds=0.2, writer_rows=400, rounds=1, engines=(empty_database_url, redis_url)
    )
    assert [row["endpoint"] for row in result["endpoints"]] == list(ENDPOINTS)
    assert all(0 < row["p50_ms"] <= row["p99_ms"] and row["api_cpu_ms"] >= 0 for row in result["endpoints"])
    assert result["slowest p99 ms"] > 0
    assert result["times faster"] > 0 and result["writer ratio"] > 0
    assert rollups.is_counted
