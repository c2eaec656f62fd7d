"""The name, type and meaning of every Prometheus metric. Rooms import the objects and count; nobody names twice.

With several door processes prometheus-client's multiprocess directory is used (`PROMETHEUS_MULTIPROC_DIR`, set by
the supervisor before Python starts a room).
"""

from __future__ import annotations

from bisect import bisect_left

from prometheus_client import Counter, Gauge, Histogram

REDIRECTS = Counter("clickledger_redirects_total", "Answers to visitors, by outcome.", ["outcome"])

REDIRECT_SECONDS = Histogram(
    "clickledger_redirect_seconds",
    "From request to answer, the click's acknowledgement included.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0),
)
CLICKS_CAPTURED = Counter("clickledger_clicks_captured_total", "Clicks made durable, by path.", ["path"])
CLICKS_REFUSED = Counter(
    "clickledger_clicks_refused_total", "Clicks that could not be kept and were answered 503."
)
BLOCK_CLICKS = Histogram(
    "clickledger_block_clicks",
    "Clicks in one appended block.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000),
)
CAPTURE_SECONDS = Histogram(
    "clickledger_capture_seconds",
    "From append to acknowledgement of a block.",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1),
)
LINK_CACHE = Counter(
    "clickledger_link_cache_total", "Look-ups in the door's link cache, by result.", ["result"]
)
LINK_CACHE_SIZE = Gauge(
    "clickledger_link_cache_links", "Links in a door's cache.", multiprocess_mode="livesum"
)
SPOOL_BYTES = Gauge("clickledger_spool_bytes", "Bytes waiting in the spool.", multiprocess_mode="livemax")
SPOOL_CLICKS = Counter(
    "clickledger_spool_clicks_total", "Clicks that went through the spool, by step.", ["step"]
)
STREAM_LENGTH = Gauge(
    "clickledger_stream_entries", "Entries in a click stream.", ["shard"], multiprocess_mode="mostrecent"
)
FLUSH_LAG = Gauge(
    "clickledger_flush_lag_seconds", "Age of a shard's watermark.", ["shard"], multiprocess_mode="mostrecent"
)
CLICKS_STORED = Counter(
    "clickledger_clicks_stored_total", "Clicks committed to PostgreSQL, by class.", ["click_class"]
)
CLICKS_REPLAYED = Counter(
    "clickledger_clicks_replayed_total", "Clicks that were stored already and left alone."
)
FLUSH_SECONDS = Histogram(
    "clickledger_flush_seconds",
    "One flush, from first row to acknowledgement.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30),
)
FLUSH_ROWS = Histogram(
    "clickledger_flush_rows", "Clicks in one flush.", buckets=(1, 10, 100, 1000, 5000, 20000, 100000)
)
FOLD_SECONDS = Histogram(
    "clickledger_fold_seconds",
    "Taking into the rollups what has gathered.",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30),
)
DELTAS_FOLDED = Counter(
    "clickledger_deltas_folded_total", "Clicks and conversions taken into the rollups, by kind.", ["kind"]
)
DEAD_LETTERS = Counter("clickledger_dead_letters_total", "Events set aside, by reason.", ["reason"])
CONVERSION_REQUESTS = Counter(
    "clickledger_conversion_requests_total",
    "Answers of the conversion endpoints, by endpoint and status.",
    ["endpoint", "status"],
)
PIXEL_FAULTS = Counter(
    "clickledger_pixel_faults_total", "Pixels that reported nothing we could take, by reason.", ["reason"]
)
REPORTS_CAPTURED = Counter(
    "clickledger_reports_captured_total",
    "Conversions, refunds and leads made durable, by path.",
    ["path"],
)
REPORTS_REFUSED = Counter(
    "clickledger_reports_refused_total", "Reports that could not be kept and were answered 503."
)
REPORT_CAPTURE_SECONDS = Histogram(
    "clickledger_report_capture_seconds",
    "From append to acknowledgement of a block of reports.",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1),
)
BLOCK_REPORTS = Histogram(
    "clickledger_block_reports", "Reports in one appended block.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 200)
)
REPORT_SPOOL_BYTES = Gauge(
    "clickledger_report_spool_bytes",
    "Bytes of reports waiting in the spool.",
    multiprocess_mode="livemax",
)
SPOOL_REPORTS = Counter(
    "clickledger_spool_reports_total", "Reports that went through the spool, by step.", ["step"]
)
REPORT_STREAM_LENGTH = Gauge(
    "clickledger_report_stream_entries",
    "Entries in a conversion stream.",
    ["shard"],
    multiprocess_mode="mostrecent",
)
REPORTS_STORED = Counter(
    "clickledger_reports_stored_total",
    "Reports committed to PostgreSQL, by kind and outcome.",
    ["kind", "outcome"],
)
OUTCOMES_AWAITED = Gauge(
    "clickledger_outcomes_awaited",
    "Requests waiting for the outcome of a conversion.",
    multiprocess_mode="livesum",
)
PUBLISHED = Counter("clickledger_published_total", "Changes brought to Redis, by topic.", ["topic"])
PUBLISHER_LAG = Gauge(
    "clickledger_publisher_lag_seconds",
    "Age of the oldest change not yet in Redis.",
    multiprocess_mode="mostrecent",
)
PARTITIONS_AHEAD = Gauge(
    "clickledger_partitions_ahead",
    "Months of click partitions made in advance.",
    multiprocess_mode="mostrecent",
)
CONVERSIONS = Counter(
    "clickledger_conversions_total", "Conversions decided, by outcome; again counts anew.", ["outcome"]
)
TOUCHES_WRITTEN = Counter("clickledger_touches_written_total", "Touches written, all models.")
ATTRIBUTE_SECONDS = Histogram(
    "clickledger_attribute_seconds",
    "One batch of conversions, from claim to commit.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30),
)
ATTRIBUTOR_BACKLOG = Gauge(
    "clickledger_attributor_backlog",
    "Conversions that wait to be attributed, or to be attributed again.",
    ["kind"],
    multiprocess_mode="mostrecent",
)
RESTARTS = Counter(
    "clickledger_restarts_total", "Processes the supervisor started again, by process.", ["name"]
)


class Observed:
    """Observations of a histogram, kept as plain numbers until `export`: one costs 0.2 us instead of 2.

    prometheus-client has no public way to add many at once; a test holds its attributes to their meaning.
    """

    __slots__ = ("_bounds", "_counts", "_histogram", "_sum")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._bounds = list(histogram._upper_bounds)
        self._empty()

    def _empty(self) -> None:
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """One observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def export(self) -> None:
        """Bring the histogram up to date and start again from nothing."""
        for bucket, count in zip(self._histogram._buckets, self._counts, strict=True):
            if count:
                bucket.inc(count)
        self._histogram._sum.inc(self._sum)
        self._empty()
