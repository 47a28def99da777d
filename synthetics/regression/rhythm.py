"""The daily rhythm of a timing: two harmonics, shrunk towards none."""

from math import cos, pi, sin

from synthetics.regression.algebra import Matrix

DAY = 86_400.0
#: How far each coefficient is believed to lie from none before anything was seen, in log seconds: platforms
#: swing by a few per cent over a day, and less within half of one.
PRIOR = (0.033, 0.033, 0.009, 0.009)
SIZE = len(PRIOR)

Features = tuple[float, float, float, float]
#: One coefficient for each harmonic, in log seconds.
Rhythm = tuple[float, float, float, float]
NO_RHYTHM: Rhythm = (0.0, 0.0, 0.0, 0.0)


def features(at: float) -> Features:
    """Where in the day an instant (seconds since the epoch) lies, as the harmonics see it."""
    angle = 2 * pi * (at % DAY) / DAY
    s, c = sin(angle), cos(angle)
    return (s, c, 2 * s * c, c * c - s * s)


def prior_precision() -> Matrix:
    """Of the level, of which nothing is known, and of each coefficient."""
    diagonal = (0.0, *(1 / sd**2 for sd in PRIOR))
    return [[value if i == j else 0.0 for j in range(1 + SIZE)] for i, value in enumerate(diagonal)]
