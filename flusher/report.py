"""What the writer tells about itself: metrics, and one log line a batch. Never an address, never one per click."""

from __future__ import annotations

import structlog

from flusher.store import Stored
from schema import metrics
from schema.ids import wall_clock_ms

log = structlog.get_logger()


def report_batch(shard: int, stored: Stored, seconds: float) -> None:
    """A batch is stored and acknowledged."""
    rows = stored.by_class.total()
    for click_class, count in stored.by_class.items():
        metrics.CLICKS_STORED.labels(click_class).inc(count)
    for letter in stored.letters:
        metrics.DEAD_LETTERS.labels(letter.reason).inc()
    metrics.CLICKS_REPLAYED.inc(stored.replayed)
    metrics.FLUSH_SECONDS.observe(seconds)
    metrics.FLUSH_ROWS.observe(rows)
    log.info(
        "flushed",
        shard=shard,
        rows=rows,
        by_class=dict(stored.by_class),
        replayed=stored.replayed,
        dead_letters=len(stored.letters),
        seconds=round(seconds, 4),
    )


def report_lag(shard: int, through_ms: int, entries: int | None) -> None:
    """How old the shard's watermark is and, where known, how long its stream."""
    metrics.FLUSH_LAG.labels(shard).set(max(0, wall_clock_ms() - through_ms) / 1000)
    if entries is not None:
        metrics.STREAM_LENGTH.labels(shard).set(entries)
