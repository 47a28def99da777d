"""The detector on made-up series: what it tells, when, and what it keeps to itself."""

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from synthetics.regression.detector import METHOD, WARM_UP, Detector, Judgement, Kind, Snapshot
from tests.regression.series import EVERY, Point, from_run, no_change, series

SNAPSHOT = TypeAdapter(Snapshot)


def told(points: Sequence[Point], detector: Detector | None = None) -> list[tuple[int, Kind]]:
    """The runs with which something opened."""
    detector = detector or Detector()
    judged = [detector.update(at, seconds) for at, seconds in points]
    return [(run, kind) for run, judgement in enumerate(judged) if judgement for kind in judgement.opened]


def test_it_learns_before_it_judges() -> None:
    detector = Detector()
    judged = [detector.update(at, seconds) for at, seconds in series(WARM_UP, seed=1)]
    assert judged[:-1] == [None] * (WARM_UP - 1)
    assert judged[-1] == Judgement()
    assert detector.level == pytest.approx(40.0, rel=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_told_where_nothing_happens(seed: int) -> None:
    assert told(series(400, seed=100 + seed)) == []


@pytest.mark.parametrize(("factor", "within"), [(1.2, 16), (1.5, 6), (3.0, 5)])
@pytest.mark.parametrize("seed", range(3))
def test_a_step_is_told_soon_and_once(factor: float, within: int, seed: int) -> None:
    tellings = told(series(330, seed=seed, change=from_run(300, factor)))
    assert [kind for _, kind in tellings][:1] == [Kind.LEVEL]
    assert 300 <= tellings[0][0] < 300 + within
    assert [kind for _, kind in tellings].count(Kind.LEVEL) == 1


def test_a_slow_drift_is_told_though_no_step_of_it_could_be_seen() -> None:
    def drift(run: int, seconds: float) -> float:
        return seconds * math.exp(0.22 * min(1.0, max(0.0, (run - 300) / 300)))

    tellings = told(series(620, seed=8, change=drift))
    assert tellings
    assert tellings[0][1] == Kind.LEVEL
    assert 300 < tellings[0][0] < 520


def test_a_share_of_slow_runs_is_told_while_the_middle_stands() -> None:
    draw = random.Random(5)
    slow = {run for run in range(300, 460) if draw.random() < 0.15}
    tellings = told(series(460, seed=5, change=lambda run, s: s * 1.8 if run in slow else s))
    assert Kind.SHARE in [kind for _, kind in tellings]
    assert all(run >= 300 for run, _ in tellings)


def test_more_spread_is_told_while_the_middle_stands() -> None:
    draw = random.Random(6)
    wide = {run: draw.gauss(0, 0.13) for run in range(300, 460)}
    tellings = told(series(460, seed=6, change=lambda run, s: s * math.exp(wide.get(run, 0.0))))
    assert Kind.SPREAD in [kind for _, kind in tellings]


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_spike_is_not_told(length: int, seed: int) -> None:
    spike = range(300, 300 + length)
    assert told(series(330, seed=seed, change=lambda run, s: s * 3 if run in spike else s)) == []


def test_an_improvement_is_not_told_but_the_way_back_is() -> None:
    detector = Detector()
    points = series(460, seed=2, change=lambda run, s: s * 0.8 if 300 <= run < 430 else s)
    judged = [detector.update(at, seconds) for at, seconds in points]
    improved = [run for run, judgement in enumerate(judged) if judgement and judgement.improved]
    assert improved[0] in range(307, 330)
    opened = [run for run, judgement in enumerate(judged) if judgement and judgement.opened]
    assert opened[0] in range(430, 445)


def test_what_is_over_is_told_as_closed() -> None:
    detector = Detector()
    points = series(480, seed=3, change=lambda run, s: s * 1.3 if 300 <= run < 340 else s)
    judged = [detector.update(at, seconds) for at, seconds in points]
    closed = [run for run, judgement in enumerate(judged) if judgement and Kind.LEVEL in judgement.closed]
    assert len(closed) == 1
    assert 340 < closed[0] < 400
    assert not detector.slower


def test_gaps_between_runs_change_nothing() -> None:
    points = series(400, seed=4)
    assert told([point for run, point in enumerate(points) if not 200 <= run < 260 and run % 7]) == []


def test_a_new_normal_is_the_level_from_then_on() -> None:
    points = series(500, seed=9, change=from_run(300, 1.4))
    detector = Detector()
    for at, seconds in points[:330]:
        detector.update(at, seconds)
    assert Kind.LEVEL in detector.slower
    detector.relevel(points[300][0])
    assert not detector.slower
    assert detector.level == pytest.approx(56.0, rel=0.05)
    assert told(points[330:], detector) == []
    assert told([(at + 500 * EVERY, s * 1.4) for at, s in points[300:320]], detector)


def test_a_new_normal_without_runs_is_learnt_from_the_next_few() -> None:
    points = series(340, seed=10, change=from_run(300, 0.5))
    detector = Detector()
    for at, seconds in points[:300]:
        detector.update(at, seconds)
    detector.relevel(points[300][0])
    assert detector.level is None
    judged = [detector.update(at, seconds) for at, seconds in points[300:]]
    assert judged[0] is None
    assert judged[-1] is not None
    assert detector.level == pytest.approx(20.0, rel=0.06)


def test_a_constant_timing_is_judged_by_its_resolution() -> None:
    steady = [(run * EVERY, 1.0) for run in range(200)]
    assert told(steady) == []
    assert told([*steady, *((run * EVERY, 1.2) for run in range(200, 210))])


CHANGES: dict[str, Callable[[int, float], float]] = {
    "nothing": no_change,
    "slower": from_run(120, 1.3),
    "quicker": from_run(120, 0.75),
}


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    change=st.sampled_from(sorted(CHANGES)),
    stops=st.lists(st.integers(0, 239), max_size=4),
)
def test_a_restart_changes_neither_judgements_nor_state(seed: int, change: str, stops: list[int]) -> None:
    points = series(240, seed=seed, change=CHANGES[change])
    running, restarted = Detector(), Detector()
    for run, (at, seconds) in enumerate(points):
        if run in stops:
            stored = SNAPSHOT.dump_json(restarted.snapshot())
            restarted = Detector.restored(SNAPSHOT.validate_json(stored))
        assert restarted.update(at, seconds) == running.update(at, seconds)
    assert SNAPSHOT.dump_json(restarted.snapshot()) == SNAPSHOT.dump_json(running.snapshot())


def test_a_snapshot_of_another_method_is_refused() -> None:
    stored = SNAPSHOT.dump_python(Detector().snapshot()) | {"method": METHOD + 1}
    with pytest.raises(ValueError, match=f"method {METHOD + 1}, this is method {METHOD}"):
        Detector.restored(SNAPSHOT.validate_python(stored))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=WARM_UP, max_size=WARM_UP + 40))
def test_whatever_is_measured_can_be_judged(values: list[float]) -> None:
    detector = Detector()
    for run, seconds in enumerate(values):
        detector.update(run * EVERY, seconds)
    assert detector.level is not None
