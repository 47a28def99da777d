"""Stops dear probes once the day's or the month's budget is spent."""

from datetime import datetime, timedelta

from synthetics.clock import Clock
from synthetics.model.budget import CostLimits
from synthetics.store import costs
from synthetics.store.engine import Database

_FRESH = timedelta(minutes=1)


class Budget:
    """What all runs of all workers have cost so far, held against what they may."""

    def __init__(self, database: Database, clock: Clock, limits: CostLimits) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits
        self._asked: datetime | None = None
        self._spent: str | None = None

    async def spent(self) -> str | None:
        """Why dear probes must wait, None if they need not; as of a minute ago at most. Raises StoreError."""
        now = self._clock.now()
        if self._asked is None or not timedelta(0) <= now - self._asked < _FRESH:
            self._spent = await self._look(now)
            self._asked = now
        return self._spent

    async def _look(self, now: datetime) -> str | None:
        for allowed in self._limits.allowances(now):
            async with self._database.transaction() as connection:
                dollars = sum((await costs.since(connection, allowed.since)).values())
            if dollars >= allowed.dollars:
                budget = f"the {allowed.period}'s budget of ${allowed.dollars:.2f}"
                return f"skipped: {budget} is spent (${dollars:.2f})"
        return None
