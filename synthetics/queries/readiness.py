"""Whether this process can do its work now, and if not, why."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from synthetics.clock import Clock
from synthetics.errors import StoreError
from synthetics.store.engine import Database
from synthetics.store.migrating import verify

_WITHIN = timedelta(seconds=3)
_SCHEMA_HOLDS_FOR = timedelta(minutes=1)


class Readiness:
    """Asks the database whether it answers and whether its schema is the one this code was written for.

    The schema is compared once a minute, since it seldom changes under a running process. `waiting` tells how
    many entries this process keeps on disk until the database is back.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        within: timedelta = _WITHIN,
        waiting: Callable[[], int] = lambda: 0,
    ) -> None:
        self._database = database
        self._waiting = waiting
        self._clock = clock
        self._within = within.total_seconds()
        self._verified: float | None = None

    async def reasons(self) -> list[str]:
        """What stands in the way, one sentence each; [] when ready. Never waits long."""
        try:
            async with asyncio.timeout(self._within):
                await self._ask()
        except StoreError as error:
            return [str(error), *self._what_waits()]
        except TimeoutError:
            return [f"the database did not answer within {self._within:g} s", *self._what_waits()]
        return []

    def _what_waits(self) -> list[str]:
        count = self._waiting()
        return [f"{count} entries of runs wait on this worker's disk until it is back"] if count else []

    async def _ask(self) -> None:
        now = self._clock.monotonic()
        if self._verified is not None and now - self._verified < _SCHEMA_HOLDS_FOR.total_seconds():
            await self._database.ping()
            return
        await verify(self._database)
        self._verified = now
