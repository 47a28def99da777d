"""Judges a series run by run: has it become slower?"""

from dataclasses import dataclass
from enum import StrEnum

from synthetics.regression.baseline import Baseline, Earlier, learn
from synthetics.regression.location import LONGEST, Location, Scores
from synthetics.regression.newest import Newest
from synthetics.regression.points import Points
from synthetics.regression.slow import slow_score
from synthetics.regression.unrest import unrest_score

#: Runs before the first judgement.
WARM_UP = 48
#: Points that are remembered.
MOST = 700
#: The newest runs teach the baseline nothing: as many, but no more than one in so many of all.
GUARD, GUARD_SHARE = 80, 3
#: The baseline is learnt anew after so many runs.
EVERY = 24
#: What a score must reach (docs/regression.md tells how often each does by chance).
LEVEL, SHARE, SPREAD, BETTER = 3.6, 3.7, 3.5, 5.0
#: What is over: as many runs in a row below this part of the limit.
CALM, CALM_RUNS = 0.6, 8
#: An improvement is believed after as many runs.
BELIEVED = 8


class Kind(StrEnum):
    """In which way a timing is slower."""

    LEVEL = "level"
    SHARE = "share"
    SPREAD = "spread"


LIMITS = {Kind.LEVEL: "LEVEL", Kind.SHARE: "SHARE", Kind.SPREAD: "SPREAD"}


class Detector:
    def __init__(self) -> None:
        self.points = Points(MOST)
        self.earlier = Earlier()
        self.baseline: Baseline | None = None
        self.since = 0
        self.calm: dict[Kind, int] = {}
        self.trace = None
        self.held = 0

    def update(self, at: float, seconds: float):
        self.points.append(at, seconds)
        self.since += 1
        if self.baseline is None:
            if len(self.points) < WARM_UP:
                return None
            self._learn()
        elif self.since >= EVERY and not self.calm:
            self._learn()
        else:
            self.newest.add(self.points.residuals(self.baseline.level, self.baseline.rhythm, len(self.points) - 1, len(self.points))[0])
        return self._judge()

    def _judge(self):
        count = min(len(self.points), LONGEST)
        b = self.baseline
        scores = self.location.scores(self.newest.clipped[-count:][::-1], [c[-count:][::-1] for c in self.points.places])
        share = slow_score(self.newest.slow[-count:][::-1], b.slow, b.runs)
        spread = unrest_score(self.newest.departures[::-1], b.unrest)
        if scores.down > scores.up and scores.down > STEADY: spread = 0.0
        self.held = self.held + 1 if spread >= SPREAD else 0
        if Kind.SPREAD not in self.calm and self.held < HOLD: spread = min(spread, .99*SPREAD)
        if self.trace is not None:
            self.trace.append((scores.up, scores.down, share, spread, scores.up_window))
        news = False
        for kind, score in ((Kind.LEVEL, scores.up / LEVEL /(1 + FRESH / b.runs)), (Kind.SHARE, share / SHARE/(1 + FRESH / b.runs)), (Kind.SPREAD, spread / SPREAD/(1 + FRESH / b.runs))):
            if kind in self.calm:
                self.calm[kind] = self.calm[kind] + 1 if score < CALM else 0
                if self.calm[kind] >= CALM_RUNS:
                    del self.calm[kind]
            elif score >= 1:
                self.calm[kind] = 0
                news = True
        if not self.calm and scores.down >= BETTER and scores.down_window >= BELIEVED:
            self._better(scores.down_window)
        return news

    def _learn(self) -> None:
        count = len(self.points)
        self.baseline = learn(self.points, count - min(GUARD, count // GUARD_SHARE), self.earlier, self.baseline.rhythm if self.baseline else (0.0,)*4)
        self._hold()

    def _hold(self):
        b = self.baseline
        self.location = Location(b)
        self.since = 0
        self.newest = Newest(b.noise.whole)
        n = len(self.points)
        for r in self.points.residuals(b.level, b.rhythm, max(0, n - LONGEST - 5), n):
            self.newest.add(r)

    def _better(self, window):
        from dataclasses import replace
        old = self.baseline
        count = len(self.points) - window
        from synthetics.regression.noise import clip
        residuals = self.points.residuals(old.level, old.rhythm, 0, count)
        drawn = [v - r + c - old.level for v, r, c in zip(self.points.logs, residuals, clip(residuals, old.noise.whole))]
        self.earlier.take([c[:count] for c in self.points.places], drawn, MOST)
        self.points.forget(count)
        b = learn(self.points, window, self.earlier, old.rhythm)
        self.earlier.noise = old.noise
        self.earlier.slow = old.slow; self.earlier.seen = old.runs
        self.baseline = replace(b, noise=old.noise, unrest=replace(b.unrest, mean=old.unrest.mean, deviation=old.unrest.deviation))
        self._hold()

STEADY = 2.0
FRESH = 6.0
HOLD = 6
