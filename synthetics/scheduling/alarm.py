"""What wakes us for each tick: APScheduler, told by the grid and the shared time when that is."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from synthetics.model.grid import Grid
from synthetics.scheduling.timekeeping import SharedClock

Wake = Callable[[], Awaitable[None]]


class Alarm:
    """Calls once for every tick of every grid; ticks that it was late for are called for once, all together.

    APScheduler counts on this machine's wall clock. After that was stepped, `set_again` is needed.
    """

    def __init__(self, clock: SharedClock) -> None:
        self._clock = clock
        self._scheduler = AsyncIOScheduler(
            executors={"default": AsyncIOExecutor()},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone="UTC",
        )

    def add(self, name: str, grid: Grid, wake: Wake) -> None:
        """Call `wake` for every tick of this grid from now on."""
        self._scheduler.add_job(wake, _OnGrid(grid, self._clock), id=name)

    def start(self) -> None:
        self._scheduler.start()

    def set_again(self) -> None:
        """Count anew from now."""
        for job in self._scheduler.get_jobs():
            job.reschedule(job.trigger)

    def silence(self) -> None:
        """Call no more."""
        if self._scheduler.running:
            self._scheduler.pause()

    def stop(self) -> None:
        """Give back what it holds. APScheduler cancels what it called and still waits for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


class _OnGrid(BaseTrigger):  # type: ignore[misc]  # APScheduler is not typed
    """The next tick, as this machine's wall clock will show it."""

    def __init__(self, grid: Grid, clock: SharedClock) -> None:
        self._grid = grid
        self._clock = clock

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return self._grid.after(self._clock.now()) + self._clock.apart
