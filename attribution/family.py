"""A conversion with the refunds posted against it: what every touch holds, and what the next refund takes. Pure.

`adjustments` loads families and writes what `step` returns. A family's first member is the conversion; each further
one is an adjustment with touches of its own, whose values are the differences the refund made, model by model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from attribution.models import shares
from attribution.pricing import Credit, credits_of
from attribution.refunds import deltas, remaining
from attribution.touch_rows import Split, Touch


class Family(NamedTuple):
    """The conversion's frozen split, and what its touches hold now under each model."""

    value: int
    commission: int
    is_kept: bool
    """A flat commission that partial refunds leave alone."""
    model: str
    touches: Sequence[Touch]
    weights: Mapping[str, Sequence[int]]
    split_by: Mapping[str, Sequence[int]]
    held: Mapping[str, Sequence[int]]


class Step(NamedTuple):
    """One adjustment: its commission, touches and credits; and the family after it."""

    amount: int
    splits: Sequence[Split]
    credits: Sequence[Credit]
    family: Family


def step(family: Family, refunded: int, *, is_full: bool) -> Step:
    """Bring the family to where so much of the value is refunded."""
    left = remaining(family.commission, family.value, refunded, is_full=is_full, is_kept=family.is_kept)
    posted = {name: deltas(family.held[name], left, family.split_by[name]) for name in family.weights}
    held = {
        name: [now + change for now, change in zip(family.held[name], posted[name], strict=True)]
        for name in posted
    }
    paying = posted.get(family.model, [])
    splits = [Split(name, shares(family.weights[name]), values) for name, values in posted.items()]
    return Step(
        sum(paying),
        splits,
        credits_of(family.touches, family.weights.get(family.model, []), paying),
        family._replace(held=held),
    )
