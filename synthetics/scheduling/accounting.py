"""Every due tick ends in a record: what nobody claimed in time is noted as missed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from synthetics.clock import Clock
from synthetics.model.run import RunKey
from synthetics.scheduling.catalogue import Scheduled
from synthetics.store import runs
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: How far back a worker looks for gaps when it starts, beyond the newest tick on record.
_LOOK_BACK = timedelta(days=1)
_LOOK_BACK_TICKS = 1_500
#: No gap is longer than this: older months need not exist as partitions.
_LONGEST_GAP = timedelta(days=28)
NOBODY = "no worker started it in time"


class Accounting:
    """Fills the gaps of the grid. Any number of workers may do it at once: a tick has one row."""

    def __init__(
        self, database: Database, *, plan: Sequence[Scheduled], clock: Clock, location: str, worker: str
    ) -> None:
        self._database = database
        self._plan = plan
        self._clock = clock
        self._location = location
        self._worker = worker
        self._until: dict[str, datetime] = {}
        self._started = clock.now()

    async def note_missed(self) -> int:
        """Note every tick that can no longer start and has no row; how many there were. Raises StoreError."""
        noted = 0
        for scheduled in self._plan:
            noted += await self._of(scheduled)
        return noted

    async def _of(self, scheduled: Scheduled) -> int:
        closed = self._clock.now() - 2 * scheduled.grace
        since = await self._since(scheduled)
        keys = [RunKey(scheduled.name, self._location, tick) for tick in scheduled.grid.between(since, closed)]
        if not keys:
            return 0
        async with self._database.transaction() as connection:
            noted = await runs.note_missed(connection, keys, reason=NOBODY, worker=self._worker)
        self._until[scheduled.name] = keys[-1].tick
        if noted:
            log.warning(
                "run.missed", probe=scheduled.name, ticks=noted, until=closed.isoformat(), reason=NOBODY
            )
        return noted

    async def _since(self, scheduled: Scheduled) -> datetime:
        known = self._until.get(scheduled.name)
        if known is not None:
            return known
        async with self._database.transaction() as connection:
            oldest = await runs.first_tick(connection, scheduled.name, self._location)
            newest = await runs.last_tick(connection, scheduled.name, self._location)
        if oldest is None or newest is None:
            return self._started
        look_back = min(_LOOK_BACK, _LOOK_BACK_TICKS * scheduled.grid.every)
        return max(oldest, newest - look_back, self._clock.now() - _LONGEST_GAP)
