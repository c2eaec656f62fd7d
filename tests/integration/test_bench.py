"""Benches at toy size, so that none rots: they run, account for every click, and compare with their baselines."""

from __future__ import annotations

from bench.postback import run as run_postback
from bench.redirect import run


def test_the_redirect_bench_accounts_for_every_click() -> None:
    """Clicks kept = answers sent, but for the requests still on their way when the generator stopped counting."""
    result = run(seconds=0.4, rounds=1, connections=4)
    assert result["failed"] == 0
    assert result["answered"] > 0
    assert 0 <= result["kept"] - result["answered"] <= 8
    assert result["fast_ratio"] > 0
    assert result["asgi_ratio"] > 0


def test_the_postback_bench_accounts_for_every_report() -> None:
    """Reports kept = answers sent, but for those still on their way when a round stopped counting."""
    result = run_postback(seconds=0.4, rounds=1, connections=4)
    assert result["failed"] == 0
    assert result["answered"] > 0
    assert 0 <= result["kept"] - result["answered"] <= 8
    assert result["ratio"] > 0
