"""The time that all workers share: a wall clock that somebody sets, or that was wrong, moves no tick."""

from datetime import datetime, timedelta

from synthetics.clock import Clock
from synthetics.store.engine import Database

#: Clocks that differ by no more than this agree: what is left is the way to the database and back.
TOLERATED = timedelta(milliseconds=500)


class SharedClock:
    """The database's wall clock, carried on by our own monotonic one.

    Until the database has been asked it starts from our own wall clock. That one may be stepped by an hour
    afterwards: nothing here follows it, but `apart` tells.
    """

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._anchor, self._anchored = own.now(), own.monotonic()

    def now(self) -> datetime:
        return self._anchor + timedelta(seconds=self._own.monotonic() - self._anchored)

    def monotonic(self) -> float:
        return self._own.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        await self._own.sleep(duration)

    @property
    def apart(self) -> timedelta:
        """How far our own wall clock is ahead of the shared time."""
        shared = self.now()
        return self._own.now() - shared  # in this order: an alarm may ring a moment late, never early

    async def follow(self, database: Database) -> timedelta:
        """Ask the database what time it is; by how much the shared time was moved to agree with it.

        Raises StoreError.
        """
        asked = self._own.monotonic()
        told = await database.now()
        answered = self._own.monotonic()
        off = told + timedelta(seconds=(answered - asked) / 2) - self.now()
        if abs(off) <= TOLERATED + timedelta(seconds=answered - asked):
            return timedelta(0)
        self._anchor, self._anchored = self.now() + off, self._own.monotonic()
        return off
