"""The detector and the explanation as the scoring program calls them (benchmarks/regression_bench.py)."""

from synthetics.regression.detector import Detector


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
