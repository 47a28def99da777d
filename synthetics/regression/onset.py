"""Since when: the run with which a series became slower, and between which two it may have been."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import log, sqrt
from statistics import median

from synthetics.regression.noise import CLIP, clip, noise_of, scale_of
from synthetics.regression.points import SHORTEST

#: An onset is not looked for in the oldest runs, of which the level before is learnt, nor in the newest.
_BEFORE, _AFTER = 12, 2
LEAST_RUNS = _BEFORE + _AFTER
#: How far the log likelihood may lie below its highest and still be believed (docs/regression.md).
_DOUBT = 3.0


@dataclass(frozen=True, slots=True)
class Onset:
    """The index of the first slower run, the first and last that it may be, and the log likelihood."""

    index: int
    first: int
    last: int
    sharpness: float


def onset_of(series: Sequence[Sequence[float]]) -> Onset:
    """The onset told most sharply by any of several series of seconds of the same runs: the whole, each phase.

    Each is held against one step in its middle (profile likelihood of clipped log seconds).
    Raises ValueError with fewer than 14 runs.
    """
    found = [_step(values) for values in series]
    return max(found, key=lambda onset: onset.sharpness)


def _step(values: Sequence[float]) -> Onset:
    count = len(values)
    if count < LEAST_RUNS:
        raise ValueError(f"an onset needs at least {LEAST_RUNS} runs, not {count}")
    logs = [log(max(value, SHORTEST)) for value in values]
    middle = median(logs)
    apart = [value - middle for value in logs]
    scale = scale_of(apart, start=1.4826 * median(map(abs, apart)))
    profile = _profile(clip(apart, scale), range(_BEFORE, count - _AFTER + 1), 0.0, scale)
    best = max(profile, key=profile.__getitem__)
    for _ in range(2):
        # Clipped around the two levels, not around one between them.
        before, after = median(logs[:best]), median(logs[best:])
        levelled = [value - (before if i < best else after) for i, value in enumerate(logs)]
        scale = scale_of(levelled, start=1.4826 * median(map(abs, levelled)))
        most = CLIP * scale
        low, high = min(before, after) - most, max(before, after) + most
        drawn = [min(high, max(low, value)) for value in logs]
        profile = _profile(drawn, profile, noise_of(levelled, scale).link, scale)
        best = max(profile, key=profile.__getitem__)
    likely = [index for index, value in profile.items() if value >= profile[best] - _DOUBT]
    return Onset(best, min(likely), max(likely), profile[best])


def _profile(logs: Sequence[float], indices: Iterable[int], link: float, scale: float) -> dict[int, float]:
    """The log likelihood of a step upwards before each index, against none; below 0 where it goes down."""
    sums = list(accumulate(logs))
    count, total = len(logs), sums[-1]
    variance = scale**2 * (1 + link) / (1 - link)
    profile = {}
    for index in indices:
        rise = (total - sums[index - 1]) / (count - index) - sums[index - 1] / index
        score = rise / sqrt(variance * (1 / index + 1 / (count - index)))
        profile[index] = score * abs(score) / 2
    return profile
