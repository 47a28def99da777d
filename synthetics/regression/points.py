"""The points of a series that are still looked at, in columns."""

from collections.abc import Sequence
from math import log

from synthetics.regression.rhythm import SIZE, Rhythm, features

#: Timings are told to the millisecond; nothing is quicker than that.
SHORTEST = 0.001


class Points:
    """Instants (seconds since the epoch) and seconds taken, oldest first; beyond `most` the oldest go."""

    __slots__ = ("at", "logs", "most", "places", "seconds")

    def __init__(self, most: int) -> None:
        self.most = most
        self.at: list[float] = []
        self.seconds: list[float] = []
        self.logs: list[float] = []
        #: One column for each harmonic.
        self.places: tuple[list[float], ...] = tuple([] for _ in range(SIZE))

    def __len__(self) -> int:
        return len(self.at)

    def append(self, at: float, seconds: float) -> None:
        """Take one more point."""
        self.at.append(at)
        self.seconds.append(seconds)
        self.logs.append(log(max(seconds, SHORTEST)))
        for column, value in zip(self.places, features(at), strict=True):
            column.append(value)
        if len(self.at) > self.most:
            self.forget(0, 1)

    def forget(self, first: int, last: int) -> None:
        """Drop the points `first` to `last`."""
        for column in (self.at, self.seconds, self.logs, *self.places):
            del column[first:last]

    def residuals(self, level: float, rhythm: Rhythm, first: int, last: int) -> list[float]:
        """What level and rhythm do not explain of the points `first` to `last`, in log seconds."""
        a, b, c, d = rhythm
        columns: Sequence[list[float]] = [column[first:last] for column in self.places]
        return [
            value - level - a * s1 - b * c1 - c * s2 - d * c2
            for value, s1, c1, s2, c2 in zip(self.logs[first:last], *columns, strict=True)
        ]
