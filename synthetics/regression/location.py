"""Is the middle of the newest runs higher than the level?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf, log, sqrt

from synthetics.regression.baseline import Baseline
from synthetics.regression.noise import Noise

#: How far back it is looked, in runs.
WINDOWS = (4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128)
LONGEST = WINDOWS[-1]
#: Nobody wants to be told of less (log seconds).
_FLOOR = 0.005
#: A burst of slow runs is not a level: without its worst three neighbours a window must still score as much,
#: but for an allowance that is larger for short windows, of which they are most.
_BURST, _ALLOWANCE, _SHORT = 3, 0.7, 2.4
#: Long windows need a little less, short ones a little more: of short ones there are more that chance can fill.
_LEAN = tuple(0.1 * log(window / 16) for window in WINDOWS)
#: Over how many runs a recovery is looked for, and what it must reach in standard errors.
_BACK_WINDOWS = (8, 12, 16, 24, 32, 48, 64)
_BACK = 3.0
#: How high a rise is plain to see, in scales of a single run.
_PLAIN = 2.0


@dataclass(frozen=True, slots=True)
class Scores:
    """How far the middle lies above and below the level, in standard errors, and over how many runs."""

    up: float
    up_window: int
    down: float
    down_window: int


class Location:
    """Holds the newest runs against one baseline."""

    __slots__ = ("_covariance", "_full", "_rest")

    def __init__(self, baseline: Baseline) -> None:
        noise = baseline.noise
        self._covariance = baseline.covariance
        self._full = [noise.mean_variance(window) + _FLOOR**2 for window in WINDOWS]
        self._rest = [noise.mean_variance(window - _BURST) + _FLOOR**2 for window in WINDOWS]

    def scores(self, newest: Sequence[float], places: Sequence[Sequence[float]]) -> Scores:
        """Of clipped residuals and their places in the day, newest first."""
        sums = list(accumulate(newest))
        spots = [list(accumulate(column)) for column in places]
        triples = [a + b + c for a, b, c in zip(newest, newest[1:], newest[2:], strict=False)]
        highest, lowest = list(accumulate(triples, max)), list(accumulate(triples, min))
        up = down = -inf
        up_window = down_window = 0
        for k, window in enumerate(WINDOWS):
            if window > len(sums):
                break
            i = window - 1
            unsure = self._unsure([column[i] / window for column in spots])
            full, rest = sqrt(self._full[k] + unsure), sqrt(self._rest[k] + unsure) * (window - _BURST)
            allowance = _ALLOWANCE + _SHORT / window
            score = sums[i] / window / full
            if score > 0:
                score = min(score, (sums[i] - highest[i - 2]) / rest + allowance) + _LEAN[k]
                if score > up:
                    up, up_window = score, window
            else:
                score = min(-score, (lowest[i - 2] - sums[i]) / rest + allowance)
                if score > down:
                    down, down_window = score, window
        return Scores(up, up_window, down, down_window)

    def _unsure(self, place: list[float]) -> float:
        """The variance of level and rhythm together at a mean place in the day."""
        (v0, v1, v2, v3, v4), (_, a1, a2, a3, a4), (*_, b2, b3, b4), (*_, c3, c4), (*_, d4) = self._covariance
        p, q, r, s = place
        return (
            v0
            + p * (2 * v1 + p * a1 + 2 * (q * a2 + r * a3 + s * a4))
            + q * (2 * v2 + q * b2 + 2 * (r * b3 + s * b4))
            + r * (2 * v3 + r * c3 + 2 * s * c4)
            + s * (2 * v4 + s * d4)
        )


def recovered(newest: Sequence[float], noise: Noise) -> int:
    """How many of the newest of the runs since a series became slower (oldest first) came back; 0 if none did.

    They did if their middle lies surely below that of the runs before them, and nearer to the level of old.
    Only of a rise that is plain to see: a small one may be wandering, and would be found again and again.
    """
    for window in _BACK_WINDOWS:
        before = len(newest) - window
        if before < _BACK_WINDOWS[0] // 2:
            return 0
        slow, now = sum(newest[:before]) / before, sum(newest[before:]) / window
        error = sqrt(noise.mean_variance(before) + noise.mean_variance(window))
        if slow > _PLAIN * noise.whole and now < slow / 2 and slow - now > _BACK * error:
            return window
    return 0
