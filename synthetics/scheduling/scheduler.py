"""When probes run: the alarm only wakes us; the grid says which tick it is, and which were missed."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog

from synthetics.background import ended
from synthetics.errors import StoreError
from synthetics.model.run import Run, RunKey
from synthetics.running.dispatch import Dispatch
from synthetics.scheduling.accounting import Accounting
from synthetics.scheduling.alarm import Alarm
from synthetics.scheduling.catalogue import Scheduled
from synthetics.scheduling.charge import Charge, quietly
from synthetics.scheduling.timekeeping import TOLERATED, SharedClock
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_ACCOUNT_EVERY = 15.0
_LOOK_AT_CLOCKS_EVERY = 1.0
_LOOK_FOR_ASKED_EVERY = 2.0
_STOPPING = "this worker was told to stop"


class Scheduler:
    """Starts every due tick of every probe, and sees that each ends in a record."""

    def __init__(
        self,
        *,
        plan: Sequence[Scheduled],
        dispatch: Dispatch,
        accounting: Accounting,
        charge: Charge,
        database: Database,
        clock: SharedClock,
        location: str,
        lateness: Callable[[timedelta], None],
    ) -> None:
        self._plan = plan
        self._dispatch = dispatch
        self._accounting = accounting
        self._charge = charge
        self._database = database
        self._clock = clock
        self._location = location
        self._lateness = lateness
        self._woken: dict[str, datetime] = {}
        self._ticks: set[asyncio.Task[None]] = set()
        self._living: list[asyncio.Task[None]] = []
        self._alarm = Alarm(clock)

    async def start(self) -> None:
        """Begin, at the time that all workers share if the database tells it."""
        await self._follow()
        await quietly(self._charge)
        for scheduled in self._plan:
            self._alarm.add(scheduled.name, scheduled.grid, partial(self._wake, scheduled))
        self._alarm.start()
        self._living = [
            asyncio.create_task(self._account(), name="accounting"),
            asyncio.create_task(self._keep_time(), name="time"),
            asyncio.create_task(self._look_for_asked(), name="asked"),
        ]

    async def drain(self, within: timedelta) -> None:
        """Start nothing more, let runs finish for `within`, interrupt the rest, and wait for their clean-up."""
        self._alarm.silence()
        for task in self._living:
            await ended(task)
        await self._leave()
        self._dispatch.refuse(_STOPPING)
        under_way = len(self._ticks)
        if self._ticks:
            await asyncio.wait(self._ticks, timeout=within.total_seconds())
        interrupted = len(self._ticks)
        if self._ticks:
            self._dispatch.interrupt(_STOPPING)
            await asyncio.wait(self._ticks)
        self._alarm.stop()
        log.info("scheduler.drained", under_way=under_way, interrupted=interrupted)

    async def _wake(self, scheduled: Scheduled) -> None:
        now = self._clock.now()
        tick = scheduled.grid.at_or_before(now)
        if self._woken.get(scheduled.name) == tick:
            return  # woken twice for one tick, or a moment too early for the next
        self._woken[scheduled.name] = tick
        self._lateness(now - tick)
        if now - tick > scheduled.grace:
            return  # too late to start; the accounting notes it as missed
        self._keep(asyncio.create_task(self._tick(scheduled, tick), name=f"tick-{scheduled.name}"))

    async def _tick(self, scheduled: Scheduled, tick: datetime) -> None:
        key = RunKey(scheduled.name, self._location, tick)
        try:
            if not await self._charge.of(scheduled.name):
                return  # a newer version's workers see to it
            await self._dispatch.tick(scheduled.probe, key, patience=scheduled.grace)
        except StoreError as error:
            self._accounting.database_away(tick)
            log.warning("store.failed", probe=scheduled.name, tick=tick.isoformat(), error=str(error))

    async def _look_for_asked(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_FOR_ASKED_EVERY)
            try:
                while await self._dispatch.is_asked(self._location) and await self._start_asked():
                    pass
            except StoreError as error:
                log.warning("store.failed", doing="looking for runs that were asked for", error=str(error))

    async def _start_asked(self) -> bool:
        """Start a run that somebody asked for; False if there is none that this worker may run."""
        own = {entry.name: entry.probe for entry in self._plan if await self._charge.of(entry.name)}
        taken = await self._dispatch.take_asked(own, self._location)
        if taken is None:
            return False
        running = self._dispatch.run_taken(own[taken.key.probe], taken)
        self._keep(asyncio.create_task(self._recorded(running), name=f"asked-{taken.key.probe}"))
        return True

    async def _recorded(self, running: Coroutine[None, None, Run]) -> None:
        try:
            await running
        except StoreError as error:
            log.warning("store.failed", doing="running what was asked for", error=str(error))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._ticks.add(task)
        task.add_done_callback(self._ticks.discard)

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
            await self._follow()
            await quietly(self._charge)

    async def _keep_time(self) -> None:
        """Notice that this machine's wall clock was set, or it was suspended, and go on in the shared time."""
        apart = self._clock.apart
        while True:
            await asyncio.sleep(_LOOK_AT_CLOCKS_EVERY)
            stepped = self._clock.apart - apart
            if abs(stepped) > TOLERATED:
                log.warning("clock.stepped", by_seconds=round(stepped.total_seconds(), 3))
                await self._follow()
                self._alarm.set_again()
            apart = self._clock.apart

    async def _follow(self) -> None:
        """Agree with the database about the time; the ticks of a leap forward are missed, as none can start."""
        try:
            moved = await self._clock.follow(self._database)
        except StoreError as error:
            log.warning("store.failed", doing="asking for the time", error=str(error))
            return
        if moved:
            log.warning("time.moved", by_seconds=round(moved.total_seconds(), 3))
            self._alarm.set_again()

    async def _leave(self) -> None:
        """Let others know at once that nothing more is started here."""
        try:
            await self._charge.leave()
        except StoreError as error:
            log.warning("store.failed", doing="telling that this worker leaves", error=str(error))
