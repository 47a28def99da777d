"""The points of a series that are still looked at, in columns."""

from collections.abc import Sequence
from math import exp, log

from synthetics.regression.rhythm import SIZE, features

#: Timings are told to the millisecond; nothing is quicker than that.
SHORTEST = 0.001


class Points:
    """Instants, log seconds and places in the day, oldest first; as many as `most`, the oldest go."""

    __slots__ = ("at", "logs", "most", "places")

    def __init__(self, most: int) -> None:
        self.most = most
        self.at: list[float] = []
        self.logs: list[float] = []
        #: One column for each harmonic.
        self.places: tuple[list[float], ...] = tuple([] for _ in range(SIZE))

    def __len__(self) -> int:
        return len(self.at)

    def append(self, at: float, seconds: float) -> None:
        """Take one more point (seconds since the epoch, seconds taken)."""
        self.at.append(at)
        self.logs.append(log(max(seconds, SHORTEST)))
        for column, value in zip(self.places, features(at), strict=True):
            column.append(value)
        if len(self.at) > self.most:
            self.forget(1)

    def forget(self, count: int) -> None:
        """Drop the oldest points."""
        del self.at[:count], self.logs[:count]
        for column in self.places:
            del column[:count]

    def kept(self) -> list[tuple[float, float]]:
        """The points as they were given, but for the last bits of the seconds."""
        return [(at, exp(value)) for at, value in zip(self.at, self.logs, strict=True)]

    def residuals(self, level: float, rhythm: Sequence[float], first: int, last: int) -> list[float]:
        """What level and rhythm do not explain of the points `first` to `last`, in log seconds."""
        a, b, c, d = rhythm
        return [
            value - level - a * s1 - b * c1 - c * s2 - d * c2
            for value, s1, c1, s2, c2 in zip(
                self.logs[first:last], *(column[first:last] for column in self.places), strict=True
            )
        ]
