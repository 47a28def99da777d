"""What a series is held against: its level, rhythm and noise, learnt from the runs of its current level."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import median

from synthetics.regression.algebra import Matrix, Vector, dot, inverse, times
from synthetics.regression.noise import Noise, clip, noise_of, scale_of
from synthetics.regression.points import Points
from synthetics.regression.rhythm import DAY, NO_RHYTHM, SIZE, Rhythm, features, prior_precision
from synthetics.regression.slow import slow_limit
from synthetics.regression.unrest import Unrest, unrest_of

_FIT_STEPS = 3
#: As many runs the noise of the level before counts.
_KEPT = 60.0
#: Places in the day, with that of the level before them.
_HOURS: tuple[Vector, ...] = tuple([1.0, *features(hour * DAY / 12)] for hour in range(12))


@dataclass(slots=True)
class Earlier:
    """What earlier levels tell: of the rhythm sums of squares and products over `runs`, and the noise."""

    squares: Matrix = field(default_factory=lambda: [[0.0] * SIZE for _ in range(SIZE)])
    products: Vector = field(default_factory=lambda: [0.0] * SIZE)
    runs: int = 0
    noise: Noise | None = None

    def take(self, points: Points, count: int, baseline: "Baseline") -> None:
        """Keep what the oldest `count` points tell, all on the level of `baseline`; older ones give way."""
        residuals = points.residuals(baseline.level, baseline.rhythm, 0, count)
        drawn = _drawn(points.logs, residuals, baseline.noise.whole)
        keep = max(0.0, min(1.0, (points.most - count) / max(1, self.runs)))
        columns = [_centred(column[:count]) for column in points.places]
        for i, column in enumerate(columns):
            self.products[i] = self.products[i] * keep + dot(column, drawn)
            for j, other in enumerate(columns):
                self.squares[i][j] = self.squares[i][j] * keep + dot(column, other)
        self.runs = int(self.runs * keep) + count
        self.noise = baseline.noise


@dataclass(frozen=True, slots=True)
class Baseline:
    """Level and rhythm in log seconds, how sure they are, and what runs do around them."""

    level: float
    rhythm: Rhythm
    #: Of level and rhythm, in this order.
    covariance: Matrix
    noise: Noise
    #: How much farther than noise could hide level and rhythm may be off, at the hour at which they are known
    #: least (log seconds): much while only a part of a day was seen.
    unsure: float
    runs: int
    #: How many of these were slow.
    slow: int
    unrest: Unrest


def learn(points: Points, count: int, earlier: Earlier, rhythm: Rhythm = NO_RHYTHM) -> Baseline:
    """The baseline of the oldest `count` points, which lie on one level; `rhythm` is where to start from."""
    places = [column[:count] for column in points.places]
    level = median(points.residuals(0.0, rhythm, 0, count))
    residuals = points.residuals(level, rhythm, 0, count)
    scale = scale_of(residuals, start=1.4826 * median(map(abs, residuals)))
    squares = _squares(places, count, earlier)
    for _ in range(_FIT_STEPS):
        variance = _noise(residuals, scale, earlier).long_run_variance()
        covariance = inverse(
            [
                [own + seen / variance for own, seen in zip(prior, row, strict=True)]
                for prior, row in zip(prior_precision(), squares, strict=True)
            ]
        )
        drawn = _drawn(points.logs, residuals, scale)
        products = [sum(drawn), *(dot(c, drawn) + old for c, old in zip(places, earlier.products, strict=True))]
        level, a, b, c, d = times(covariance, [value / variance for value in products])
        rhythm = (a, b, c, d)
        residuals = points.residuals(level, rhythm, 0, count)
        scale = scale_of(residuals, start=scale)
    noise = _noise(residuals, scale, earlier)
    error = max(sqrt(dot(place, times(covariance, place))) for place in _HOURS)
    unsure = max(0.0, error - noise.whole / 2)
    limit = slow_limit(noise.whole, unsure)
    slow = sum(value > limit for value in residuals)
    return Baseline(level, rhythm, covariance, noise, unsure, count, slow, unrest_of(residuals, noise.whole))


def _noise(residuals: Sequence[float], scale: float, earlier: Earlier) -> Noise:
    """The noise of a level; that of the level before it counts too while there are few runs."""
    noise = noise_of(residuals, scale)
    return noise.mixed(earlier.noise, _KEPT / (_KEPT + len(residuals))) if earlier.noise else noise


def _drawn(logs: Sequence[float], residuals: Sequence[float], scale: float) -> list[float]:
    """The points of these residuals, with stragglers drawn to where they count."""
    clipped = clip(residuals, scale)
    return [value - residual + near for value, residual, near in zip(logs, residuals, clipped, strict=False)]


def _centred(column: Sequence[float]) -> list[float]:
    mean = sum(column) / len(column)
    return [value - mean for value in column]


def _squares(places: Sequence[Sequence[float]], count: int, earlier: Earlier) -> Matrix:
    """Sums of squares and products of the level's column of ones and of the harmonics."""
    sums = [sum(column) for column in places]
    rows = [[float(count), *sums]]
    for i, column in enumerate(places):
        rows.append([sums[i], *(dot(column, other) + earlier.squares[i][j] for j, other in enumerate(places))])
    return rows
