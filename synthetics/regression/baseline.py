"""What a series is held against: its level, rhythm and noise, learnt from the runs of its current level."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from synthetics.regression.algebra import Matrix, Vector, dot, inverse, times
from synthetics.regression.noise import Noise, clip, noise_of, scale_of
from synthetics.regression.points import Points
from synthetics.regression.rhythm import NO_RHYTHM, SIZE, Rhythm, prior_precision
from synthetics.regression.unrest import Unrest, unrest_of
from synthetics.regression.slow import SLOW

_FIT_STEPS = 3


@dataclass(slots=True)
class Earlier:
    """What earlier levels of the series tell about its rhythm: sums of squares and products, and of how many runs."""

    squares: Matrix = field(default_factory=lambda: [[0.0] * SIZE for _ in range(SIZE)])
    products: Vector = field(default_factory=lambda: [0.0] * SIZE)
    runs: int = 0
    noise: Noise | None = None
    slow: int = 0
    seen: int = 0

    def take(self, places: Sequence[Sequence[float]], logs: Sequence[float], most: int) -> None:
        """Keep what the runs of one more level tell; older levels give way beyond `most` runs."""
        count = len(logs)
        keep = max(0.0, min(1.0, (most - count) / max(1, self.runs)))
        columns = [_centred(column) for column in places]
        for i, column in enumerate(columns):
            self.products[i] = self.products[i] * keep + dot(column, logs)
            for j, other in enumerate(columns):
                self.squares[i][j] = self.squares[i][j] * keep + dot(column, other)
        self.runs = int(self.runs * keep) + count


@dataclass(frozen=True, slots=True)
class Baseline:
    """Level and rhythm in log seconds, how sure they are, and what runs do around them."""

    level: float
    rhythm: Rhythm
    #: Of level and rhythm, in this order.
    covariance: Matrix
    noise: Noise
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
        noise = _mixed(noise_of(residuals, scale), count, earlier)
        variance = noise.long_run_variance()
        covariance = inverse(
            [
                [own + seen / variance for own, seen in zip(prior, row, strict=True)]
                for prior, row in zip(prior_precision(), squares, strict=True)
            ]
        )
        # What is fitted to: the points, with stragglers drawn to where they count.
        drawn = [
            value - residual + clipped
            for value, residual, clipped in zip(points.logs, residuals, clip(residuals, scale), strict=False)
        ]
        products = [sum(drawn), *(dot(c, drawn) + old for c, old in zip(places, earlier.products, strict=True))]
        level, *fitted = times(covariance, [value / variance for value in products])
        rhythm = (fitted[0], fitted[1], fitted[2], fitted[3])
        residuals = points.residuals(level, rhythm, 0, count)
        scale = scale_of(residuals, start=scale)
    noise = _mixed(noise_of(residuals, scale), count, earlier)
    slow = sum(value > SLOW * noise.whole for value in residuals)
    return Baseline(level, rhythm, covariance, noise, count, slow, unrest_of(residuals, noise.whole))


KEPT = 60.0


def _mixed(noise: Noise, count: int, earlier: Earlier) -> Noise:
    if not earlier.noise:
        return noise
    share = KEPT / (KEPT + count)
    old = earlier.noise
    return Noise(*((share * a**2 + (1 - share) * b**2) ** 0.5 for a, b in ((old.scale, noise.scale), (old.link, noise.link), (old.wander, noise.wander))))


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
