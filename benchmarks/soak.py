"""The probes on a platform that keeps its promises: `python -m benchmarks.soak [CYCLES] [--probe …] [--busy]`.

Runs the whole catalogue, or these probes, so many times on one sandbox without any fault: those that need the
edit service for themselves one after the other, then the others side by side. A run that does not pass is a
false alarm.
Exits 1 if there was one, if a clean-up failed, or if anything at all is left on the sandbox at the end.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import probes
from benchmarks.machine import a_monitor, a_sandbox, busy, conditions
from benchmarks.suite import run_together
from synthetics.contract.probe import Probe
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome, Run
from tests.support.sandbox import RunningSandbox

DIALECTS = ("path", "lambda")
IDLE_SECONDS = 3.0
#: How long the platform's own jobs may need to follow the last clean-up.
SETTLING_SECONDS = 5.0


@dataclass(slots=True)
class Soaked:
    """What came of all runs."""

    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    timings: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.troubles and not self.leftovers

    def add(self, run: Run, *, cycle: int, dialect: str) -> None:
        """Count one run, and keep what was wrong with it."""
        self.outcomes[run.key.probe, run.outcome] += 1
        for timing in run.timings:
            self.timings.setdefault((timing.name, timing.path), []).append(timing.took.total_seconds())
        where = f"{run.key.probe}, cycle {cycle}, {dialect}, tag {run.tag}"
        if run.outcome is not Outcome.PASSED:
            self.troubles.append(f"{where}: {run.outcome}: {run.reason}")
        self.troubles += [f"{where}: clean-up: {error}" for error in run.cleanup_errors]
        self.troubles += [
            f"{where}: {check.case} is degraded: {check.reason}"
            for check in run.checks
            if check.outcome is CheckOutcome.DEGRADED
        ]


async def soak(
    sandbox: RunningSandbox, *, cycles: int, catalogue: Sequence[Probe], dialects: Sequence[str]
) -> Soaked:
    """So many cycles; the dialects take turns. What is left is looked for once all is over."""
    soaked = Soaked()
    for cycle in range(cycles):
        dialect, told = dialects[cycle % len(dialects)], len(soaked.troubles)
        async with a_monitor(sandbox, ROUTING_DIALECT=dialect) as monitor:
            for run in await run_together(monitor.run, catalogue):
                soaked.add(run, cycle=cycle, dialect=dialect)
        _progress(f"cycle {cycle + 1}/{cycles}, {len(soaked.troubles)} troubles", soaked.troubles[told:])
    soaked.leftovers = await asyncio.to_thread(_leftovers, sandbox)
    return soaked


def _progress(where: str, troubles: Sequence[str]) -> None:
    """How far it is, and what has just gone wrong: nobody wants to wait an hour for that."""
    end = "\r" if sys.stderr.isatty() and not troubles else "\n"
    print(where, *troubles, sep="\n  ", end=end, file=sys.stderr, flush=True)


def _leftovers(sandbox: RunningSandbox) -> list[str]:
    """What is still there once the platform has had time to settle."""
    until = time.monotonic() + SETTLING_SECONDS
    while (left := everything_on(sandbox)) and time.monotonic() < until:
        time.sleep(0.2)
    return left


def everything_on(sandbox: RunningSandbox) -> list[str]:
    """Every row, container queue, edit task that runs, and workspace of the sandbox, whoever made it."""
    names = sandbox.settings
    found = []
    for table in (
        names.session_table,
        names.thread_mapping_table,
        names.container_table,
        names.queue_tracking_table,
    ):
        found += [f"row of {table}: {item}" for item in sandbox.dynamodb.scan(TableName=table)["Items"]]
    own = {names.email_queue_name, names.email_dlq_name}
    queues = sandbox.sqs.list_queues().get("QueueUrls", [])
    found += [f"queue {url}" for url in queues if url.rpartition("/")[2] not in own]
    arns = sandbox.ecs.list_tasks(cluster=names.cluster_name)["taskArns"]
    hermes = sandbox.ecs.list_tasks(cluster=names.cluster_name, serviceName=names.hermes_service)["taskArns"]
    found += [f"task {arn}" for arn in arns if arn not in hermes]
    return found + [f"workspace {path}" for path in sorted(names.workspace_root.glob("*"))]


def table(soaked: Soaked) -> str:
    """The results, for people."""
    head = f"{'probe':<20}" + "".join(f"{outcome:>13}" for outcome in Outcome)
    lines = [head, "-" * len(head)]
    for probe in dict.fromkeys(probe for probe, _ in soaked.outcomes):
        counts = "".join(f"{soaked.outcomes[probe, outcome]:>13}" for outcome in Outcome)
        lines.append(f"{probe:<20}{counts}")
    lines += ["", f"{'timing':<20}{'n':>6}{'median s':>10}{'max s':>9}", "-" * 45]
    for (name, path), took in soaked.timings.items():
        lines.append(
            f"{' '.join(filter(None, (name, path))):<20}{len(took):>6}"
            f"{statistics.median(took):>10.3f}{max(took):>9.3f}"
        )
    lines += ["", f"Left on the sandbox: {len(soaked.leftovers) or 'nothing'}."]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print, and say by the exit code whether all was clean."""
    parser = argparse.ArgumentParser(description="Run probes again and again where nothing is wrong.")
    parser.add_argument("cycles", type=int, nargs="?", default=200)
    parser.add_argument("--probe", action="append", choices=[probe.name for probe in probes.CATALOGUE])
    parser.add_argument("--dialect", choices=DIALECTS, help="default: both, taking turns")
    parser.add_argument("--busy", action="store_true", help="keep one core busy all the while")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="real seconds until containers sleep")
    parser.add_argument("--speed", type=float, default=0.05, help="real seconds for a second of the platform")
    given = parser.parse_args(arguments)
    catalogue = [probe for probe in probes.CATALOGUE if given.probe is None or probe.name in given.probe]
    dialects = (given.dialect,) if given.dialect else DIALECTS
    before = conditions()
    with busy(given.busy), a_sandbox(speed=given.speed, idle_seconds=given.idle) as sandbox:
        soaked = asyncio.run(soak(sandbox, cycles=given.cycles, catalogue=catalogue, dialects=dialects))
        # told before the sandbox ends: an hour of results does not hang on how that goes
        print(f"{given.cycles} cycles at speed {given.speed:g}. Before: {before}. After: {conditions()}.\n")
        print(table(soaked))
        for trouble in (*soaked.troubles, *(f"left behind: {one}" for one in soaked.leftovers)):
            print(f"\n{trouble}")
        sys.stdout.flush()
    return 0 if soaked.clean else 1


if __name__ == "__main__":
    sys.exit(main())
