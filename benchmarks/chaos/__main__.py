"""Break things: `python -m benchmarks.chaos [WHAT…] [--times N] [--seed S]`.

WHAT is one of `kills` (a real worker killed at random instants, over all families, on one sandbox),
`database-…` (Postgres stopped, killed, paused, read-only under way), `crowd` (three workers, one killed every
few seconds, N ticks), `wire-…` and `platform-wire-…` (the way to the database, and to the platform, delayed,
dropped, cut), and `platform-paused`, `container-killed`, `container-paused`. Without any, all of them.

Prints a table, and exits 1 unless nothing was lost, doubled or leaked. A seed says which instants are drawn;
what the machine does between them is its own.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.chaos import kills, outages
from benchmarks.chaos.verdict import Verdict, table, troubles
from benchmarks.machine import conditions
from synthetics import log
from synthetics.log import LogLevel
from tests.support import server, wire

Scenario = Callable[[int, int, Path], Verdict]

#: What can be broken, and how often in earnest.
WHAT: dict[str, tuple[Scenario, int]] = {
    "kills": (kills.kills, 200),
    **{f"database-{way}": (partial(outages.outages, way), 20) for way in server.WAYS},
    "crowd": (outages.crowd, 1_000),
    **{f"wire-{way}": (partial(outages.wires, way), 20) for way in wire.WAYS},
    **{what.replace(" ", "-"): (partial(kills.parts, what), 20) for what in kills.PARTS},
    **{f"platform-wire-{way}": (partial(kills.wired, way), 20) for way in wire.WAYS},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Break, print, and say by the exit code whether nothing was lost, doubled or left."""
    parser = argparse.ArgumentParser(description="Break the service and what it leans on, again and again.")
    parser.add_argument("what", nargs="*", choices=[[], *WHAT], help="what to break; everything by default")
    parser.add_argument(
        "--times", type=int, help="how often (of `crowd`: how many ticks); by default as in earnest"
    )
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    log.configure(level=LogLevel.ERROR)  # what is missed and interrupted is what this is about
    before, began, verdicts = conditions(), time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="synthetics-chaos-") as directory:
        for what in given.what or WHAT:
            scenario, often = WHAT[what]
            verdicts.append(scenario(given.times or often, given.seed, Path(directory) / what))
            sys.stderr.write(f"{table(verdicts[-1:]).splitlines()[-1]}\n")
    took = time.monotonic() - began
    print(f"Seed {given.seed}, {took:.0f} s. Before: {before}. After: {conditions()}.\n")
    print(table(verdicts))
    for trouble in troubles(verdicts):
        print(f"\n{trouble}")
    return 0 if all(verdict.clean for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
