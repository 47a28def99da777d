"""In which phase: how much of a change each phase carries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

#: A phase whose change is smaller than so many of its standard errors carries nothing.
_SIGNIFICANT = 2.0
#: The deviation of a median, of a mean of as many.
_MEDIAN = 1.2533
#: Phases are told to the millisecond.
_LEAST = 0.001


def shares_of(before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The share of the rise of each phase (seconds of each run before and after).

    They add up to 1, or are all 0. A rise is a difference of medians. What is within its error, or became
    quicker, carries nothing; if that holds for every phase, the one that stands out most carries all.
    """
    rises = {phase: _rise(before[phase], after[phase]) for phase in before}
    sure = {phase: rise.seconds for phase, rise in rises.items() if rise.errors > _SIGNIFICANT}
    if not sure:
        phase, rise = max(rises.items(), key=lambda item: item[1].errors)
        sure = {phase: rise.seconds} if rise.errors > 0 else {}
    whole = sum(sure.values())
    return {phase: sure.get(phase, 0.0) / whole if whole else 0.0 for phase in before}


@dataclass(frozen=True, slots=True)
class _Rise:
    """How many seconds a phase takes longer, and how many of its standard errors that is."""

    seconds: float
    errors: float


def _rise(before: Sequence[float], after: Sequence[float]) -> _Rise:
    one, other = median(before), median(after)
    scale = 1.4826 * median([*(abs(value - one) for value in before), *(abs(value - other) for value in after)])
    error = _MEDIAN * max(scale, _LEAST) * sqrt(1 / len(before) + 1 / len(after))
    return _Rise(other - one, (other - one) / error)
