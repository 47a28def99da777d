"""Do runs differ more from those just before them than they used to?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt

WINDOWS = (24, 32, 40, 48, 64, 80, 96, 112, 128)
#: A run is held against the median of so many before it.
BEFORE = 13
#: Departures count so far, in scales: stragglers are the affair of the share of slow runs.
UP, DOWN = 3.0, 3.0
#: A run that is slow by itself tells nothing here.
FAR = 3.3
#: What is believed of the deviation before anything was seen, and how many runs that counts.
TYPICAL, WEIGHT = 1.35, 60.0


@dataclass(frozen=True, slots=True)
class Unrest:
    """Mean and deviation of squared departures, and how many were seen."""

    mean: float
    deviation: float
    runs: int


def departure(residual: float, before: Sequence[float], scale: float) -> float:
    """How far a residual lies from the median of the five before it, in scales: clipped and squared."""
    value = (residual - sorted(before)[BEFORE // 2]) / scale
    if value > FAR:
        return 1.0
    value = UP if value > UP else -DOWN if value < -DOWN else value
    return value * value


def unrest_of(residuals: Sequence[float], scale: float) -> Unrest:
    """Of the runs of one level, oldest first."""
    steps = [departure(value, residuals[i : i + BEFORE], scale) for i, value in enumerate(residuals[BEFORE:])]
    if not steps:
        return Unrest(1.0, TYPICAL, 0)
    mean = sum(steps) / len(steps)
    squares = sum((step - mean) ** 2 for step in steps) + WEIGHT * TYPICAL**2
    near = sum((a - mean) * (b - mean) for a, b in zip(steps, steps[1:])) + sum((a - mean) * (b - mean) for a, b in zip(steps, steps[2:]))
    squares = max(.8*squares, squares+ LINKED * 2 * near)
    return Unrest(mean, sqrt(squares / (len(steps) + WEIGHT)), len(steps))


def unrest_score(newest: Sequence[float], unrest: Unrest) -> float:
    """How many standard errors the mean departure of the newest (newest first) lies above the usual; most of all windows."""
    if not unrest.runs:
        return 0.0
    sums = list(accumulate(newest))
    scores = [
        2 * (sqrt(sums[window - 1] / window / unrest.mean) - 1) * unrest.mean / sqrt(1 / window + 1 / unrest.runs) for window in WINDOWS if window <= len(sums)
    ]
    return max(scores, default=0.0) / unrest.deviation

LINKED=1.0
