"""What someone who watches a run while it goes on is told, as it happens."""

from typing import Protocol

from synthetics.contract.probe import Probe, Step
from synthetics.model.check import Check
from synthetics.model.run import Run, StepResult
from synthetics.model.timing import Timing


class Progress(Protocol):
    """Told of every turn of a run, on the event loop: implementations return at once and never raise."""

    def started(self, probe: Probe) -> None:
        """A run of this probe left its slot and its locks behind it, and begins."""

    def step_started(self, probe: Probe, step: Step) -> None:
        """A declared step was entered."""

    def step_ended(self, probe: Probe, result: StepResult) -> None:
        """A step was left, however it ended."""

    def check_ended(self, probe: Probe, check: Check) -> None:
        """A case was reported; it may be reported again, then the worse finding stands."""

    def timing_taken(self, probe: Probe, timing: Timing) -> None:
        """A timing was kept."""

    def finished(self, run: Run) -> None:
        """The run is over, its clean-up included."""


class Unwatched:
    """Nobody looks on."""

    def started(self, probe: Probe) -> None:
        pass

    def step_started(self, probe: Probe, step: Step) -> None:
        pass

    def step_ended(self, probe: Probe, result: StepResult) -> None:
        pass

    def check_ended(self, probe: Probe, check: Check) -> None:
        pass

    def timing_taken(self, probe: Probe, timing: Timing) -> None:
        pass

    def finished(self, run: Run) -> None:
        pass
