"""Observations added together are what they would have been one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from schema.metrics import Observed

values = st.lists(
    st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.integers(0, 300).map(lambda hundredth: hundredth / 100))
)


@given(values, values)
def test_exported_is_observed(first: list[float], second: list[float]) -> None:
    """Bounds included, over two exports."""
    one_by_one, together = (
        Histogram("seconds", "", buckets=(0.5, 1, 2), registry=CollectorRegistry()) for _ in range(2)
    )
    observed = Observed(together)
    for values in (first, second):
        for value in values:
            one_by_one.observe(value)
            observed.add(value)
        observed.export()
    seen = [{sample.name + str(sample.labels): sample.value for sample in histogram.collect()[0].samples
             if not sample.name.endswith("_created")} for histogram in (one_by_one, together)]  # fmt: skip
    for name, value in seen[0].items():
        assert abs(seen[1][name] - value) < 1e-9
