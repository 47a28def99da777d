"""How long judging the past takes: `python -m benchmarks.backtest [--series 50] [--points 35000]`.

Fills a database of its own with a year of made-up timings at 15 minutes and times the command that people use,
`synthetics backtest`, from its start to its end: for one series, then for all. Exits 1 if a goal is missed.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.history import Past, write
from benchmarks.machine import conditions
from synthetics.store import partitions
from synthetics.store.embedded import EmbeddedPostgres
from synthetics.store.engine import Database

ONE_GOAL, ALL_GOAL = 20.0, 600.0
EVERY = timedelta(minutes=15)
PROBE = "probe-{}"


def main() -> int:
    """Fill, judge, print, and say by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description="Time `synthetics backtest`.")
    parser.add_argument("--series", type=int, default=50)
    parser.add_argument("--points", type=int, default=35_000)
    given = parser.parse_args()
    until = datetime.now(UTC)
    names = [PROBE.format(place) for place in range(given.series)]
    pasts = [Past(name, "cold_start", given.points, EVERY, until) for name in names]
    with tempfile.TemporaryDirectory(prefix="synthetics-backtest-") as directory:
        state = Path(directory)
        command(state, "migrate")
        server = EmbeddedPostgres(state)
        server.start_blocking()
        try:
            cover(server.url, pasts[0].since, until)
            write(server.url, *pasts)
            since = f"--since={pasts[0].since.isoformat()}"
            print(f"{given.points} values a series. Before: {conditions()}.")
            met = timed("one series", ONE_GOAL, state, "backtest", since, f"--probe={names[0]}")
            met &= timed(f"{given.series} series", ALL_GOAL, state, "backtest", since)
        finally:
            server.stop_blocking()
    return 0 if met else 1


def timed(what: str, goal: float, state: Path, *arguments: str) -> bool:
    """Run the command, print how long it took and what it found; whether the goal is met."""
    began = time.monotonic()
    told = json.loads(command(state, *arguments, "--json"))
    took = time.monotonic() - began
    met = took < goal
    said = "met" if met else "MISSED"
    print(f"{what:<12}{took:>8.1f} s   goal < {goal:g} s  {said}; {len(told)} would have been told")
    return met


def cover(url: str, since: datetime, until: datetime) -> None:
    """Make the partitions for this span."""

    async def covered() -> None:
        database = Database(url)
        try:
            await partitions.cover(database, since, until)
        finally:
            await database.close()

    asyncio.run(covered())


def command(state: Path, *arguments: str) -> str:
    """Run `synthetics` with this state directory; its standard output. Raises CalledProcessError."""
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "SYNTHETICS_STATE_DIR": str(state), "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-m", "synthetics", *arguments],
        env=environment, cwd=state, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
