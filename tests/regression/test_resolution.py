"""A timing that is watched more coarsely or more finely: neither is slower."""

import random

from synthetics.regression.detector import Kind
from synthetics.regression.resolution import Watch
from tests.regression.series import Point, from_run, series


def told(points: list[Point], *, coarse: float, first: int, last: int, seed: int = 1) -> list[tuple[int, Kind]]:
    """The runs with which something opened, if from `first` to `last` one looked every `coarse` seconds."""
    draw, watch, opened = random.Random(seed), Watch(), []
    for run, (at, seconds) in enumerate(points):
        resolution = coarse if first <= run < last else 0.05
        judgement = watch.update(at, seconds + draw.uniform(0, resolution), resolution)
        opened += [(run, kind) for kind in (judgement.opened if judgement else ())]
        watch = Watch.restored(watch.state())
    return opened


def test_watched_more_coarsely_it_is_not_slower() -> None:
    for seed in range(4):
        assert told(series(420, seed=200 + seed), coarse=20.0, first=250, last=420, seed=seed) == []


def test_watched_more_finely_it_is_not_slower_or_quicker() -> None:
    assert told(series(420, seed=205), coarse=20.0, first=0, last=250) == []


def test_a_step_is_still_told_while_it_is_watched_coarsely() -> None:
    (first, *_) = told(series(420, seed=206, change=from_run(350, 1.6)), coarse=12.0, first=200, last=420)
    assert first[1] is Kind.LEVEL
    assert 350 <= first[0] < 362


def test_without_the_resolution_it_would_have_been_told() -> None:
    watch, draw, opened = Watch(), random.Random(1), []
    for run, (at, seconds) in enumerate(series(420, seed=200)):
        judgement = watch.update(at, seconds + (draw.uniform(0, 20.0) if run >= 250 else 0.0), 0.0)
        opened += judgement.opened if judgement else ()
    assert Kind.LEVEL in opened


def test_slower_and_coarser_at_once_stays_slower() -> None:
    watch, draw = Watch(), random.Random(2)
    for run, (at, seconds) in enumerate(series(320, seed=207, change=from_run(300, 2.0))):
        resolution = 30.0 if run >= 305 else 0.05
        watch.update(at, seconds + draw.uniform(0, resolution), resolution)
    assert Kind.LEVEL in watch.detector.slower
