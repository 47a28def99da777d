"""What a series is held against: its level, rhythm and noise, learnt from the runs of its current level."""

from dataclasses import dataclass, field
from math import sqrt
from statistics import median

from synthetics.regression.algebra import Matrix, Vector, dot, inverse, times
from synthetics.regression.noise import CLIP, Noise, clip, noise_of, scale_of
from synthetics.regression.points import Points
from synthetics.regression.rhythm import SIZE, prior_precision

#: A run is slow if it lies this many scales above the level.
SLOW = 2.5
#: Nobody wants to be told of less; and no rhythm is known better (log seconds).
FLOOR = 0.01
#: Timings are rounded; a series that is constant but for that has this scale (log seconds).
LEAST_SCALE = 0.005
_FIT_STEPS = 3


@dataclass(slots=True)
class Earlier:
    """What earlier levels of the series tell about its rhythm: sums of squares and products, and how many."""

    squares: Matrix = field(default_factory=lambda: [[0.0] * SIZE for _ in range(SIZE)])
    products: Vector = field(default_factory=lambda: [0.0] * SIZE)
    runs: int = 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """Level and rhythm in log seconds, how sure they are, and what runs do around them."""

    level: float
    rhythm: tuple[float, ...]
    covariance: Matrix
    noise: Noise
    runs: int
    #: Runs that were slow, of these.
    slow: int
    #: Mean and deviation of how far a run lies from those just before it, in scales.
    spread: float
    spread_deviation: float

    @property
    def scale(self) -> float:
        """Of a single run, wandering included."""
        return sqrt(self.noise.scale**2 + self.noise.wander**2)


def unsteady(residuals: list[float], scale: float) -> list[float]:
    """How far each residual lies from the four before it, in scales, clipped; the first four are not told."""
    unit = 1 / (scale * sqrt(1.25))
    return [
        min(CLIP, abs(e - 0.25 * (a + b + c + d)) * unit)
        for a, b, c, d, e in zip(residuals, residuals[1:], residuals[2:], residuals[3:], residuals[4:], strict=False)
    ]


def learn(points: Points, count: int, earlier: Earlier, before: Baseline | None) -> Baseline:
    """The baseline of the oldest `count` points, which lie on one level.

    `before` is where to start from; its noise counts too while the new level has few points.
    """
    logs, places = points.logs[:count], [column[:count] for column in points.places]
    level = median(logs)
    rhythm: tuple[float, ...] = before.rhythm if before else (0.0,) * SIZE
    residuals = points.residuals(0.0, rhythm, 0, count)
    level = median(residuals)
    residuals = [value - level for value in residuals]
    scale = scale_of(residuals, start=1.4826 * median(map(abs, residuals)) + LEAST_SCALE, floor=LEAST_SCALE)
    squares = _squares(places, count, earlier)
    noise = _noise(clip(residuals, scale), scale, before)
    covariance: Matrix = []
    for _ in range(_FIT_STEPS):
        variance = noise.long_run_variance()
        precision = [
            [own + seen / variance for own, seen in zip(prior, row, strict=True)]
            for prior, row in zip(prior_precision(), squares, strict=True)
        ]
        covariance = inverse(precision)
        clipped = clip(residuals, scale)
        wanted = [
            value + level + sum(b * place for b, place in zip(rhythm, spot, strict=True))
            for value, spot in zip(clipped, zip(*places, strict=True), strict=True)
        ]
        products = [sum(wanted), *(dot(column, wanted) + old for column, old in zip(places, earlier.products, strict=True))]
        level, *rest = times(covariance, [value / variance for value in products])
        rhythm = tuple(rest)
        residuals = points.residuals(level, rhythm, 0, count)
        scale = scale_of(residuals, start=scale, floor=LEAST_SCALE)
        noise = _noise(clip(residuals, scale), scale, before)
    steps = unsteady(residuals, scale)
    spread = sum(steps) / len(steps)
    deviation = sqrt(sum((step - spread) ** 2 for step in steps) / len(steps))
    slow = sum(value > SLOW * scale for value in residuals)
    return Baseline(level, rhythm, covariance, noise, count, slow, spread, deviation)


def _noise(clipped: list[float], scale: float, before: Baseline | None) -> Noise:
    return noise_of(clipped, scale)


def _squares(places: list[list[float]], count: int, earlier: Earlier) -> Matrix:
    """Sums of squares and products of the level's column of ones and of the harmonics."""
    sums = [sum(column) for column in places]
    rows = [[float(count), *sums]]
    for i, column in enumerate(places):
        rows.append([sums[i], *(dot(column, other) + earlier.squares[i][j] for j, other in enumerate(places))])
    return rows
