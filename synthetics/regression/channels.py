"""What is looked at: is the middle higher, are more runs slow, do runs differ more from one another."""

from collections.abc import Sequence
from itertools import accumulate
from math import log, sqrt

from synthetics.regression.baseline import FLOOR, Baseline

#: How far back it is looked, in runs.
WINDOWS = (4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128)
LONGEST = WINDOWS[-1]
TAIL_WINDOWS = (10, 14, 20, 28, 40, 56, 80, 112, 128)
SPREAD_WINDOWS = (24, 32, 48, 64, 96, 128)


class Location:
    """The mean of the newest runs against the level, in standard errors, over every window."""

    __slots__ = ("_baseline", "_rest", "_variances")

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._variances = [baseline.noise.mean_variance(window) + FLOOR**2 for window in WINDOWS]
        self._rest = [baseline.noise.mean_variance(max(1, window - 3)) + FLOOR**2 for window in WINDOWS]

    def scores(self, newest: Sequence[float], places: Sequence[Sequence[float]], allowance: float):
        """The highest upwards and downwards, each with its window."""
        n = len(newest)
        sums = list(accumulate(newest))
        spots = [list(accumulate(column)) for column in places]
        triples = [a + b + c for a, b, c in zip(newest, newest[1:], newest[2:], strict=False)]
        worst = list(accumulate(triples, max))
        best = list(accumulate(triples, min))
        (v0, v1, v2, v3, v4), (_, a1, a2, a3, a4), (_, _, b2, b3, b4), (_, _, _, c3, c4), (*_, d4) = self._baseline.covariance
        s1, s2, s3, s4 = spots
        up = down = -9.0
        wu = wd = 0
        for k, window in enumerate(WINDOWS):
            if window > n:
                break
            i = window - 1
            unit = 1.0 / window
            p, q, r, s = s1[i] * unit, s2[i] * unit, s3[i] * unit, s4[i] * unit
            fit = (
                v0 + 2 * (v1 * p + v2 * q + v3 * r + v4 * s)
                + a1 * p * p + b2 * q * q + c3 * r * r + d4 * s * s
                + 2 * (a2 * p * q + a3 * p * r + a4 * p * s + b3 * q * r + b4 * q * s + c4 * r * s)
            )
            error = sqrt(self._variances[k] + fit)
            score = sums[i] * unit / error
            other = sqrt(self._rest[k] + fit)
            if score > up:
                rest = (sums[i] - worst[i - 2]) / (window - 3) / other + allowance
                score = score if score < rest else rest
                if score > up:
                    up, wu = score, window
            elif -score > down:
                rest = -(sums[i] - best[i - 2]) / (window - 3) / other + allowance
                score = -score if -score < rest else rest
                if score > down:
                    down, wd = score, window
        return up, wu, down, wd


def tail_score(slow: Sequence[float], baseline: Baseline, usual: float, weight: float) -> float:
    """Signed root of the likelihood ratio: are more of the newest runs slow than of the baseline's?"""
    n = len(slow)
    counts = list(accumulate(slow))
    k0 = baseline.slow + usual * weight
    n0 = baseline.runs + weight
    share0 = k0 / n0
    most = 0.0
    base = _loglik(k0, n0)
    for window in TAIL_WINDOWS:
        if window > n:
            break
        k = counts[window - 1]
        if k <= share0 * window or k < 2:
            continue
        ratio = _loglik(k, window) + base - _loglik(k + k0, window + n0)
        most = max(most, ratio)
    return sqrt(2 * most)


def _loglik(k: float, n: float) -> float:
    rest = n - k
    return (k * log(k / n) if k else 0.0) + (rest * log(rest / n) if rest > 0 else 0.0)


def spread_score(steps: Sequence[float], baseline: Baseline) -> float:
    n = len(steps)
    sums = list(accumulate(steps))
    most = -9.0
    for window in SPREAD_WINDOWS:
        if window > n:
            break
        score = (sums[window - 1] / window - baseline.spread) / sqrt(1 / window + 1 / baseline.runs)
        most = max(most, score)
    return most / baseline.spread_deviation
