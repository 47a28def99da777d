"""Wall clocks that are set while workers work: no tick runs twice, none late in a heap, none is forgotten."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest
from apscheduler.schedulers import base

from synthetics.clock import SystemClock
from synthetics.model.run import Outcome
from synthetics.scheduling.accounting import Accounting
from synthetics.scheduling.catalogue import Scheduled
from synthetics.scheduling.worker import Worker, working
from synthetics.store.engine import Database
from tests.end_to_end.test_workers import every, opens, outcomes_by_tick, surroundings
from tests.support.engine import FakePlatform, a_probe

HOUR = timedelta(hours=1)


class WallClock(SystemClock):
    """This machine's, which somebody sets; APScheduler reads the same one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off = off = [timedelta(0)]

        class Moment(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return datetime.now(tz) + off[0]

        monkeypatch.setattr(base, "datetime", Moment)

    def now(self) -> datetime:
        return super().now() + self.off[0]

    def step(self, by: timedelta) -> None:
        self.off[0] += by


@asynccontextmanager
async def at_work(
    database: Database, platform: FakePlatform, clock: WallClock, plan: Sequence[Scheduled]
) -> AsyncIterator[Worker]:
    stop = asyncio.Event()
    given = replace(surroundings(database, platform, "worker-1", slots=20), clock=clock)
    async with working(given) as worker:
        serving = asyncio.create_task(worker.run_schedule(plan, stop))
        yield worker
        stop.set()
        await serving


async def ran(platform: FakePlatform, more: int) -> None:
    """Return when so many more runs have begun."""
    wanted = len(platform.scopes) + more
    async with asyncio.timeout(20):
        while len(platform.scopes) < wanted:
            await asyncio.sleep(0.02)


def a_plan(count: int, milliseconds: int) -> list[Scheduled]:
    names = (f"door-{number}" for number in range(count))
    return [every(a_probe(opens, name=name, every=timedelta(minutes=1)), milliseconds) for name in names]


async def ticks(database: Database, plan: Sequence[Scheduled]) -> dict[str, dict[datetime, list[str]]]:
    """Every tick on record, gaps noted."""
    clock = SystemClock()
    await Accounting(database, plan=plan, clock=clock, location="default", worker="after").note_missed()
    return {scheduled.name: await outcomes_by_tick(database, scheduled.name) for scheduled in plan}


def assert_complete(plan: Sequence[Scheduled], found: dict[str, dict[datetime, list[str]]]) -> None:
    for scheduled in plan:
        by_tick = found[scheduled.name]
        first, last = min(by_tick), max(by_tick)
        assert sorted(by_tick) == [first, *scheduled.grid.between(first, last)]
        assert all(len(outcomes) == 1 for outcomes in by_tick.values())


async def test_a_workers_own_clock_may_be_set_by_an_hour_and_nothing_happens(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, clock, plan = FakePlatform(), WallClock(monkeypatch), a_plan(5, 250)
    began = SystemClock().now()
    async with at_work(database, platform, clock, plan):
        await ran(platform, 10)
        for step in (-HOUR, 2 * HOUR):
            clock.step(step)
            await ran(platform, 15)
    ended = SystemClock().now()

    assert max(Counter(scope.run_id for scope in platform.scopes).values()) == 1
    found = await ticks(database, plan)
    assert_complete(plan, found)
    on_record = [tick for by_tick in found.values() for tick in by_tick]
    assert began - timedelta(seconds=1) <= min(on_record), "a tick of an hour ago was run, or missed"
    assert max(on_record) <= ended, "a tick that is not due yet was run, or missed"


async def test_what_the_whole_machines_clock_leaps_over_is_missed_and_what_it_repeats_runs_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, clock, plan, leap = FakePlatform(), WallClock(monkeypatch), a_plan(2, 250), timedelta(minutes=1)
    monkeypatch.setattr(Database, "now", _machine_time(Database.now, clock))
    async with at_work(database, platform, clock, plan) as worker:
        await ran(platform, 4)
        clock.step(leap)
        before = len(platform.scopes)
        await ran(platform, 6)
        at_once = platform.scopes[before : before + len(plan) + 2]
        assert max(Counter(scope.probe for scope in at_once).values()) <= 2, (
            "what was leapt over is caught up with"
        )
        clock.step(-leap)
        await asyncio.sleep(1.5)  # time for runs that should not be
    assert not worker.claims.held()

    assert max(Counter(scope.run_id for scope in platform.scopes).values()) == 1
    accounting = Accounting(database, plan=plan, clock=_Ahead(leap), location="default", worker="after")
    await accounting.note_missed()
    for scheduled in plan:
        by_tick = await outcomes_by_tick(database, scheduled.name)
        assert_complete([scheduled], {scheduled.name: by_tick})
        missed = [tick for tick, outcomes in by_tick.items() if outcomes == [Outcome.MISSED.value]]
        assert len(missed) >= 0.9 * (leap / scheduled.grid.every)


class _Ahead(SystemClock):
    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


def _machine_time(now: Callable[[Database], Any], clock: WallClock) -> Callable[[Database], Any]:
    """The database's clock, on the machine whose clock is set."""

    async def told(database: Database) -> datetime:
        answer: datetime = await now(database) + clock.off[0]
        return answer

    return told
