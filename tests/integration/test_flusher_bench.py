"""The writer's bench at toy size, so that it does not rot."""

from __future__ import annotations

from bench.flush import run, sample_clicks


def test_the_bench_runs(empty_database_url: str, redis_url: str) -> None:
    result = run(rows=600, rounds=2, engines=(empty_database_url, redis_url))
    assert result["rows"] == 600
    assert result["writer_rows_per_s"] > 0
    assert result["ratio"] > 0


def test_samples_are_the_same_every_time_but_for_their_ids() -> None:
    first, second = (sample_clicks(200) for _ in range(2))
    assert [click[1:4] + click[8:] for click in first] == [click[1:4] + click[8:] for click in second]
    assert len({click[0] for click in first}) == 200
