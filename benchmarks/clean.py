"""Whole suites in a row where nothing is wrong: `python -m benchmarks.clean [--times 30] [--busy]`.

Runs every probe of the catalogue again and again on one sandbox without a fault, as the scheduler would: those
that need something for themselves one after the other, then all others together. `--busy` keeps one core busy
with something else meanwhile. Prints a row for each probe, and every run that did not pass with its reason.
Exits 1 unless all passed, every case with them, and nothing is left on the sandbox.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import probes
from benchmarks.machine import a_monitor, a_sandbox, busy, conditions
from benchmarks.soak import everything_on
from benchmarks.suite import run_together
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome, Run
from tests.support.sandbox import RunningSandbox

SETTLING_SECONDS = 10.0
_NAME = 22


@dataclass(slots=True)
class Suites:
    """What came of them: the runs of each probe, and what is left on the platform in the end."""

    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    left: list[str] = field(default_factory=list)

    def add(self, runs: Sequence[Run]) -> None:
        for run in runs:
            self.runs[run.key.probe].append(run)

    @property
    def troubles(self) -> list[str]:
        """Every run that did not pass, and every case that did not hold entirely, a line each."""
        told = []
        for run in (run for runs in self.runs.values() for run in runs):
            if run.outcome is not Outcome.PASSED:
                told.append(f"{run.key.probe} {run.outcome}: {run.reason}")
            told += [
                f"{run.key.probe} {check.case} {check.outcome}: {check.reason}"
                for check in run.checks
                if check.outcome in (CheckOutcome.FAILED, CheckOutcome.DEGRADED)
            ]
            told += [f"{run.key.probe} clean-up: {error}" for error in run.cleanup_errors]
        return told + [f"left: {one}" for one in self.left]


async def look(times: int, speed: float) -> Suites:
    """So many suites, one after the other, on one sandbox."""
    suites = Suites()
    with a_sandbox(speed=speed, idle_seconds=None) as sandbox:
        async with a_monitor(sandbox) as monitor:
            for turn in range(times):
                began = time.monotonic()
                suites.add(runs := await run_together(monitor.run, probes.CATALOGUE))
                bad = sum(run.outcome is not Outcome.PASSED for run in runs)
                sys.stderr.write(f"suite {turn + 1}: {time.monotonic() - began:.0f} s, {bad} not passed\n")
        suites.left = await asyncio.to_thread(_left, sandbox)
    return suites


def _left(sandbox: RunningSandbox) -> list[str]:
    until = time.monotonic() + SETTLING_SECONDS
    while (left := everything_on(sandbox)) and time.monotonic() < until:
        time.sleep(0.2)
    return left


def table(suites: Suites) -> str:
    """Runs and cases by their outcomes, for people."""
    head = f"{'probe':<{_NAME}}{'runs':>6}{'passed':>8}{'p50':>8}{'longest':>9}   cases of all runs"
    lines = [head, "-" * (len(head) + 20)]
    for probe, runs in suites.runs.items():
        took = [run.took.total_seconds() for run in runs]
        cases = Counter(check.outcome.value for run in runs for check in run.checks)
        told = ", ".join(f"{many} {outcome}" for outcome, many in cases.most_common())
        passed = sum(run.outcome is Outcome.PASSED for run in runs)
        lines.append(f"{probe:<{_NAME}}{len(runs):>6}{passed:>8}{median(took):>8.1f}{max(took):>9.1f}   {told}")
    every = [run for runs in suites.runs.values() for run in runs]
    passed = sum(run.outcome is Outcome.PASSED for run in every)
    return "\n".join([*lines, "", f"{passed} of {len(every)} runs passed."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and say by the exit code whether nothing was amiss."""
    parser = argparse.ArgumentParser(description="Suites in a row where nothing is wrong.")
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--speed", type=float, default=0.05, help="real seconds for a second of the platform")
    parser.add_argument("--busy", action="store_true", help="keep one core busy with something else")
    given = parser.parse_args(arguments)
    before, began = conditions(), time.monotonic()
    with busy(given.busy):
        suites = asyncio.run(look(given.times, given.speed))
    beside = "one core kept busy" if given.busy else "nothing else asked for"
    print(f"{given.times} suites at speed {given.speed:g}, {beside}, {time.monotonic() - began:.0f} s.")
    print(f"Before: {before}. After: {conditions()}.\n")
    print(table(suites))
    for trouble in suites.troubles:
        print(f"\n{trouble}")
    return 1 if suites.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
