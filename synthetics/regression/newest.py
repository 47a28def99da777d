"""The newest runs as each judgement looks at them."""

from synthetics.regression.location import LONGEST
from synthetics.regression.noise import CLIP
from synthetics.regression.slow import counted, slow_limit
from synthetics.regression.unrest import BEFORE, departure

#: What is common to all of the newest runs is not clipped away, as many times the baseline may be off.
_OFF = 5.0
#: As many residuals make a whole window of departures.
SEEN = LONGEST + BEFORE


class Newest:
    """Columns of the newest residuals around one baseline, newest last."""

    __slots__ = ("_most", "_residuals", "_scale", "_slow", "clipped", "departures", "slow")

    def __init__(self, scale: float, unsure: float) -> None:
        self._scale = scale
        self._most = CLIP * scale + _OFF * unsure
        self._slow = slow_limit(scale, unsure)
        self._residuals: list[float] = []
        self.clipped: list[float] = []
        self.slow: list[float] = []
        self.departures: list[float] = []

    def add(self, residual: float) -> None:
        """One more run."""
        if len(self._residuals) >= BEFORE:
            self.departures.append(departure(residual, self._residuals[-BEFORE:], self._scale))
        self._residuals.append(residual)
        self.clipped.append(max(-self._most, min(self._most, residual)))
        self.slow.append(counted(residual > self._slow, self.slow[-1] if self.slow else 0.0))
        for column in (self._residuals, self.clipped, self.slow, self.departures):
            if len(column) > SEEN:
                del column[0]
