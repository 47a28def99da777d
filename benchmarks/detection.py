"""Which case catches which fault: `python -m benchmarks.detection [--shard 1/2] [--within 150] [--write]`.

For each fault of the sandbox: the fault is switched on, the probes run that check a case which it breaks, it is
switched off, and what caught it runs again. Required: a case that the fault is said to break fails (or is
degraded, for a fault that does no more than that), in words; no case fails that the fault does not explain;
nothing is broken; all is well again afterwards, and nothing is left.

What was found is kept in a folder, and is not looked for again (`--again` does). So a survey may be cut short
(`--within` seconds begins no further fault) and called again, and any number of shards may run side by side,
each on a sandbox of its own. Exits 0 if all that is required holds of what was looked at now, 1 if it does not,
3 if it holds and faults are left to look at. `--write` puts everything that was found into docs/detection.md.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from platform import python_version
from typing import Any

import probes
from benchmarks import matrix
from benchmarks.findings import Detection, Kept, seen, troubles
from benchmarks.machine import a_monitor, a_sandbox
from benchmarks.places import Kind, Place, place_of
from benchmarks.suite import run_together
from probes.cases import CASES
from sandbox.faults import FAULTS, FaultSpec
from synthetics.contract.probe import Probe
from synthetics.model.run import Outcome, Run
from tests.support.monitor import left_behind
from tests.support.sandbox import RunningSandbox

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "detection.md"
KEPT = ROOT / ".state" / "detection"
SPEED = 0.05
MOST_TRIES = 3
SETTLING_SECONDS = 5.0
HOLDS, MISSED, UNFINISHED = 0, 1, 3


def probes_for(spec: FaultSpec, catalogue: Iterable[Probe]) -> list[Probe]:
    """The probes that check a case which the fault breaks; all that lean on it besides do not tell more."""
    return [probe for probe in catalogue if any(case.id in spec.breaks for case in probe.spec.cases)]


async def detect(sandbox: RunningSandbox, spec: FaultSpec, chosen: Sequence[Probe], place: Place) -> Detection:
    """Run the probes under one fault until a case names it, and those that named it once more without it."""
    detection = Detection(spec.name)
    runs: list[Run] = []
    async with a_monitor(sandbox, **place.monitor) as monitor:
        began = time.monotonic()
        sandbox.set_fault(spec.name, **place.parameters)
        try:
            while not detection.caught and detection.runs < MOST_TRIES:
                detection.runs += 1
                ended = await run_together(monitor.run, chosen)
                for run in ended:
                    detection.add(spec, run)
                runs += ended
            detection.seconds = time.monotonic() - began
        finally:
            sandbox.clear_faults()
        again = [probe for probe in chosen if any(_told(spec, run, probe) for run in runs)]
        for run in await run_together(monitor.run, again):
            runs.append(run)
            detection.add_afterwards(run)
    detection.leftovers = await asyncio.to_thread(_left, sandbox, [run.tag for run in runs], place)
    return detection


def _told(spec: FaultSpec, run: Run, probe: Probe) -> bool:
    """Whether this run of this probe has anything to say about the fault."""
    telling = run.outcome is not Outcome.PASSED or any(seen(spec, check) for check in run.checks)
    return run.key.probe == probe.name and telling


def _left(sandbox: RunningSandbox, tags: Sequence[str], place: Place) -> list[str]:
    """What the runs left behind, once the platform has had time to settle."""
    workspaces = str(sandbox.settings.workspace_root)

    def look() -> list[str]:
        left = [one for tag in tags for one in left_behind(sandbox, tag)]
        return [one for one in left if place.removes_workspaces or not one.startswith(workspaces)]

    until = time.monotonic() + SETTLING_SECONDS
    while (left := look()) and time.monotonic() < until:
        time.sleep(0.2)
    return left


@dataclass(frozen=True, slots=True)
class Survey:
    """Faults to look at, one after the other; `told` hears of each as it is done."""

    catalogue: Sequence[Probe]
    every: bool
    told: Callable[[Detection], None]
    #: On the monotonic clock: no further fault is begun after it.
    until: float = float("inf")

    async def look(self, specs: Sequence[FaultSpec]) -> None:
        """Every fault, on one sandbox for each kind of place."""
        places = {spec.name: place_of(spec) for spec in specs}
        kinds = dict.fromkeys(places[spec.name].kind for spec in specs)
        for kind in kinds:
            if not self._time_is_left():
                return
            with _sandbox_of(kind) as sandbox:
                for spec in (spec for spec in specs if places[spec.name].kind == kind):
                    if self._time_is_left():
                        await self._one(sandbox, spec, places[spec.name])

    async def _one(self, sandbox: RunningSandbox, spec: FaultSpec, place: Place) -> None:
        chosen = list(self.catalogue) if self.every else probes_for(spec, self.catalogue)
        self.told(await detect(sandbox, spec, chosen, place))

    def _time_is_left(self) -> bool:
        return time.monotonic() < self.until


def _sandbox_of(kind: Kind) -> AbstractContextManager[RunningSandbox]:
    settings: dict[str, Any] = {"idle_seconds": None, **dict(kind)}
    return a_sandbox(speed=SPEED, **settings)


def of_shard(names: Sequence[str], shard: str) -> list[str]:
    """Every n-th of the names, for a shard told as `k/n`. Raises argparse.ArgumentTypeError."""
    number, _, many = shard.partition("/")
    if not (number.isdigit() and many.isdigit() and 1 <= int(number) <= int(many)):
        raise argparse.ArgumentTypeError(f"{shard!r}: wanted k/n with k from 1 to n, such as 1/2")
    return list(names)[int(number) - 1 :: int(many)]


def arguments_of(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Switch faults on, and see which case catches them.")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="default: all of them")
    parser.add_argument("--shard", default="1/1", help="every n-th of them only, as k/n")
    parser.add_argument("--within", type=float, default=float("inf"), help="begin no fault after these seconds")
    parser.add_argument("--again", action="store_true", help="look also at those that were looked at before")
    parser.add_argument("--kept", type=Path, default=KEPT, help="the folder for what was found")
    parser.add_argument("--every-probe", action="store_true", help="run the whole catalogue under each fault")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} of everything that was found")
    arguments = parser.parse_args(given)
    try:
        arguments.fault = of_shard(arguments.fault or list(FAULTS), arguments.shard)
    except argparse.ArgumentTypeError as error:
        parser.error(f"--shard: {error}")
    return arguments


def main(given: Sequence[str] | None = None) -> int:
    """Look, print, and say by the exit code whether all that is required holds."""
    arguments = arguments_of(given)
    kept = Kept(arguments.kept)
    known = set() if arguments.again else {one.fault for one in kept.found(arguments.fault)}
    wanted = [FAULTS[name] for name in arguments.fault if name not in known]
    found = list[Detection]()

    def told(detection: Detection) -> None:
        kept.keep(detection)
        found.append(detection)
        state = "caught" if detection.holds else "TROUBLE"
        by = ", ".join(detection.caught) or "nobody"
        sys.stderr.write(f"{state} {detection.fault} by {by} ({len(found)} of {len(wanted)})\n")

    survey = Survey(probes.CATALOGUE, arguments.every_probe, told, time.monotonic() + arguments.within)
    asyncio.run(survey.look(wanted))
    print(matrix.table(found, FAULTS))
    for line in troubles(found, FAULTS):
        print(f"\n{line}")
    if arguments.write:
        _write(kept.found(FAULTS))
    if not all(one.holds for one in found):
        return MISSED
    return HOLDS if len(found) == len(wanted) else UNFINISHED


def _write(detections: Sequence[Detection]) -> None:
    watched = {case.id: probe.name for probe in probes.CATALOGUE for case in probe.spec.cases}
    machine = f"{os.cpu_count()} cores, Python {python_version()}"
    PAGE.write_text(matrix.page(detections, specs=FAULTS, cases=CASES, watched=watched, machine=machine))


if __name__ == "__main__":
    sys.exit(main())
