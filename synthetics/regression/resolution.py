"""A timing that is watched more coarsely has not become slower.

A polled value lies anywhere between the last "no" and the first "yes" (docs/timing.md). Its middle is judged,
so that another distance moves no level. Where the distance becomes a good part of the value, it scatters values
as nothing did before: the series is learnt anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from synthetics.regression.detector import Detector, Judgement, Snapshot

#: The newest values tell how finely a series is watched now, those before them how finely it used to be.
_NOW, _USUALLY, _REMEMBERED = 5, 8, 60
#: Coarser by this part of the value: that alone scatters values by three per cent.
_COARSER = 0.1


@dataclass(frozen=True, slots=True)
class State:
    """All that a watch knows, as plain values. `parts`: the newest resolutions, as parts of their values."""

    detector: Snapshot
    parts: list[float] = field(default_factory=list)


class Watch:
    """One series, judged by values that were taken with a resolution each."""

    def __init__(self, detector: Detector | None = None, parts: Sequence[float] = ()) -> None:
        self.detector = detector or Detector()
        self._parts = list(parts)

    @classmethod
    def restored(cls, state: State) -> "Watch":
        """One that goes on from a state. Raises ValueError if that is of another method."""
        return cls(Detector.restored(state.detector), state.parts)

    def state(self) -> State:
        """All that is known now."""
        return State(self.detector.snapshot(), list(self._parts))

    def update(self, at: float, seconds: float, resolution: float) -> Judgement | None:
        """Take one more run (seconds since the epoch, seconds taken and how finely); None while learning."""
        judgement = self.detector.update(at, seconds - resolution / 2)
        self._parts = [*self._parts[1 - _REMEMBERED :], resolution / seconds if seconds > 0 else 0.0]
        if self._coarser() and not self.detector.slower:
            self.detector, self._parts = Detector(), self._parts[-_NOW:]
            return None
        return judgement

    def _coarser(self) -> bool:
        usual, now = self._parts[:-_NOW], self._parts[-_NOW:]
        return len(usual) >= _USUALLY and min(now) - median(usual) >= _COARSER
