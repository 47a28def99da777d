"""The whole suite at once, and what it asks for: `python -m benchmarks.suite [--speed …]`.

Runs every probe of the catalogue on one sandbox as the scheduler would: those that need something for
themselves one after the other, all others together. Prints how long each took, how long all together and the
sum, and how often each asked AWS and, over HTTP, the platform; then those requests by service and operation.
Goals: those that run together take at most 1.3 times the longest of them, and no table is listed whole.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from textwrap import fill

import probes
from benchmarks.machine import a_monitor, a_sandbox, conditions
from synthetics.contract.probe import Probe
from synthetics.model.run import Outcome, Run

GOAL = 1.3
#: What is asked by requests of our own; everything else is AWS, whose operations are named as there.
HTTP = ("alb", "hermes")
_NAME, _WIDTH = 22, 112
_KEEP = "\N{NO-BREAK SPACE}"

RunOne = Callable[[Probe], Awaitable[Run]]


async def run_together(run: RunOne, catalogue: Sequence[Probe]) -> list[Run]:
    """Every probe once: what must be alone first, one after the other, then the others side by side."""
    alone = [probe for probe in catalogue if probe.spec.exclusive]
    together = [probe for probe in catalogue if not probe.spec.exclusive]
    ended = [await run(probe) for probe in alone]
    return ended + list(await asyncio.gather(*(run(probe) for probe in together)))


@dataclass(slots=True)
class Suite:
    """One pass through the catalogue: runs, what each asked, and how long those side by side took in all."""

    runs: dict[str, Run]
    requests: dict[str, Counter[tuple[str, str]]]
    together: float

    @property
    def longest(self) -> float:
        """Seconds of the longest run among those side by side."""
        return max((self.took(probe) for probe in self.side_by_side), default=0.0)

    @property
    def side_by_side(self) -> list[str]:
        return [probe.name for probe in probes.CATALOGUE if not probe.spec.exclusive]

    @property
    def ratio(self) -> float:
        """How much longer all together took than the longest of them."""
        return self.together / self.longest if self.longest else 0.0

    @property
    def scans(self) -> list[str]:
        """The probes that listed a table."""
        return [probe for probe, asked in self.requests.items() if any(op == "Scan" for _, op in asked)]

    def took(self, probe: str) -> float:
        return self.runs[probe].took.total_seconds()


async def once(speed: float) -> Suite:
    """The whole catalogue once, each probe with a meter of its own."""
    runs: dict[str, Run] = {}
    requests: dict[str, Counter[tuple[str, str]]] = {}
    began = time.monotonic()

    with a_sandbox(speed=speed, idle_seconds=None) as sandbox:

        async def one(probe: Probe) -> Run:
            async with a_monitor(sandbox) as monitor:
                runs[probe.name] = run = await monitor.run(probe)
            requests[probe.name] = Counter((service, op) for service, op, _ in monitor.meter.requests)
            return run

        await run_together(one, [probe for probe in probes.CATALOGUE if probe.spec.exclusive])
        began = time.monotonic()
        await run_together(one, [probe for probe in probes.CATALOGUE if not probe.spec.exclusive])
        return Suite(runs, requests, time.monotonic() - began)


def table(suite: Suite) -> str:
    """Times and requests, for people."""
    head = f"{'probe':<{_NAME}}{'alone':>7}{'outcome':>12}{'seconds':>10}{'AWS':>8}{'HTTP':>8}{'a second':>10}"
    lines = [head, "-" * len(head)]
    for probe, run in suite.runs.items():
        asked, took = suite.requests[probe], suite.took(probe)
        http = sum(many for (service, _), many in asked.items() if service in HTTP)
        alone = "" if probe in suite.side_by_side else "yes"
        rate = asked.total() / took if took else 0.0
        told = f"{took:>10.1f}{asked.total() - http:>8}{http:>8}{rate:>10.1f}"
        lines.append(f"{probe:<{_NAME}}{alone:>7}{run.outcome.value:>12}{told}")
    total = sum(suite.took(probe) for probe in suite.side_by_side)
    met = "met" if suite.ratio <= GOAL else "MISSED"
    lines += [
        "",
        f"Side by side {suite.together:.1f} s, one after the other {total:.1f} s, "
        f"the longest {suite.longest:.1f} s: {suite.ratio:.2f} times the longest   goal <= {GOAL}   {met}",
        "",
        "Requests of a run, the most frequent first:",
        "",
    ]
    return "\n".join([*lines, *(_asked(probe, asked) for probe, asked in suite.requests.items())])


def _asked(probe: str, asked: Counter[tuple[str, str]]) -> str:
    each = [f"{service}:{operation}{_KEEP}{many}" for (service, operation), many in asked.most_common()]
    told = fill(f"{probe:<{_NAME}}{', '.join(each)}", width=_WIDTH, subsequent_indent=" " * _NAME)
    return told.replace(_KEEP, " ")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and say by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description="The whole suite at once, and what it asks for.")
    parser.add_argument("--speed", type=float, default=0.25, help="real seconds for a second of the platform")
    given = parser.parse_args(arguments)
    before = conditions()
    suite = asyncio.run(once(given.speed))
    print(f"At speed {given.speed:g}. Before: {before}. After: {conditions()}.\n")
    print(table(suite))
    bad = [run for run in suite.runs.values() if run.outcome is not Outcome.PASSED]
    for run in bad:
        print(f"\n{run.key.probe}: {run.outcome.value}: {run.reason}")
    if suite.scans:
        print(f"\nA table was listed by {', '.join(suite.scans)}")
    return 0 if suite.ratio <= GOAL and not bad and not suite.scans else 1


if __name__ == "__main__":
    sys.exit(main())
