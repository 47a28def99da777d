"""The database goes away in the middle of runs: they go on, and each is recorded once, in the end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from synthetics.clock import SystemClock
from synthetics.contract.probe import Probe
from synthetics.metrics.collectors import Metrics
from synthetics.metrics.exporter import new_registry
from synthetics.model.run import Outcome
from synthetics.running import journal
from synthetics.scheduling.accounting import AWAY, NOBODY, Accounting
from synthetics.scheduling.worker import Surroundings, Worker, working
from synthetics.store import migrating, partitions, tables
from synthetics.store.engine import Database
from synthetics.store.spool import Spool
from tests.end_to_end.test_workers import every, surroundings, tick
from tests.support.clock import FakeClock
from tests.support.engine import ASK, Context, FakePlatform, a_probe
from tests.support.server import WAYS, Server


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database is given up, and tried again, sooner than in earnest."""
    monkeypatch.setattr(journal, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(journal, "_RETRY_SECONDS", 0.1)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    server = Server(tmp_path)
    server.start()
    migrating.upgrade(server.url)
    return server


@dataclass
class Outage:
    """A probe that waits between what it makes; whoever breaks the database then lets it go on."""

    under_way: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def probe(self) -> Probe:
        async def makes_two(ctx: Context) -> None:
            ledger = ctx.platform.scopes[-1].ledger
            async with ctx.step(ASK):
                first = await ledger.intend("thing", "first")
                self.under_way.set()
                await self.go_on.wait()
                await ledger.created(first, "the first")
                await ledger.created(await ledger.intend("thing", "second"), "the second")
                await ledger.gone("thing", "the second")
                await ledger.gone("thing", "the first")

        return a_probe(makes_two, timeout=timedelta(seconds=60), every=timedelta(minutes=5))


@asynccontextmanager
async def a_worker(
    server: Server, place: Path, told: Metrics | None = None
) -> AsyncIterator[tuple[Worker, Surroundings]]:
    database = Database(server.url)
    await partitions.make_ahead(database, SystemClock().now())
    given = replace(
        surroundings(database, FakePlatform(), "worker-1"),
        spool=Spool(place / "spool"),
        told=told or Metrics(new_registry()),
    )
    try:
        async with working(given) as worker:
            yield worker, given
    finally:
        await database.close()


@pytest.mark.parametrize(
    "way",
    # A paused server is given up twice, and the driver waits five seconds each time for it to stop a statement.
    [pytest.param(way, marks=pytest.mark.long) if way == "paused" else way for way in WAYS],
)
async def test_a_run_goes_on_and_is_recorded_once(server: Server, tmp_path: Path, way: str) -> None:
    away, back = WAYS[way]
    outage = Outage()
    async with a_worker(server, tmp_path) as (worker, given):
        running = asyncio.create_task(tick(worker, outage.probe, 0))
        await outage.under_way.wait()
        await asyncio.to_thread(away, server)
        outage.go_on.set()
        await asyncio.wait_for(running, 20)
        assert len(given.spool) > 0, "the run is on the disk"

        await asyncio.to_thread(back, server)
        await until(lambda: len(given.spool) == 0)

        assert await recorded(given.database) == [(Outcome.PASSED, None)]
        assert await still_there(given.database) == []
    server.stop()


async def test_what_a_killed_worker_had_spooled_is_recorded_by_the_next(server: Server, tmp_path: Path) -> None:
    outage = Outage()
    async with a_worker(server, tmp_path) as (worker, given):
        running = asyncio.create_task(tick(worker, outage.probe, 0))
        await outage.under_way.wait()
        await asyncio.to_thread(server.stop)
        outage.go_on.set()
        await running
        left = len(given.spool)

    await asyncio.to_thread(server.start)
    async with a_worker(server, tmp_path) as (_, given):
        await until(lambda: len(given.spool) == 0)
        assert left > 0
        assert await recorded(given.database) == [(Outcome.PASSED, None)]
        assert await still_there(given.database) == []
    server.stop()


async def test_metrics_tell_what_waits(server: Server, tmp_path: Path) -> None:
    registry, outage = new_registry(), Outage()
    async with a_worker(server, tmp_path, told=Metrics(registry)) as (worker, _):
        running = asyncio.create_task(tick(worker, outage.probe, 0))
        await outage.under_way.wait()
        await asyncio.to_thread(server.stop)
        outage.go_on.set()
        await running
        assert (registry.get_sample_value("synthetics_spool_runs") or 0) >= 1
        await asyncio.to_thread(server.start)
        await until(lambda: registry.get_sample_value("synthetics_spool_runs") == 0)
    assert registry.get_sample_value("synthetics_runs_lost_total", {"probe": outage.probe.name}) is None
    server.stop()


async def test_a_run_that_neither_database_nor_disk_takes_is_lost_loudly(
    server: Server, tmp_path: Path
) -> None:
    registry, outage = new_registry(), Outage()
    (tmp_path / "spool").write_text("a file where the directory should be")
    async with a_worker(server, tmp_path, told=Metrics(registry)) as (worker, _):
        running = asyncio.create_task(tick(worker, outage.probe, 0))
        await outage.under_way.wait()
        await asyncio.to_thread(server.stop)
        outage.go_on.set()
        await running
    lost = registry.get_sample_value("synthetics_runs_lost_total", {"probe": outage.probe.name})
    assert lost == 1, "it waited in memory until the service ended"


async def test_ticks_that_were_due_meanwhile_say_why_they_were_missed(database: Database) -> None:
    clock = FakeClock(SystemClock().now())  # partitions exist around today only
    scheduled = every(a_probe(_nothing), 60_000)
    accounting = Accounting(database, plan=[scheduled], clock=clock, location="default", worker="worker-1")
    first = scheduled.grid.after(clock.now())
    accounting.database_away(first)
    clock.advance(timedelta(minutes=3))

    await accounting.note_missed()

    async with database.transaction() as connection:
        found = await connection.execute(select(tables.runs.c.reason).order_by(tables.runs.c.tick))
        assert [reason for (reason,) in found][:2] == [AWAY, NOBODY]


async def _nothing(ctx: Context) -> None:
    """Nothing is asked."""


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.05)


async def recorded(database: Database) -> list[tuple[Outcome, UUID | None]]:
    async with database.transaction() as connection:
        found = await connection.execute(select(tables.runs.c.outcome, tables.runs.c.confirms))
        return [(Outcome(outcome), confirms) for outcome, confirms in found]


async def still_there(database: Database) -> list[str]:
    async with database.transaction() as connection:
        found = await connection.execute(
            select(tables.resources.c.name).where(tables.resources.c.state != "gone")
        )
        return [name for (name,) in found]
