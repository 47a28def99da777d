"""The detector and the explanation as the scoring program calls them (benchmarks/regression_bench.py)."""

from collections.abc import Mapping, Sequence

from synthetics.regression.attribution import shares_of
from synthetics.regression.detector import Detector
from synthetics.regression.onset import onset_of


class Online:
    """True on each run that made the series slower in one more way; None while learning."""

    def __init__(self) -> None:
        self._detector = Detector()

    def update(self, at: float, seconds: float) -> bool | None:
        """Take one more run."""
        judgement = self._detector.update(at, seconds)
        return None if judgement is None else bool(judgement.opened)


def factory() -> Online:
    """A detector for one series."""
    return Online()


def explain(timestamps: Sequence[float], phases: Mapping[str, Sequence[float]]) -> dict[str, object]:
    """Onset, its interval and the share of each phase of a series that became slower."""
    wholes = [sum(values) for values in zip(*phases.values(), strict=True)]
    onset = onset_of([wholes, *phases.values()])
    before = {phase: values[: onset.index] for phase, values in phases.items()}
    after = {phase: values[onset.index :] for phase, values in phases.items()}
    return {"onset": onset.index, "lo": onset.first, "hi": onset.last, "shares": shares_of(before, after)}
