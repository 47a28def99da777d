"""What came of switching each fault on: sorted, judged, and kept so that a long survey can be resumed."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sandbox.faults import FaultSpec
from synthetics.model.check import Check, CheckOutcome
from synthetics.model.run import Outcome, Run


@dataclass(slots=True)
class Detection:
    """What came of one fault. `unexplained`, `broken`, `lasting` and `leftovers` must be empty.

    `seconds` passed until a case had named it (or nobody had), the time to clean up included.
    """

    fault: str
    caught: dict[str, str] = field(default_factory=dict)
    also: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    seconds: float = 0.0
    unexplained: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    lasting: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether all was well again once the fault was gone, and nothing was left."""
        return not (self.lasting or self.leftovers)

    @property
    def holds(self) -> bool:
        return bool(self.caught) and self.clean and not (self.unexplained or self.broken)

    def add(self, spec: FaultSpec, run: Run) -> None:
        """Sort what a run under the fault found out."""
        if run.outcome not in (Outcome.PASSED, Outcome.FAILED):
            self.broken.append(f"{run.key.probe}: {run.outcome.value}: {run.reason}")
        failed = [check for check in run.checks if check.outcome is CheckOutcome.FAILED]
        for check in sorted(failed, key=lambda check: check.case):
            self._sorted(spec, check.case)[check.case] = str(check.reason)
        for check in run.checks:
            if seen(spec, check) and check.case not in self.caught:
                self.caught[check.case] = f"(degraded) {check.reason}"
        if run.outcome is Outcome.FAILED and not failed:
            self.also.setdefault(run.key.probe, str(run.reason))

    def add_afterwards(self, run: Run) -> None:
        """Take note of what is still wrong in a run without the fault."""
        if run.outcome is not Outcome.PASSED:
            self.lasting.append(f"{run.key.probe}: {run.outcome.value}: {run.reason}")
        for check in run.checks:
            if check.case in self.caught and check.outcome is CheckOutcome.DEGRADED:
                self.lasting.append(f"{run.key.probe}: {check.case} still degraded: {check.reason}")

    def _sorted(self, spec: FaultSpec, case: str) -> dict[str, str]:
        if case in spec.breaks:
            return self.caught
        return self.also if spec.explains(case) else self.unexplained


def seen(spec: FaultSpec, check: Check) -> bool:
    """Whether this check tells of the fault: it failed, or it is degraded and the fault does no more."""
    telling = {CheckOutcome.FAILED} | ({CheckOutcome.DEGRADED} if spec.degrades else set())
    return check.case in spec.breaks and check.outcome in telling


def troubles(detections: Iterable[Detection], specs: dict[str, FaultSpec]) -> list[str]:
    """What should not be, a line each."""
    lines = []
    for one in detections:
        if not one.caught:
            lines.append(f"{one.fault}: not caught in {one.runs} runs; it breaks {specs[one.fault].breaks}")
        lines += [f"{one.fault}: {case} failed besides: {why}" for case, why in one.unexplained.items()]
        lines += [f"{one.fault}: {why}" for why in one.broken]
        lines += [f"{one.fault}: still there when it was gone: {why}" for why in one.lasting]
        lines += [f"{one.fault}: left behind: {what}" for what in one.leftovers]
    return lines


class Kept:
    """A folder with one file for each fault that was looked at; several surveys may write to it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, detection: Detection) -> None:
        """Keep it, in place of what was found about this fault before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".{detection.fault}"
        unfinished.write_text(json.dumps(asdict(detection), indent=1))
        unfinished.replace(self._path(detection.fault))

    def found(self, faults: Iterable[str]) -> list[Detection]:
        """What is known of these faults; those that nobody looked at are left out."""
        paths = (self._path(fault) for fault in faults)
        return [Detection(**json.loads(path.read_text())) for path in paths if path.exists()]

    def _path(self, fault: str) -> Path:
        return self._folder / f"{fault}.json"
