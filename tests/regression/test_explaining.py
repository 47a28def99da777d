"""Since when, and in which phase."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetics.regression.attribution import shares_of
from synthetics.regression.onset import onset_of
from tests.regression.series import from_run, series


def seconds(count: int, seed: int, first: int, factor: float, level: float = 40.0) -> list[float]:
    return [s for _, s in series(count, seed=seed, change=from_run(first, factor), level=level)]


@pytest.mark.parametrize("seed", range(5))
def test_the_onset_of_a_step_lies_in_its_interval(seed: int) -> None:
    onset = onset_of([seconds(220, seed, 200, 1.4)])
    assert onset.first <= 200 <= onset.last
    assert abs(onset.index - 200) <= 2
    assert onset.last - onset.first <= 10


def test_the_phase_that_changed_tells_the_onset_sharper_than_the_whole() -> None:
    pull = seconds(220, 1, 200, 1.5, level=10.0)
    boot = seconds(220, 2, 0, 1.0, level=40.0)
    whole = [a + b for a, b in zip(pull, boot, strict=True)]
    assert onset_of([whole, pull, boot]).sharpness > onset_of([whole]).sharpness
    assert abs(onset_of([whole, pull, boot]).index - 200) <= 1


def test_an_onset_needs_runs() -> None:
    with pytest.raises(ValueError, match="at least 14 runs, not 5"):
        onset_of([[1.0] * 5])


def test_the_phase_that_changed_carries_the_change() -> None:
    draw = random.Random(1)
    before = {phase: [draw.gauss(10, 0.5) for _ in range(100)] for phase in ("pull", "boot", "health")}
    after = {phase: [draw.gauss(10, 0.5) for _ in range(12)] for phase in before}
    after["pull"] = [value + 4 for value in after["pull"]]
    after["health"] = [value - 4 for value in after["health"]]
    assert shares_of(before, after) == {"pull": 1.0, "boot": 0.0, "health": 0.0}


def test_two_phases_share_the_change() -> None:
    draw = random.Random(2)
    before = {phase: [draw.gauss(10, 0.3) for _ in range(100)] for phase in ("pull", "boot")}
    after = {
        "pull": [draw.gauss(13, 0.3) for _ in range(30)],
        "boot": [draw.gauss(11, 0.3) for _ in range(30)],
    }
    shares = shares_of(before, after)
    assert shares["pull"] == pytest.approx(0.75, abs=0.05)
    assert sum(shares.values()) == pytest.approx(1.0)


VALUES = st.lists(st.floats(0, 1000), min_size=2, max_size=20)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.tuples(VALUES, VALUES), min_size=1))
def test_shares_add_up_to_one_or_there_are_none(phases: dict[str, tuple[list[float], list[float]]]) -> None:
    shares = shares_of(
        {phase: before for phase, (before, _) in phases.items()},
        {phase: after for phase, (_, after) in phases.items()},
    )
    assert all(0 <= share <= 1 + 1e-9 for share in shares.values())
    assert sum(shares.values()) == pytest.approx(1.0) or not any(shares.values())
