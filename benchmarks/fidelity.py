"""Cold starts and wakes against the truth: `python -m benchmarks.fidelity [--cold 50] [--wakes 50]`.

Runs starts one after the other on a sandbox of its own, with the probes' own parts and the service's own
runner, and holds every timing and every phase against what the sandbox wrote down itself. What is true of each
figure is told in `benchmarks/starts.py`. Exits 1 if a goal is missed: over all cold starts, and over all wakes
whichever way they were asked for, the 99th percentile of |ours − truth| is at most 50 ms for the whole and each
phase, and phases add up to their whole to within 1 ms. Of fewer than 100 samples that is the largest: `--wakes`
150 and more tell a percentile from a single late answer. The rows of each way show where time goes.
"""

import argparse
import asyncio
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.machine import a_monitor, a_sandbox, conditions
from benchmarks.scenarios import api_and_look, cold, message
from benchmarks.starts import API, COLD, LOOK, MESSAGE, PHASES, Way, start_of
from synthetics.contract.probe import Probe
from synthetics.model.run import Outcome, Run
from tests.support.monitor import Monitor
from tests.support.sandbox import RunningSandbox

GOAL = 0.050
SUM_GOAL = 0.001
#: Nothing goes to sleep by itself while it is watched.
IDLE_SECONDS = 60.0
#: What the goal is about: every start from nothing, and every wake, by whatever way.
JUDGED = ("cold_start", "wake")


@dataclass(frozen=True, slots=True)
class Sample:
    """Ours and the truth of one part of one start, in seconds."""

    ours: float
    truth: float

    @property
    def difference(self) -> float:
        return self.ours - self.truth


@dataclass(slots=True)
class Results:
    """Everything measured: samples by (timing, phase), where the phase of the whole is ''."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    worst_sum: float = 0.0
    stalled: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, timing: str, phase: str, ours: float, truth: float) -> None:
        self.samples.setdefault((timing, phase), []).append(Sample(ours, truth))

    def missed(self) -> list[str]:
        """The goals that were missed, one sentence each."""
        missed = list(self.failures)
        for (timing, phase), samples in self.samples.items():
            worst = p99(samples)
            if timing in JUDGED and worst > GOAL:
                missed.append(f"{timing} {phase or 'whole'}: p99 is {_ms(worst)} ms, goal {_ms(GOAL)} ms")
        if self.worst_sum > SUM_GOAL:
            missed.append(
                f"phases add up to {_ms(self.worst_sum)} ms beside the whole, goal {_ms(SUM_GOAL)} ms"
            )
        return missed


def p99(samples: Sequence[Sample]) -> float:
    """The 99th percentile of |ours − truth| by nearest rank: of fewer than 100 samples, the largest."""
    ordered = sorted(abs(sample.difference) for sample in samples)
    return ordered[math.ceil(0.99 * len(ordered)) - 1]


async def measure(sandbox: RunningSandbox, *, colds: int, wakes: int) -> Results:
    """So many cold starts, and at least so many wakes, spread evenly over the three ways."""
    results = Results()
    each = math.ceil(wakes / 3)
    async with a_monitor(sandbox, ROUTING_DIALECT="path") as monitor:
        await _repeat(sandbox, monitor, cold, (COLD,), colds, results)
        await _repeat(sandbox, monitor, message, (MESSAGE,), each, results)
    async with a_monitor(sandbox, ROUTING_DIALECT="lambda") as monitor:
        await _repeat(sandbox, monitor, api_and_look, (API, LOOK), each, results)
    return results


async def _repeat(
    sandbox: RunningSandbox, monitor: Monitor, probe: Probe, ways: Sequence[Way], times: int, results: Results
) -> None:
    for number in range(times):
        run = await monitor.run(probe)
        if run.outcome is not Outcome.PASSED or run.cleanup_errors:
            results.failures.append(f"{probe.name} {number}: {run.outcome} {run.reason} {run.cleanup_errors}")
            continue
        for way in ways:
            _compare(sandbox, run, way, results)
        _progress(f"{probe.name} {number + 1}/{times}")


def _compare(sandbox: RunningSandbox, run: Run, way: Way, results: Results) -> None:
    timing = next(one for one in run.timings if (one.name, one.path) == (way.timing, way.path))
    truth = start_of(f"syn-{run.tag}", way, sandbox.truth())
    names = {timing.name, " ".join(filter(None, (timing.name, timing.path)))}
    whole = timing.took.total_seconds()
    ours = {phase.name: phase.took.total_seconds() for phase in timing.phases}
    for name in names:
        results.add(name, "", whole, truth.whole)
        for phase in PHASES:
            if phase in ours or truth.phases[phase] > 0:
                results.add(name, phase, ours.get(phase, 0.0), truth.phases[phase])
    results.worst_sum = max(results.worst_sum, abs(whole - sum(ours.values())))
    results.stalled += timing.stalled


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text:<40}")


def table(results: Results) -> str:
    """The results, for people: milliseconds."""
    head = f"{'timing':<14} {'phase':<12} {'n':>4} {'truth':>8} {'ours':>8}"
    head += f" {'|diff| median':>14} {'p99':>7} {'max':>7}"
    lines = [head, "-" * len(head)]
    for (timing, phase), samples in sorted(results.samples.items(), key=lambda item: _place(*item[0])):
        apart = [abs(sample.difference) for sample in samples]
        figures = (
            statistics.median(sample.truth for sample in samples),
            statistics.median(sample.ours for sample in samples),
        )
        lines.append(
            f"{'' if phase else timing:<14} {phase or 'whole':<12} {len(samples):>4} "
            + " ".join(f"{_ms(figure):>8}" for figure in figures)
            + f" {_ms(statistics.median(apart)):>14} {_ms(p99(samples)):>7} {_ms(max(apart)):>7}"
        )
    lines += [
        "",
        f"Phases add up to their whole to within {results.worst_sum * 1000:.3f} ms.",
        f"Timings marked as taken while our own event loop stood still: {results.stalled}.",
    ]
    return "\n".join(lines)


def _place(timing: str, phase: str) -> tuple[str, int]:
    """Where a row stands: by timing, the whole before its phases, and those in the order of a start."""
    return timing, PHASES.index(phase) if phase else -1


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


def main() -> int:
    """Measure, print, and say by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description="Hold cold starts and wakes against the sandbox's truth log.")
    parser.add_argument("--cold", type=int, default=50, help="cold starts")
    parser.add_argument("--wakes", type=int, default=50, help="wakes, over the three ways")
    parser.add_argument("--speed", type=float, default=0.25, help="real seconds for a second of the platform")
    given = parser.parse_args()
    before = conditions()
    with a_sandbox(speed=given.speed, idle_seconds=IDLE_SECONDS) as sandbox:
        results = asyncio.run(measure(sandbox, colds=given.cold, wakes=given.wakes))
    print(f"Fidelity at speed {given.speed:g}, milliseconds. Before: {before}. After: {conditions()}.\n")
    print(table(results))
    missed = results.missed()
    print("\n".join(["", *(f"MISSED {one}" for one in missed)]) if missed else "\nEvery goal is met.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
