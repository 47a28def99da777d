"""A worker: everything that runs probes, put together, started and drained as one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from synthetics.background import ended
from synthetics.clock import Clock
from synthetics.contract.context import StallWatch
from synthetics.contract.platform import Platform, RequestMeter
from synthetics.contract.probe import Probe
from synthetics.contract.progress import Progress, Unwatched
from synthetics.costs.prices import Prices
from synthetics.errors import PlatformError, ProbeBroken, StoreError
from synthetics.model.run import Run, RunKey, Trigger
from synthetics.running.budget import Budget
from synthetics.running.claims import Claims
from synthetics.running.control import Control
from synthetics.running.dispatch import Dispatch, Limits
from synthetics.running.journal import Journal, Judging
from synthetics.running.ledger import StoredLedger
from synthetics.running.recorder import Recorder
from synthetics.running.runner import Runner
from synthetics.running.sweep import Sweep
from synthetics.scheduling.accounting import Accounting
from synthetics.scheduling.catalogue import Scheduled
from synthetics.scheduling.charge import Charge
from synthetics.scheduling.scheduler import Scheduler
from synthetics.scheduling.timekeeping import SharedClock
from synthetics.settings import CostSettings, RetentionSettings, WorkerSettings
from synthetics.store import partitions
from synthetics.store.engine import Database
from synthetics.store.retention import retire
from synthetics.store.rollups import roll_up
from synthetics.store.spool import Spool
from synthetics.version import __version__

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_DAY = timedelta(days=1)
_SOON = timedelta(minutes=1)
_ROLL_UP_EVERY = timedelta(minutes=20)
#: The platform's own orphans take an hour to become that, and a look costs a read for each container.
_ORPHANS_EVERY = timedelta(hours=1)


class Told(RequestMeter, Protocol):
    """Who counts and measures what a worker does."""

    def run_started(self) -> None: ...

    def run_ended(self) -> None: ...

    def run_finished(self, run: Run) -> None: ...

    def tick_lateness(self, late: timedelta) -> None: ...

    def leaked(self, kind: str) -> None: ...

    def stuck(self, kinds: Iterable[str]) -> None: ...

    def orphans(self, kinds: Iterable[str]) -> None: ...

    def runs_waiting(self, count: int) -> None: ...

    def run_lost(self, probe: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker is given; `spool` keeps what waits for the database, `version` is that of the code.

    Without `judge` runs are only kept; `publish` takes every finished run elsewhere.
    """

    database: Database
    platform: Platform
    settings: WorkerSettings
    name: str
    stalls: StallWatch
    told: Told
    clock: Clock
    spool: Spool
    retention: RetentionSettings
    costs: CostSettings
    judge: Judging | None = None
    publish: Callable[[Run], None] | None = None
    version: str = __version__


