"""Do runs differ more from those just before them than they used to?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt

WINDOWS = (24, 32, 40, 48, 64, 80, 96, 112, 128)
#: A run is held against the median of so many before it.
BEFORE = 5
#: Departures count so far, in scales: stragglers are the affair of the share of slow runs.
UP, DOWN = 2.0, 3.0


@dataclass(frozen=True, slots=True)
class Unrest:
    """Mean and deviation of squared departures."""

    mean: float
    deviation: float


def departure(residual: float, before: Sequence[float], scale: float) -> float:
    """How far a residual lies from the median of the five before it, in scales: clipped and squared."""
    value = (residual - sorted(before)[BEFORE // 2]) / scale
    value = UP if value > UP else -DOWN if value < -DOWN else value
    return value * value


def unrest_of(residuals: Sequence[float], scale: float) -> Unrest:
    """Of the runs of one level, oldest first."""
    steps = [departure(value, residuals[i : i + BEFORE], scale) for i, value in enumerate(residuals[BEFORE:])]
    mean = sum(steps) / len(steps)
    return Unrest(mean, sqrt(sum((step - mean) ** 2 for step in steps) / len(steps)) or 1.0)


def unrest_score(newest: Sequence[float], unrest: Unrest, runs: int) -> float:
    """How many standard errors the mean departure of the newest (newest first) lies above the usual; most of all windows."""
    sums = list(accumulate(newest))
    scores = [
        (sums[window - 1] / window - unrest.mean) / sqrt(1 / window + 1 / runs) for window in WINDOWS if window <= len(sums)
    ]
    return max(scores, default=0.0) / unrest.deviation
