"""Two sets of values held against each other: what chance brings, what it does not, and in which phase."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetics.regression.comparing import (
    FALSE_ALARMS,
    Compared,
    TimingOf,
    compare,
    least_odds,
    rank_odds,
)


@dataclass(frozen=True)
class Took:
    seconds: float
    phases: dict[str, float] = field(default_factory=dict)


def starts(count: int, seed: float, *, pull: float = 1.0) -> list[Took]:
    """Cold starts of a pull and a boot, noisy, the pull this many times as long."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        phases = {"pull": draw.lognormvariate(0, 0.1) * pull, "boot": draw.lognormvariate(0, 0.1)}
        found.append(Took(sum(phases.values()), phases))
    return found


def counted(before: Sequence[float], after: Sequence[float]) -> float:
    """The same odds by counting every choice."""
    values = [*before, *after]
    ranks = [
        sum(other < value for other in values) + sum(other <= value for other in values) for value in values
    ]
    reached = sum(ranks[len(before) :])
    choices = list(combinations(ranks, len(after)))
    return sum(sum(choice) >= reached for choice in choices) / len(choices)


FEW = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=6)


@given(FEW, FEW)
def test_the_odds_are_those_of_counting(before: list[float], after: list[float]) -> None:
    assert rank_odds(before, after) == pytest.approx(counted(before, after))


def test_a_slower_pull_is_found_after_five_runs_and_named() -> None:
    found = compare(starts(20, 1), starts(5, 2, pull=1.8), among=10)

    assert found.slower
    assert found.shares == {"pull": 1.0, "boot": 0.0}
    told = Compared(TimingOf("cold_start", "cold_start", ""), found).sentence
    assert told.startswith("cold_start of cold-start took 2.0")
    assert told.endswith("longer, 100% of it in pull")


def test_chance_alone_is_called_slower_in_one_of_a_hundred_at_most() -> None:
    draw = random.Random(5)
    trials = 2_000
    called = sum(compare(starts(20, draw.random()), starts(6, draw.random())).slower for _ in range(trials))
    assert called / trials < FALSE_ALARMS * 1.5


def test_what_became_quicker_or_is_hardly_longer_is_not_slower() -> None:
    assert not compare(starts(30, 1), starts(10, 2, pull=0.5)).slower
    exact = [Took(1 + i / 1e6) for i in range(30)]
    hardly = compare(exact, [Took(1.04 + i / 1e6) for i in range(10)])
    assert hardly.odds < 1e-6
    assert not hardly.slower


def test_too_few_values_say_so_and_more_would_do() -> None:
    assert not compare(starts(3, 1), starts(2, 2, pull=9.0)).can_tell
    assert not compare(starts(3, 1), starts(2, 2, pull=9.0)).slower
    assert least_odds(20, 5) < FALSE_ALARMS / 100
