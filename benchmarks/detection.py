"""Which case catches which fault: `python -m benchmarks.detection [--fault …] [--every-probe] [--write]`.

For each fault of the sandbox: the fault is switched on, probes run, the fault is switched off, the probes that
failed run again. Required: a case that the fault is said to break fails, in words; no case fails that the fault
does not explain; nothing is broken; all is well again afterwards, and nothing is left. By default those probes
run that check a case which the fault breaks; with `--every-probe` all of them, which takes hours. Exits 1 if
anything of that does not hold. `--write` puts the table into docs/detection.md.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import probes
from benchmarks.machine import a_monitor, a_sandbox, conditions
from benchmarks.places import Place, place_of
from benchmarks.suite import run_together
from sandbox.faults import FAULTS, FaultSpec
from synthetics.contract.probe import Probe
from synthetics.model.run import Outcome, Run
from tests.support.monitor import failed, found, left_behind
from tests.support.sandbox import RunningSandbox

PAGE = Path(__file__).parents[1] / "docs" / "detection.md"
SPEED = 0.05
MOST_TRIES = 3
SETTLING_SECONDS = 5.0


@dataclass(slots=True)
class Detection:
    """What came of one fault. `unexplained`, `broken`, `lasting` and `leftovers` must be empty."""

    fault: str
    caught: dict[str, str] = field(default_factory=dict)
    also: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    unexplained: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    lasting: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return bool(self.caught) and not (self.unexplained or self.broken or self.lasting or self.leftovers)

    def add(self, spec: FaultSpec, run: Run) -> None:
        """Sort what a run under the fault found out."""
        if run.outcome not in (Outcome.PASSED, Outcome.FAILED):
            self.broken.append(f"{run.key.probe}: {run.outcome.value}: {run.reason}")
        for case in sorted(failed(run)):
            reason = str(found(run)[case].reason)
            if case in spec.breaks:
                self.caught[case] = reason
            elif spec.explains(case):
                self.also[case] = reason
            else:
                self.unexplained[case] = reason
        if run.outcome is Outcome.FAILED and not failed(run):
            self.also.setdefault(run.key.probe, str(run.reason))


def probes_for(spec: FaultSpec, catalogue: Iterable[Probe]) -> list[Probe]:
    """The probes that check a case which the fault breaks; all that lean on it besides do not tell more."""
    return [probe for probe in catalogue if any(case.id in spec.breaks for case in probe.spec.cases)]


async def detect(sandbox: RunningSandbox, spec: FaultSpec, chosen: Sequence[Probe], place: Place) -> Detection:
    """Run the probes under one fault until a case names it, and once more without it."""
    detection = Detection(spec.name)
    async with a_monitor(sandbox, **place.monitor) as monitor:
        sandbox.set_fault(spec.name, **place.parameters)
        try:
            runs: list[Run] = []
            while not detection.caught and detection.runs < MOST_TRIES:
                detection.runs += 1
                runs += await run_together(monitor.run, chosen)
                for run in runs[-len(chosen) :]:
                    detection.add(spec, run)
        finally:
            sandbox.clear_faults()
        again = [probe for probe in chosen if any(_failed(run, probe) for run in runs)]
        for run in await run_together(monitor.run, again):
            runs.append(run)
            if run.outcome is not Outcome.PASSED:
                detection.lasting.append(f"{run.key.probe}: {run.outcome.value}: {run.reason}")
    tags = [run.tag for run in runs]
    detection.leftovers = await asyncio.to_thread(_left, sandbox, tags)
    return detection


def _failed(run: Run, probe: Probe) -> bool:
    return run.key.probe == probe.name and run.outcome is not Outcome.PASSED


def _left(sandbox: RunningSandbox, tags: Sequence[str]) -> list[str]:
    """What the runs left behind, once the platform has had time to settle."""
    until = time.monotonic() + SETTLING_SECONDS
    while (left := [one for tag in tags for one in left_behind(sandbox, tag)]) and time.monotonic() < until:
        time.sleep(0.2)
    return left


async def detect_all(
    specs: Sequence[FaultSpec], catalogue: Sequence[Probe], *, every: bool, told: Callable[[Detection], None]
) -> list[Detection]:
    """Every fault, on one sandbox for each kind of place; `told` hears of each as it is done."""
    detections = []
    places = {spec.name: place_of(spec) for spec in specs}
    kinds = list(dict.fromkeys(tuple(sorted(place.sandbox.items())) for place in places.values()))
    for kind in kinds:
        with a_sandbox(speed=SPEED, idle_seconds=None, **dict(kind)) as sandbox:
            for spec in specs:
                place = places[spec.name]
                if tuple(sorted(place.sandbox.items())) != kind:
                    continue
                chosen = list(catalogue) if every else probes_for(spec, catalogue)
                detections.append(await detect(sandbox, spec, chosen, place))
                told(detections[-1])
    return detections


def table(detections: Sequence[Detection]) -> str:
    """The matrix, for people: what caught each fault, in which words, after how many runs."""
    lines = [
        "| fault | what it does | caught by | in these words | runs | fails with it |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in sorted(detections, key=lambda detection: detection.fault):
        words = next(iter(one.caught.values()), "not caught")
        caught, also = ", ".join(one.caught) or "–", ", ".join(sorted(one.also)) or "–"
        what = FAULTS[one.fault].what
        lines.append(f"| `{one.fault}` | {what} | {caught} | {_cell(words)} | {one.runs} | {also} |")
    return "\n".join(lines)


def troubles(detections: Sequence[Detection]) -> list[str]:
    """What should not be, a line each."""
    lines = []
    for one in detections:
        if not one.caught:
            lines.append(f"{one.fault}: not caught in {one.runs} runs; it breaks {FAULTS[one.fault].breaks}")
        lines += [f"{one.fault}: {case} failed besides: {why}" for case, why in one.unexplained.items()]
        lines += [f"{one.fault}: {why}" for why in one.broken]
        lines += [f"{one.fault}: still there when it was gone: {why}" for why in one.lasting]
        lines += [f"{one.fault}: left behind: {what}" for what in one.leftovers]
    return lines


def _cell(text: str) -> str:
    plain = " ".join(text.split()).replace("|", "\\|")
    return plain if len(plain) <= 200 else plain[:199] + "…"


def page(detections: Sequence[Detection], *, every: bool, before: str) -> str:
    """docs/detection.md."""
    whom = "every probe ran" if every else "the probes ran that check a case which the fault breaks"
    return (
        "# What catches what\n\n"
        "<!-- Written by `python -m benchmarks.detection --write`. -->\n\n"
        f"Each fault of the sandbox was switched on and {whom},\n"
        "all on one platform, until a case named it; then it was switched off, and what had failed ran again.\n"
        "The words are a case's own reason.\n\n"
        f"{len(detections)} faults; {sum(one.holds for one in detections)} of them were caught by a case that\n"
        "names the broken promise, and no other case failed but those that lean on it.\n\n"
        f"The machine: {before}.\n\n"
        f"{table(detections)}\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Detect, print, and say by the exit code whether all that is required holds."""
    parser = argparse.ArgumentParser(description="Switch faults on, and see which case catches them.")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="default: all of them")
    parser.add_argument("--every-probe", action="store_true", help="run the whole catalogue under each fault")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    given = parser.parse_args(arguments)
    specs = [FAULTS[name] for name in given.fault or FAULTS]
    before = conditions()
    detections = asyncio.run(
        detect_all(specs, probes.CATALOGUE, every=given.every_probe, told=partial(_progress, len(specs)))
    )
    print(table(detections))
    for line in troubles(detections):
        print(f"\n{line}")
    if given.write:
        PAGE.write_text(page(detections, every=given.every_probe, before=before))
    return 0 if all(one.holds for one in detections) else 1


def _progress(total: int, detection: Detection) -> None:
    state = "caught" if detection.holds else "TROUBLE"
    sys.stderr.write(
        f"{state} {detection.fault} by {', '.join(detection.caught) or 'nobody'} ({total} in all)\n"
    )


if __name__ == "__main__":
    sys.exit(main())
