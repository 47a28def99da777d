"""When probes run. APScheduler only wakes us; the grid says which tick it is, and which were missed."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from synthetics.background import ended
from synthetics.clock import Clock
from synthetics.errors import StoreError
from synthetics.model.run import RunKey
from synthetics.running.dispatch import Dispatch
from synthetics.scheduling.accounting import Accounting
from synthetics.scheduling.catalogue import Scheduled

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_ACCOUNT_EVERY = 15.0
_STOPPING = "this worker was told to stop"


class Scheduler:
    """Starts every due tick of every probe, and sees that each ends in a record."""

    def __init__(
        self,
        *,
        plan: Sequence[Scheduled],
        dispatch: Dispatch,
        accounting: Accounting,
        clock: Clock,
        location: str,
        lateness: Callable[[timedelta], None],
    ) -> None:
        self._plan = plan
        self._dispatch = dispatch
        self._accounting = accounting
        self._clock = clock
        self._location = location
        self._lateness = lateness
        self._woken: dict[str, datetime] = {}
        self._ticks: set[asyncio.Task[None]] = set()
        self._accountant: asyncio.Task[None] | None = None
        self._alarm = AsyncIOScheduler(
            executors={"default": AsyncIOExecutor()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone="UTC",
        )

    def start(self) -> None:
        """Begin; returns at once."""
        now = self._clock.now()
        for scheduled in self._plan:
            self._alarm.add_job(
                self._wake,
                IntervalTrigger(
                    seconds=scheduled.grid.every.total_seconds(),
                    start_date=scheduled.grid.after(now),
                    timezone="UTC",
                ),
                args=[scheduled],
                id=scheduled.name,
            )
        self._alarm.start()
        self._accountant = asyncio.create_task(self._account(), name="accounting")

    async def drain(self, within: timedelta) -> None:
        """Start nothing more, let runs finish for `within`, interrupt the rest, and wait for their clean-up."""
        if self._alarm.running:
            self._alarm.pause()
        if self._accountant:
            await ended(self._accountant)
        self._dispatch.refuse(_STOPPING)
        under_way = len(self._ticks)
        if self._ticks:
            await asyncio.wait(self._ticks, timeout=within.total_seconds())
        interrupted = len(self._ticks)
        if self._ticks:
            self._dispatch.interrupt(_STOPPING)
            await asyncio.wait(self._ticks)
        if self._alarm.running:
            self._alarm.shutdown(wait=False)
        log.info("scheduler.drained", under_way=under_way, interrupted=interrupted)

    async def _wake(self, scheduled: Scheduled) -> None:
        now = self._clock.now()
        tick = scheduled.grid.at_or_before(now)
        if self._woken.get(scheduled.name) == tick:
            return  # woken twice for one tick, or the wall clock stepped back
        self._woken[scheduled.name] = tick
        self._lateness(now - tick)
        if now - tick > scheduled.grace:
            return  # too late to start; the accounting notes it as missed
        task = asyncio.create_task(self._tick(scheduled, tick), name=f"tick-{scheduled.name}")
        self._ticks.add(task)
        task.add_done_callback(self._ticks.discard)

    async def _tick(self, scheduled: Scheduled, tick: datetime) -> None:
        key = RunKey(scheduled.name, self._location, tick)
        try:
            await self._dispatch.tick(scheduled.probe, key, patience=scheduled.grace)
        except StoreError as error:
            self._accounting.database_away(tick)
            log.warning("store.failed", probe=scheduled.name, tick=tick.isoformat(), error=str(error))

    async def _account(self) -> None:
        while True:
            try:
                await self._accounting.note_missed()
            except StoreError as error:
                log.warning("store.failed", doing="accounting", error=str(error))
            # A bug met in one pass must not end all accounting for the life of the worker.
            except Exception:
                log.exception("accounting.crashed")
            await asyncio.sleep(_ACCOUNT_EVERY)
