"""Are more of the newest runs slow than used to be, though the middle stands?"""

from collections.abc import Sequence
from itertools import accumulate
from math import log, sqrt

#: A run is slow if it lies this many scales above the level, and as many times above what that may be off.
_SLOW = 3.0
WINDOWS = (10, 14, 20, 28, 40, 56, 80, 112, 128)
#: What is believed of the share of slow runs before anything was seen, and how many runs that counts.
_USUAL, _WEIGHT = 0.012, 40.0
#: A slow run right after another tells less: slow runs come in bursts.
_AGAIN = 0.2
#: Fewer are a burst, not a share.
_FEWEST = 2.6


def slow_limit(scale: float, unsure: float) -> float:
    """How far above the level a run is slow (log seconds)."""
    return _SLOW * (scale + unsure)


def counted(slow: bool, before: float) -> float:
    """How much a run counts as slow, after the one `before` it."""
    if not slow:
        return 0.0
    return _AGAIN if before else 1.0


def share_score(newest: Sequence[float], slow: int, runs: int) -> float:
    """Is the share of slow runs among the newest (newest first) higher than `slow` of `runs`?

    The root of twice the log likelihood ratio of two shares against one (S. S. Wilks, Annals of Mathematical
    Statistics 9, 1938), the highest over windows; 0 where no window has more.
    """
    counts = list(accumulate(newest))
    usual, base = slow + _USUAL * _WEIGHT, runs + _WEIGHT
    share = usual / base
    alone = _log_likelihood(usual, base)
    most = 0.0
    for window in WINDOWS:
        if window > len(counts):
            break
        count = counts[window - 1]
        if count > share * window and count >= _FEWEST:
            apart = _log_likelihood(count, window) + alone
            most = max(most, apart - _log_likelihood(count + usual, window + base))
    return sqrt(2 * most)


def _log_likelihood(count: float, runs: float) -> float:
    rest = runs - count
    return (count * log(count / runs) if count else 0.0) + (rest * log(rest / runs) if rest > 0 else 0.0)
