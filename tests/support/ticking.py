"""A worker as a process: many tiny probes at short intervals, each execution noted in a file.

`python -m tests.support.ticking URL NAME FILE` works until SIGTERM. Several may share a database and a file.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

from synthetics.clock import SystemClock
from synthetics.contract.platform import RunScope
from synthetics.metrics.collectors import Metrics
from synthetics.metrics.exporter import new_registry
from synthetics.model.grid import Grid
from synthetics.scheduling.catalogue import Scheduled
from synthetics.scheduling.worker import Surroundings, working
from synthetics.settings import CostSettings, RetentionSettings, WorkerSettings
from synthetics.store.engine import Database
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


def plan() -> Iterator[Scheduled]:
    """The probes, each on its grid; shorter than any that settings would allow."""
    for number in range(PROBES):
        probe = a_probe(opens, name=f"door-{number}")
        yield Scheduled(probe, Grid.of(probe.name, EVERY))


async def work(url: str, name: str, file: int) -> None:
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
        spool=unused_spool(),
        retention=RetentionSettings(),
        costs=CostSettings(),
    )
    async with working(given) as worker:
        await worker.run_schedule(tuple(plan()), stop)
    await database.close()


if __name__ == "__main__":
    url, name, path = sys.argv[1:]
    asyncio.run(work(url, name, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)))
