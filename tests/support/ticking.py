"""A worker as a process: many tiny probes at short intervals, each execution noted in a file.

`python -m tests.support.ticking URL NAME FILE` works until SIGTERM. Several may share a database and a file.
With `--spool DIRECTORY` what the database does not take waits there, with `--lasting SECONDS` each run lasts
up to so long and writes to its ledger, and `--every SECONDS` is the probes' interval.
"""

import argparse
import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from synthetics.clock import SystemClock
from synthetics.contract.platform import RunScope
from synthetics.contract.probe import Scenario
from synthetics.metrics.collectors import Metrics
from synthetics.metrics.exporter import new_registry
from synthetics.model.grid import Grid
from synthetics.scheduling.catalogue import Scheduled
from synthetics.scheduling.worker import Surroundings, working
from synthetics.settings import CostSettings, RetentionSettings, WorkerSettings
from synthetics.store.engine import Database
from synthetics.store.spool import Spool
from tests.support.engine import ASK, Context, FakePlatform, NoStalls, a_probe, unused_spool

LEASE = timedelta(seconds=1)
EVERY = timedelta(milliseconds=500)
PROBES = 30


class NotingPlatform(FakePlatform):
    """Writes the id of every run that is executed, one line each."""

    def __init__(self, file: int) -> None:
        super().__init__()
        self._file = file

    @asynccontextmanager
    async def open(self, scope: RunScope) -> AsyncIterator[FakePlatform]:
        os.write(self._file, f"{scope.run_id}\n".encode())  # one write: lines of two processes never mix
        async with super().open(scope) as clients:
            yield clients


async def opens(ctx: Context) -> None:
    """Somebody who asks is answered."""
    async with ctx.step(ASK):
        await asyncio.sleep(0.01)


def lasting(longest: float) -> Scenario:
    """A scenario that lasts up to so many seconds, and makes a thing meanwhile."""

    async def makes(ctx: Context) -> None:
        """Somebody who asks for a thing has it, and gives it back."""
        ledger = next(scope.ledger for scope in reversed(ctx.platform.scopes) if scope.tag == ctx.tag)
        async with ctx.step(ASK):
            entry = await ledger.intend("thing", ctx.tag)
            await asyncio.sleep(random.uniform(0, longest))
            await ledger.created(entry, ctx.tag)
            await ledger.gone("thing", ctx.tag)

    return makes


def plan(every: timedelta = EVERY, scenario: Scenario = opens) -> Iterator[Scheduled]:
    """The probes, each on its grid; shorter than any that settings would allow."""
    for number in range(PROBES):
        probe = a_probe(scenario, name=f"door-{number}")
        yield Scheduled(probe, Grid.of(probe.name, every))


async def work(url: str, name: str, file: int, spool: Spool, planned: Sequence[Scheduled]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = Database(url, pool_size=10)
    settings = WorkerSettings(slots=50, lease=LEASE, sweep_every=LEASE, drain=timedelta(seconds=10))
    given = Surroundings(
        database=database,
        platform=NotingPlatform(file),
        settings=settings,
        name=name,
        stalls=NoStalls(),
        told=Metrics(new_registry()),
        clock=SystemClock(),
        spool=spool,
        retention=RetentionSettings(),
        costs=CostSettings(),
    )
    async with working(given) as worker:
        await worker.run_schedule(planned, stop)
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    for given in ("url", "name", "file"):
        parser.add_argument(given)
    parser.add_argument("--spool", type=Path)
    parser.add_argument("--lasting", type=float, default=0.0)
    parser.add_argument("--every", type=float, default=EVERY.total_seconds())
    told = parser.parse_args()
    planned = plan(timedelta(seconds=told.every), lasting(told.lasting) if told.lasting else opens)
    spool = Spool(told.spool) if told.spool else unused_spool()
    executed = os.open(told.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    asyncio.run(work(told.url, told.name, executed, spool, tuple(planned)))


if __name__ == "__main__":
    main()
