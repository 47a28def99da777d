"""The newest runs as each judgement looks at them."""

from synthetics.regression.location import LONGEST
from synthetics.regression.noise import CLIP
from synthetics.regression.slow import SLOW, counted
from synthetics.regression.unrest import BEFORE, departure

#: As many residuals make a whole window of departures.
SEEN = LONGEST + BEFORE


class Newest:
    """Columns of the newest residuals around one baseline, newest last."""

    __slots__ = ("_residuals", "_scale", "clipped", "departures", "slow")

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._residuals: list[float] = []
        self.clipped: list[float] = []
        self.slow: list[float] = []
        self.departures: list[float] = []

    def add(self, residual: float) -> None:
        """One more run."""
        most = CLIP * self._scale
        if len(self._residuals) >= BEFORE:
            self.departures.append(departure(residual, self._residuals[-BEFORE:], self._scale))
        self._residuals.append(residual)
        self.clipped.append(max(-most, min(most, residual)))
        self.slow.append(counted(residual > SLOW * self._scale, self.slow[-1] if self.slow else 0.0))
        for column in (self._residuals, self.clipped, self.slow, self.departures):
            if len(column) > SEEN:
                del column[0]
