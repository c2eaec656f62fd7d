"""Markov and Shapley: the published examples, and the closed forms against their definitions on small cases."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import chain, combinations, pairwise
from math import factorial

from hypothesis import given
from hypothesis import strategies as st

from attribution.allocation import allocate
from attribution.models import Journey, distinct_partner
from attribution.reports import Transition, invert, removal_effects, shapley_values

Path = tuple[int, ...]
PATHS = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple)
MANY = st.dictionaries(PATHS, st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=6)


def transitions(paths: dict[Path, tuple[int, int]]) -> list[Transition]:
    """The counted steps of paths, each with how many of it bought and how many did not."""
    counts: Counter[tuple[int | None, int | None, bool | None]] = Counter()
    for path, (bought, lost) in paths.items():
        for before, after in pairwise((None, *path)):
            counts[before, after, None] += bought + lost
        counts[path[-1], None, True] += bought
        counts[path[-1], None, False] += lost
    return [Transition(*key, count) for key, count in counts.items() if count]


def shapley_pairs(paths: dict[Path, int]) -> list[tuple[int, int, int]]:
    return [(partner, len(set(path)), count) for path, count in paths.items() for partner in set(path)]


def test_markov_the_published_probability() -> None:
    """ChannelAttribution's example data has 19,785 conversions and 68,602 journeys without one."""
    removal = removal_effects(
        transitions({(1, 2): (10_000, 60_000), (2, 1, 1): (9_785, 8_000), (3,): (0, 602)})
    )
    assert removal.probability == Fraction(19_785, 19_785 + 68_602)
    assert round(float(removal.probability), 10) == 0.2238451356
    assert removal.conversions == 19_785 and removal.journeys == 88_387


def test_markov_by_hand() -> None:
    """a(4), a>b(6), b(10 lost): without a only b from the start is left, 10/20 of the journeys, of which 6/16 buy."""
    removal = removal_effects(transitions({(1,): (4, 0), (1, 2): (6, 0), (2,): (0, 10)}))
    assert removal.effects == {1: Fraction(5, 8), 2: Fraction(3, 5)}
    assert sum(removal.shares().values()) == 1


def test_markov_of_nothing() -> None:
    assert removal_effects([]).effects == {}
    nobody = removal_effects(transitions({(1, 2): (0, 3)}))
    assert nobody.effects == {1: 0, 2: 0} and nobody.shares() == {1: 0, 2: 0} and nobody.journeys == 3


@given(MANY)
def test_markov_is_what_its_definition_says(paths: dict[Path, tuple[int, int]]) -> None:
    """The probability is conversions by journeys; removing a partner sends all that enters it to the end."""
    steps = transitions(paths)
    removal = removal_effects(steps)
    if not removal.conversions:
        return
    assert removal.probability == Fraction(removal.conversions, removal.journeys) == chance(steps, None)
    for partner, effect in removal.effects.items():
        assert effect == 1 - chance(steps, partner) / removal.probability
        assert 0 <= effect <= 1
    assert sum(removal.shares().values()) == (1 if any(removal.effects.values()) else 0)


def chance(steps: list[Transition], without: int | None) -> Fraction:
    """P(conversion) from the start by solving (I - Q) x = r with fractions, one partner removed."""
    states = sorted({step.before for step in steps if step.before is not None} - {without})
    out: Counter[int | None] = Counter()
    for step in steps:
        out[step.before] += step.times
    rows = [[Fraction(int(one == other)) for other in states] + [Fraction(0)] for one in states]
    start = [Fraction(0)] * len(states)
    for before, after, is_converted, times in steps:
        share = Fraction(times, out[before])
        if before is None and after in states:
            start[states.index(after)] += share
        elif before in states and after in states:
            rows[states.index(before)][states.index(after)] -= share
        elif before in states and is_converted:
            rows[states.index(before)][-1] += share
    for place in range(len(states)):
        rows[place] = [value / rows[place][place] for value in rows[place]]
        for at, row in enumerate(rows):
            if at != place:
                rows[at] = [one - row[place] * two for one, two in zip(row, rows[place], strict=True)]
    return sum((one * row[-1] for one, row in zip(start, rows, strict=True)), Fraction(0))


@given(st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=4, max_size=4))
def test_the_inverse_is_exact(off: list[list[int]]) -> None:
    matrix = [
        [sum(row) + 1 if column == place else -row[column] for column in range(4)]
        for place, row in enumerate(off)
    ]
    adjugate, determinant = invert(matrix)
    product = [
        [sum(row[at] * adjugate[at][column] for at in range(4)) for column in range(4)] for row in matrix
    ]
    assert product == [[determinant * int(row == column) for column in range(4)] for row in range(4)]


def test_shapley_the_published_example() -> None:
    """a(4), a>b(6): a 7, b 3."""
    assert shapley_values(shapley_pairs({(1,): 4, (1, 2): 6})) == {1: 7, 2: 3}


@given(st.dictionaries(PATHS, st.integers(1, 9), min_size=1, max_size=6))
def test_shapley_is_what_its_definition_says(paths: dict[Path, int]) -> None:
    """The closed form equals the sum over all coalitions, with v(S) = conversions whose partners are all in S."""
    closed = shapley_values(shapley_pairs(paths))
    players = sorted(closed)
    for player in players:
        others = [one for one in players if one != player]
        coalitions = chain.from_iterable(combinations(others, size) for size in range(len(players)))
        worth = sum(
            Fraction(factorial(len(some)) * factorial(len(others) - len(some)), factorial(len(players)))
            * (value_of(paths, {*some, player}) - value_of(paths, set(some)))
            for some in coalitions
        )
        assert closed[player] == worth
    assert sum(closed.values()) == sum(paths.values())


def value_of(paths: dict[Path, int], coalition: set[int]) -> int:
    return sum(count for path, count in paths.items() if set(path) <= coalition)


@given(PATHS)
def test_shapley_of_one_journey_is_the_model_distinct_partner(path: Path) -> None:
    worth = shapley_values(shapley_pairs({path: 1}))
    pool = 60  # which 1, 2, 3, 4 and 5 divide
    credit: Counter[int] = Counter()
    for partner, value in zip(
        path, allocate(pool, distinct_partner(Journey([0] * len(path), path))), strict=True
    ):
        credit[partner] += value
    assert {partner: value * pool for partner, value in worth.items()} == credit
