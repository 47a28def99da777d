"""The newest runs as each judgement looks at them."""

from synthetics.regression.location import LONGEST
from synthetics.regression.noise import CLIP
from synthetics.regression.slow import SLOW, counted
from synthetics.regression.unrest import BEFORE, departure


class Newest:
    """Columns of the newest residuals around one baseline, newest last."""

    __slots__ = ("_scale", "clipped", "departures", "residuals", "slow")

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self.residuals: list[float] = []
        self.clipped: list[float] = []
        self.slow: list[float] = []
        self.departures: list[float] = []

    def add(self, residual: float) -> None:
        """One more run."""
        most = CLIP * self._scale
        if len(self.residuals) >= BEFORE:
            self.departures.append(departure(residual, self.residuals[-BEFORE:], self._scale))
        self.residuals.append(residual)
        self.clipped.append(max(-most, min(most, residual)))
        self.slow.append(counted(residual > SLOW * self._scale, self.slow))
        for column in (self.residuals, self.clipped, self.slow, self.departures):
            if len(column) > LONGEST + BEFORE:
                del column[0]
