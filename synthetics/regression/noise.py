"""How a timing varies of its own: its scale, how one run is linked to the next, how far its level wanders."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import exp, sqrt
from operator import mul

from synthetics.regression.algebra import dot

#: Residuals count as far as this many scales; stragglers say nothing about where the middle is.
CLIP = 2.5
#: The variance of a standard normal that is clipped at CLIP.
_CLIPPED_VARIANCE = 0.9582
#: Timings are rounded; a series that is constant but for that has this scale (log seconds).
LEAST_SCALE = 0.005
#: What is believed of the link from run to run before anything was seen, as how many runs, and the most.
_LINK, _LINK_WEIGHT, _MOST_LINKED = 0.2, 20.0, 0.6
#: Runs this far apart are linked only where the level itself wanders.
_APART = range(6, 25, 2)
#: How long a level that wanders keeps its direction, in runs.
_MEMORY = 60.0
#: What runs so far apart have in common, a level that wanders had so many times as much of at first.
_FADED = 2.5
#: So many standard errors of a covariance are not yet wandering.
_MARGIN = 1.5
_MOST_WANDER = 0.75


@dataclass(frozen=True, slots=True)
class Noise:
    """Of one series: `scale` in log seconds, `link` from 0 (none) to 1, `wander` in log seconds."""

    scale: float
    link: float
    wander: float

    @property
    def whole(self) -> float:
        """The scale of a single run, wandering included."""
        return sqrt(self.scale**2 + self.wander**2)

    def mean_variance(self, runs: int) -> float:
        """The variance of the mean of as many runs in a row."""
        own = self.scale**2 * _linked(runs, self.link)
        return own + self.wander**2 * _linked(runs, exp(-1 / _MEMORY))

    def mixed(self, other: "Noise", share: float) -> "Noise":
        """This noise, with a share (0 to 1) of another's."""
        return Noise(
            *(
                sqrt((1 - share) * own**2 + share * theirs**2)
                for own, theirs in (
                    (self.scale, other.scale),
                    (self.link, other.link),
                    (self.wander, other.wander),
                )
            )
        )

    def long_run_variance(self) -> float:
        """What a single independent point would have to vary by, for a long mean to vary as it does."""
        link = (1 + self.link) / (1 - self.link)
        return self.scale**2 * link + self.wander**2 * 2 * _MEMORY


def clip(residuals: Sequence[float], scale: float) -> list[float]:
    """The residuals, none farther from 0 than counts."""
    most = CLIP * scale
    return [most if value > most else max(value, -most) for value in residuals]


def scale_of(residuals: Sequence[float], start: float) -> float:
    """The scale of the middle of the residuals: Huber's second proposal, from `start`, in a few steps."""
    scale = max(LEAST_SCALE, start)
    for _ in range(4):
        clipped = clip(residuals, scale)
        scale = max(LEAST_SCALE, sqrt(dot(clipped, clipped) / len(clipped) / _CLIPPED_VARIANCE))
    return scale


def noise_of(residuals: Sequence[float], scale: float) -> Noise:
    """What residuals of one level around 0, oldest first, tell of its noise."""
    clipped = clip(residuals, scale)
    count = len(clipped)
    power = dot(clipped, clipped) or 1e-12
    wander = _far_covariance(clipped) * count / power
    near = dot(clipped, clipped[1:]) / power
    link = (near - max(0.0, wander)) / max(0.2, 1 - max(0.0, wander))
    link = (link * count + _LINK * _LINK_WEIGHT) / (count + _LINK_WEIGHT)
    sure = min(_MOST_WANDER, _FADED * max(0.0, wander - _MARGIN / sqrt(len(_APART) * count)))
    return Noise(sqrt(1 - sure) * scale, min(_MOST_LINKED, max(0.0, link)), sqrt(sure) * scale)


def _linked(runs: int, link: float) -> float:
    """The variance of the mean of `runs` values of variance 1, each linked to the one before it."""
    whole = runs * (1 + link) / (1 - link) - 2 * link * (1 - link**runs) / (1 - link) ** 2
    return whole / runs**2


def _far_covariance(residuals: Sequence[float]) -> float:
    """The mean covariance of runs that are far apart."""
    count = len(residuals)
    if count < 2 * _APART.stop:
        return 0.0
    lagged = [sum(map(mul, residuals, islice(residuals, lag, None))) / (count - lag) for lag in _APART]
    mean: float = sum(lagged) / len(lagged)
    return mean
