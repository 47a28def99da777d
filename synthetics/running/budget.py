"""Stops dear probes once the day's or the month's budget is spent."""

from datetime import datetime, timedelta

from synthetics.clock import Clock
from synthetics.store import costs
from synthetics.store.engine import Database

_FRESH = timedelta(minutes=1)


class Budget:
    """What all runs of all workers have cost so far, held against what they may; days and months are UTC's."""

    def __init__(self, database: Database, clock: Clock, *, day: float | None, month: float | None) -> None:
        self._database = database
        self._clock = clock
        self._day = day
        self._month = month
        self._asked: datetime | None = None
        self._spent: str | None = None

    async def spent(self) -> str | None:
        """Why dear probes must wait, None if they need not; as of a minute ago at most. Raises StoreError."""
        if self._day is None and self._month is None:
            return None
        now = self._clock.now()
        if self._asked is None or not timedelta(0) <= now - self._asked < _FRESH:
            self._spent = await self._look(now)
            self._asked = now
        return self._spent

    async def _look(self, now: datetime) -> str | None:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        for name, limit, since in (("day", self._day, today), ("month", self._month, today.replace(day=1))):
            if limit is None:
                continue
            async with self._database.transaction() as connection:
                dollars = await costs.since(connection, since)
            if dollars >= limit:
                return f"skipped: the {name}'s budget of ${limit:.2f} is spent (${dollars:.2f})"
        return None