class Worker:
    """Runs ticks on schedule, or single probes on demand; made by `working`."""

    def __init__(self, given: Surroundings, dispatch: Dispatch, claims: Claims) -> None:
        self._given = given
        self.dispatch = dispatch
        self.claims = claims

    async def run_now(self, probe: Probe) -> Run | None:
        """Run this probe once, at once; its run is recorded. None if it could not be claimed."""
        key = RunKey(probe.name, self._given.settings.location, self._given.clock.now(), Trigger.MANUAL)
        return await self.dispatch.tick(probe, key, patience=self._given.settings.lock_wait)

    async def run_schedule(self, plan: Sequence[Scheduled], stop: asyncio.Event) -> None:
        """Run every due tick of the plan until `stop` is set, then drain."""
        given = self._given
        due = [scheduled for scheduled in plan if scheduled.enabled]
        clock = SharedClock(given.clock)
        charge = Charge(
            given.database,
            plan=plan,
            version=given.version,
            location=given.settings.location,
            worker=given.name,
            clock=clock,
        )
        scheduler = Scheduler(
            plan=due,
            dispatch=self.dispatch,
            accounting=Accounting(
                given.database,
                plan=due,
                clock=clock,
                location=given.settings.location,
                worker=given.name,
                charge=charge,
            ),
            charge=charge,
            database=given.database,
            clock=clock,
            location=given.settings.location,
            lateness=given.told.tick_lateness,
        )
        chores = [
            asyncio.create_task(self._sweep_for_ever(), name="sweep"),
            asyncio.create_task(self._look_for_orphans_for_ever(), name="orphans"),
            asyncio.create_task(self._keep_months_for_ever(), name="months"),
            asyncio.create_task(self._roll_up_for_ever(), name="rollups"),
        ]
        await scheduler.start()
        log.info("worker.started", worker=given.name, probes=[scheduled.name for scheduled in due])
        try:
            await stop.wait()
        finally:
            await scheduler.drain(given.settings.drain)
            for chore in chores:
                await ended(chore)

    def interrupt(self, reason: str) -> None:
        """Stop every run under way; their clean-up goes on."""
        self.dispatch.interrupt(reason)

    async def _sweep_for_ever(self) -> None:
        sweep = Sweep(self._given.database, self._given.platform, leaked=self._given.told.leaked)
        while True:
            try:
                report = await sweep.once(settled=True)
                self._given.told.stuck(entry.kind for entry in report.stuck)
            except StoreError as error:
                log.warning("sweep.postponed", error=str(error))
            # A bug met while removing one thing must not end all sweeping for the life of the worker.
            except Exception:
                log.exception("sweep.crashed")
            await asyncio.sleep(self._given.settings.sweep_every.total_seconds())

    async def _look_for_orphans_for_ever(self) -> None:
        """Tell what the platform itself has forgotten; nothing of it is touched."""
        while True:
            try:
                found = await self._given.platform.orphans()
            except (PlatformError, ProbeBroken) as error:
                log.warning("orphans.unseen", error=str(error))
            except Exception:
                log.exception("orphans.crashed")
            else:
                self._given.told.orphans(orphan.kind for orphan in found)
                for orphan in found:
                    log.warning("orphan.found", kind=orphan.kind, name=orphan.name, age=str(orphan.age))
            await asyncio.sleep(_ORPHANS_EVERY.total_seconds())

    async def _keep_months_for_ever(self) -> None:
        while True:
            pause = _DAY
            try:
                await self._keep_months()
            except StoreError as error:
                log.warning("partitions.postponed", error=str(error))
                pause = _SOON
            await asyncio.sleep(pause.total_seconds())

    async def _roll_up_for_ever(self) -> None:
        while True:
            pause = _ROLL_UP_EVERY
            try:
                written = await roll_up(self._given.database, await self._given.database.now())
                log.debug("timings.rolled_up", hours=written)
            except StoreError as error:
                log.warning("rollups.postponed", error=str(error))
                pause = _SOON
            await asyncio.sleep(pause.total_seconds())

    async def _keep_months(self) -> None:
        """Make the months to come, and retire those that are too old.

        By the database's clock: a worker whose own is a year ahead must not drop a year's history.
        """
        given, now = self._given, await self._given.database.now()
        made = await partitions.make_ahead(given.database, now)
        if made:
            log.info("partitions.made", partitions=made)
        kept = given.retention
        retired = await retire(
            given.database, now, runs=kept.runs, failures=kept.failures, figures=kept.figures
        )
        if retired:
            log.info("history.retired", **asdict(retired))


@asynccontextmanager
async def working(given: Surroundings, *, progress: Progress | None = None) -> AsyncIterator[Worker]:
    """A worker that is ready: heartbeat and recorder run until the block ends, then what waits is recorded."""
    claims = Claims(given.database, worker=given.name, lease=given.settings.lease)
    journal = Journal(given.database, given.spool, given.told, given.judge)
    runner = Runner(
        platform=given.platform,
        control=Control(
            platform=given.platform,
            stalls=given.stalls,
            database_answers=given.database.ping,
            url=given.settings.control_url,
        ),
        ledger_of=lambda run_id, probe, tag: StoredLedger(
            journal, given.clock, run_id=run_id, probe=probe, tag=tag
        ),
        requests=given.told,
        prices=Prices.of(given.costs.region),
        stalls=given.stalls,
        clock=given.clock,
        progress=progress or Unwatched(),
        worker=given.name,
    )
    async with journal, claims:
        dispatch = Dispatch(
            database=given.database,
            claims=claims,
            runner=runner,
            recorder=Recorder(given.database, journal, _everybody(given)),
            clock=given.clock,
            limits=Limits(given.settings.slots, given.settings.lock_wait),
            watching=given.told,
            worker=given.name,
            budget=Budget(given.database, given.clock, given.costs.limits),
        )
        yield Worker(given, dispatch, claims)


def _everybody(given: Surroundings) -> Callable[[Run], None]:
    """Tells whoever counts, and whoever publishes, of a finished run."""

    def told(run: Run) -> None:
        given.told.run_finished(run)
        if given.publish is not None:
            given.publish(run)

    return told
