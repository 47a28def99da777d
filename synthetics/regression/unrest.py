"""Do runs differ more from those just before them than they used to?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt

WINDOWS = (24, 32, 40, 48, 64, 80, 96, 112, 128)
#: A run is held against the median of so many before it: a spike of a few runs leaves it alone.
BEFORE = 21
#: Departures count so far, in scales.
MOST = 3.0
#: A run that is slow by itself tells nothing here; stragglers are the affair of the share of slow runs.
FAR = 3.3
_NOTHING = 1.0
#: The mean of a timing that hardly varies.
_LEAST = 0.1
#: What is believed of the deviation before anything was seen, and how many runs that counts.
_TYPICAL, _WEIGHT = 1.35, 60.0
#: Departures this near to one another are linked.
_LINKED = (1, 2)
#: Fewer departures than this are no baseline.
FEWEST = 24


@dataclass(frozen=True, slots=True)
class Unrest:
    """Mean and deviation of squared departures, and how many were seen."""

    mean: float
    deviation: float
    runs: int


def departure(residual: float, before: Sequence[float], scale: float) -> float:
    """How far a residual lies from the median of those before it, in scales: squared, as far as it counts."""
    value = (residual - sorted(before)[BEFORE // 2]) / scale
    if value > FAR:
        return _NOTHING
    return min(MOST * MOST, value * value)


def unrest_of(residuals: Sequence[float], scale: float) -> Unrest:
    """Of the runs of one level, oldest first."""
    steps = [departure(value, residuals[i : i + BEFORE], scale) for i, value in enumerate(residuals[BEFORE:])]
    if len(steps) < FEWEST:
        return Unrest(_NOTHING, _TYPICAL, 0)
    mean = max(_LEAST, sum(steps) / len(steps))
    apart = [step - mean for step in steps]
    own = sum(value * value for value in apart) + _WEIGHT * _TYPICAL**2
    linked = sum(a * b for lag in _LINKED for a, b in zip(apart, apart[lag:], strict=False))
    return Unrest(mean, sqrt(max(0.8 * own, own + 2 * linked) / (len(steps) + _WEIGHT)), len(steps))


def spread_score(newest: Sequence[float], usual: Unrest) -> float:
    """How many standard errors the departures of the newest runs (newest first) lie above the usual.

    The highest over windows; 0 if there is no usual yet. Compared as square roots, whose errors are alike
    whatever the mean (a chi square's, after R. A. Fisher).
    """
    if not usual.runs:
        return 0.0
    sums = list(accumulate(newest))
    scores = [
        (sqrt(sums[window - 1] / window / usual.mean) - 1) / sqrt(1 / window + 1 / usual.runs)
        for window in WINDOWS
        if window <= len(sums)
    ]
    return max(0.0, *scores, 0.0) * 2 * usual.mean / usual.deviation
