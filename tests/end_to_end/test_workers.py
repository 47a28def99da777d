"""Workers on a real database: one run for each tick, whatever the number of workers and however they end."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from sqlalchemy import select, text

from synthetics.clock import SystemClock
from synthetics.contract.probe import Probe
from synthetics.errors import PlatformError
from synthetics.metrics.collectors import Metrics
from synthetics.metrics.exporter import new_registry
from synthetics.model.grid import Grid
from synthetics.model.run import Outcome, RunKey, Trigger
from synthetics.running.journal import Judging
from synthetics.running.sweep import Sweep
from synthetics.scheduling.accounting import NOBODY, Accounting
from synthetics.scheduling.catalogue import Scheduled
from synthetics.scheduling.worker import Surroundings, Worker, working
from synthetics.settings import CostSettings, RetentionSettings, WorkerSettings
from synthetics.store import runs, tables
from synthetics.store.engine import Database
from tests.support.clock import FakeClock
from tests.support.engine import ASK, Context, FakePlatform, NoStalls, a_probe, until_cancelled, unused_spool

TICK = SystemClock().now()  # partitions exist around today only
QUICK = {"lease": timedelta(seconds=2), "drain": timedelta(seconds=5), "lock_wait": timedelta(seconds=1)}


def surroundings(
    database: Database, platform: FakePlatform, name: str, judge: Judging | None = None, **settings: Any
) -> Surroundings:
    return Surroundings(
        database=database,
        platform=platform,
        settings=WorkerSettings(**{**QUICK, **settings}),
        name=name,
        stalls=NoStalls(),
        told=Metrics(new_registry()),
        clock=SystemClock(),
        spool=unused_spool(),
        retention=RetentionSettings(),
        judge=judge,
        costs=CostSettings(),
    )


def every(probe: Probe, milliseconds: int) -> Scheduled:
    return Scheduled(probe, Grid.of(probe.name, timedelta(milliseconds=milliseconds)))


async def opens(ctx: Context) -> None:
    async with ctx.step(ASK):
        await ctx.platform.make(ctx.tag)
        ctx.cleanup(ctx.platform.unmake, ctx.tag)


async def outcomes_by_tick(database: Database, probe: str) -> dict[Any, list[str]]:
    async with database.transaction() as connection:
        found = await connection.execute(
            select(tables.runs.c.tick, tables.runs.c.outcome).where(
                tables.runs.c.probe == probe, tables.runs.c.trigger == Trigger.SCHEDULE.value
            )
        )
        by_tick: dict[Any, list[str]] = {}
        for tick, outcome in found:
            by_tick.setdefault(tick, []).append(outcome)
        return by_tick


async def test_two_workers_never_run_one_tick_twice(database: Database) -> None:
    platform, stop = FakePlatform(), asyncio.Event()
    plan = [every(a_probe(opens, name=f"door-{n}", every=timedelta(seconds=60)), 100) for n in range(10)]
    async with AsyncExitStack() as stack:
        for name in ("worker-1", "worker-2"):
            given = surroundings(database, platform, name, slots=20)
            worker = await stack.enter_async_context(working(given))
            stack.push_async_callback(asyncio.wait, {asyncio.create_task(worker.run_schedule(plan, stop))})
        while len(platform.scopes) < 150:
            await asyncio.sleep(0.05)
        stop.set()

    ran = Counter(scope.run_id for scope in platform.scopes)
    assert len(ran) >= 150
    assert max(ran.values()) == 1, "a tick was run twice"
    assert platform.things == []
    for scheduled in plan:
        by_tick = await outcomes_by_tick(database, scheduled.name)
        assert all(len(outcomes) == 1 for outcomes in by_tick.values())
        assert all(tick == scheduled.grid.at_or_before(tick) for tick in by_tick)


async def test_what_is_asked_for_is_run_once_beside_the_schedule(database: Database) -> None:
    platform, stop = FakePlatform(), asyncio.Event()
    subject = a_probe(opens, every=timedelta(days=1))
    async with AsyncExitStack() as stack:
        for name in ("worker-1", "worker-2"):
            worker = await stack.enter_async_context(working(surroundings(database, platform, name)))
            plan = [Scheduled(subject, Grid.of(subject.name, subject.spec.every))]
            stack.push_async_callback(asyncio.wait, {asyncio.create_task(worker.run_schedule(plan, stop))})
        keys = await asked(database, subject)
        async with asyncio.timeout(20):
            while await ended(database) < len(keys):
                await asyncio.sleep(0.05)
        stop.set()

    assert Counter(scope.run_id for scope in platform.scopes) == Counter(key.id for key in keys)
    async with database.transaction() as connection:
        found = (await connection.execute(select(tables.runs))).all()
    assert {(row.trigger, row.outcome) for row in found} == {("manual", "passed")}
    assert platform.things == []


async def asked(database: Database, subject: Probe) -> list[RunKey]:
    """Three runs that somebody asked for."""
    async with database.transaction() as connection:
        now = await runs.now(connection)
        keys = [RunKey(subject.name, "default", now + timedelta(seconds=n), Trigger.MANUAL) for n in range(3)]
        for key in keys:
            await runs.ask(connection, key, within=timedelta(minutes=1))
    return keys


async def ended(database: Database) -> int:
    """How many runs have ended."""
    async with database.transaction() as connection:
        outcomes = await connection.scalars(select(tables.runs.c.outcome))
        return sum(outcome is not None for outcome in outcomes)


async def test_a_first_failure_is_confirmed_once_and_the_next_is_not(database: Database) -> None:
    async def fails(ctx: Context) -> None:
        raise PlatformError("shut")

    platform, subject = FakePlatform(), a_probe(fails)
    async with working(surroundings(database, platform, "worker-1")) as worker:
        await tick(worker, subject, 0)
        await tick(worker, subject, 1)

    async with database.transaction() as connection:
        found = await connection.execute(select(tables.runs).order_by(tables.runs.c.started))
        told = [(run.trigger, run.outcome, run.confirms) for run in found]
    first = RunKey(subject.name, "default", TICK).id
    assert told == [
        ("schedule", "failed", None),
        ("confirm", "failed", first),
        ("schedule", "failed", None),
    ]


async def tick(worker: Worker, subject: Probe, number: int) -> None:
    key = RunKey(subject.name, "default", TICK + number * subject.spec.every)
    await worker.dispatch.tick(subject, key, patience=timedelta(seconds=1))


async def test_what_needs_the_platform_for_itself_waits_and_is_missed_in_the_end(database: Database) -> None:
    started = asyncio.Event()

    async def holds(ctx: Context) -> None:
        started.set()
        await until_cancelled()

    alone = a_probe(holds, name="alone", exclusive=frozenset({"everything"}))
    beside = a_probe(opens, name="beside", shares=frozenset({"everything"}))
    async with (
        working(surroundings(database, FakePlatform(), "worker-1")) as one,
        working(surroundings(database, FakePlatform(), "worker-2")) as other,
    ):
        holding = asyncio.create_task(tick(one, alone, 0))
        await started.wait()
        await tick(other, beside, 0)
        one.interrupt("the test is over")
        await holding

    async with database.transaction() as connection:
        row = (await connection.execute(select(tables.runs).where(tables.runs.c.probe == "beside"))).one()
    assert row.outcome == "missed"
    assert "could not be alone: 'everything' was not free within 1 s" in row.reason
    assert row.waited_seconds >= 1
    assert row.took_seconds == 0


async def test_a_drained_worker_lets_runs_finish_and_interrupts_what_does_not(database: Database) -> None:
    platform, stop, running = FakePlatform(), asyncio.Event(), asyncio.Event()

    async def hangs(ctx: Context) -> None:
        await ctx.platform.make(ctx.tag)
        ctx.cleanup(ctx.platform.unmake, ctx.tag)
        running.set()
        await until_cancelled()

    given = surroundings(database, platform, "worker-1", drain=timedelta(milliseconds=300))
    async with working(given) as worker:
        plan = [every(a_probe(hangs, every=timedelta(minutes=5)), 200)]
        serving = asyncio.create_task(worker.run_schedule(plan, stop))
        await running.wait()
        stop.set()
        await serving

    by_tick = await outcomes_by_tick(database, "front-door")
    assert ["interrupted"] in by_tick.values()
    assert {outcome for outcomes in by_tick.values() for outcome in outcomes} <= {"interrupted", "missed"}
    assert platform.things == []


async def test_a_run_that_lost_its_lease_is_closed_swept_and_stopped(database: Database) -> None:
    platform, made = FakePlatform(), asyncio.Event()

    async def leaves_a_door(ctx: Context) -> None:
        scope = platform.scopes[-1]
        entry = await scope.ledger.intend("door", "door-1")
        await ctx.platform.make("door-1")
        await scope.ledger.created(entry, "door-1")
        made.set()
        await until_cancelled()

    given = surroundings(database, platform, "worker-1", lease=timedelta(milliseconds=600))
    async with working(given) as worker:
        running = asyncio.create_task(tick(worker, a_probe(leaves_a_door), 0))
        await made.wait()
        removed = await swept_after_its_lease(database, platform)
        await running  # its own heartbeat finds the lease gone and stops it

    assert [entry.name for entry in removed] == ["door-1"]
    assert platform.things == []
    async with database.transaction() as connection:
        row = (await connection.execute(select(tables.runs))).one()
    assert (row.outcome, row.reason) == ("interrupted", "its lease ended, and another worker has closed it")


async def swept_after_its_lease(database: Database, platform: FakePlatform) -> Sequence[Any]:
    """End every lease by hand, as time would if the worker fell silent, and sweep before it is renewed."""
    sweep = Sweep(database, platform)
    async with asyncio.timeout(10):
        while True:
            async with database.transaction() as connection:
                await connection.execute(text("UPDATE runs SET lease_until = now() - interval '1 second'"))
            if (report := await sweep.once()).closed:
                return report.removed


async def test_the_sweep_tells_of_runs_under_way_and_leaves_theirs_alone(
    database: Database,
) -> None:
    platform = FakePlatform()
    made = asyncio.Event()

    async def holds_on(ctx: Context) -> None:
        await platform.scopes[-1].ledger.intend("door", "door-1")
        await ctx.platform.make("door-1")
        made.set()
        await until_cancelled()

    async with working(surroundings(database, platform, "worker-1")) as worker:
        running = asyncio.create_task(tick(worker, a_probe(holds_on), 0))
        await made.wait()
        report = await Sweep(database, platform).once()
        worker.interrupt("the test is over")
        await running
    after = await Sweep(database, platform).once()

    assert report.removed == report.found == ()
    assert report.under_way is not None
    assert report.under_way.count == 1
    assert report.under_way.until > SystemClock().now()
    assert [entry.name for entry in after.removed] == ["door-1"]
    assert after.under_way is None


async def test_what_the_sweep_cannot_remove_stays_in_the_ledger_with_its_reason(database: Database) -> None:
    platform = FakePlatform()
    platform.stuck = {"door-1"}

    async def leaves(ctx: Context) -> None:
        scope = platform.scopes[-1]
        for name in ("door-1", "door-2"):
            entry = await scope.ledger.intend("door", name)
            await ctx.platform.make(name)
            await scope.ledger.created(entry, name)

    async with working(surroundings(database, platform, "worker-1")) as worker:
        await tick(worker, a_probe(leaves), 0)
    first = await Sweep(database, platform).once()
    second = await Sweep(database, platform).once(dry_run=True)

    assert [entry.name for entry in first.removed] == ["door-2"]
    assert [(entry.name, entry.last_error) for entry in first.stuck] == [("door-1", "door-1 will not go")]
    assert [entry.name for entry in second.found] == ["door-1"]
    assert platform.things == ["door-1"]


async def test_ticks_that_nobody_started_are_missed_once_and_only_when_they_can_no_longer_start(
    database: Database,
) -> None:
    clock = FakeClock(SystemClock().now())
    scheduled = every(a_probe(opens, every=timedelta(minutes=1)), 60_000)
    accountants = [
        Accounting(database, plan=[scheduled], clock=clock, location="default", worker=name)
        for name in ("worker-1", "worker-2")
    ]
    claimed = scheduled.grid.after(clock.now())
    async with database.transaction() as connection:
        key = RunKey(scheduled.name, "default", claimed)
        await runs.claim(connection, key, worker="worker-1", lease=timedelta(minutes=1), tag="")
    clock.advance(timedelta(minutes=10))

    noted = [await accountant.note_missed() for accountant in accountants]

    by_tick = await outcomes_by_tick(database, scheduled.name)
    due = [
        moment
        for moment in scheduled.grid.between(claimed, clock.now())
        if clock.now() - moment >= 2 * scheduled.grace
    ]
    assert sum(noted) == len(due)
    assert by_tick == {claimed: [None], **{moment: [Outcome.MISSED.value] for moment in due}}
    async with database.transaction() as connection:
        reasons = (
            await connection.scalars(text("SELECT DISTINCT reason FROM runs WHERE outcome = 'missed'"))
        ).all()
    assert reasons == [NOBODY]


async def test_a_tick_while_the_one_before_is_going_on_is_recorded_as_skipped(database: Database) -> None:
    started = asyncio.Event()

    async def holds(ctx: Context) -> None:
        started.set()
        await until_cancelled()

    subject = a_probe(holds)
    async with working(surroundings(database, FakePlatform(), "worker-1")) as worker:
        first = asyncio.create_task(tick(worker, subject, 0))
        await started.wait()
        await tick(worker, subject, 1)
        worker.interrupt("the test is over")
        await first

    by_tick = await outcomes_by_tick(database, subject.name)
    assert by_tick[TICK + subject.spec.every] == ["missed"]
