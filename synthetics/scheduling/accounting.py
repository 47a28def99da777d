"""Every due tick ends in a record: what nobody claimed in time is noted as missed."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

import structlog

from synthetics.clock import Clock
from synthetics.model.run import RunKey
from synthetics.scheduling.catalogue import Scheduled
from synthetics.scheduling.charge import Charge
from synthetics.store import runs
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: How far back a worker looks for gaps when it starts, beyond the newest tick on record.
_LOOK_BACK = timedelta(days=1)
_LOOK_BACK_TICKS = 1_500
#: No gap is longer than this: older months need not exist as partitions.
_LONGEST_GAP = timedelta(days=28)
NOBODY = "no worker started it in time"
AWAY = "the database was away, and no worker could claim it"
#: Failures that lie no farther apart are one outage.
_ONE_OUTAGE = timedelta(minutes=1)
_MOST_OUTAGES = 100


class Accounting:
    """Fills the gaps of the grid. Any number of workers may do it at once: a tick has one row."""

    def __init__(
        self,
        database: Database,
        *,
        plan: Sequence[Scheduled],
        clock: Clock,
        location: str,
        worker: str,
        charge: Charge | None = None,
    ) -> None:
        self._database = database
        self._plan = plan
        self._clock = clock
        self._charge = charge
        self._location = location
        self._worker = worker
        self._until: dict[str, datetime] = {}
        self._started = clock.now()
        self._outages: deque[tuple[datetime, datetime]] = deque(maxlen=_MOST_OUTAGES)

    def database_away(self, at: datetime) -> None:
        """Take note that the database could not be used at this moment: ticks due then are missed for that."""
        since, until = self._outages[-1] if self._outages else (at, at)
        if at - until <= _ONE_OUTAGE and self._outages:
            self._outages[-1] = (min(since, at), max(until, at))
        else:
            self._outages.append((at, at))

    async def note_missed(self) -> int:
        """Note every tick that can no longer start and has no row; how many there were. Raises StoreError."""
        noted = 0
        for scheduled in self._plan:
            if self._charge is None or await self._charge.of(scheduled.name):
                noted += await self._of(scheduled)
            else:
                self._until.pop(scheduled.name, None)  # what is on record by then may lie on another grid
        return noted

    async def _of(self, scheduled: Scheduled) -> int:
        closed = self._clock.now() - 2 * scheduled.grace
        since = await self._since(scheduled)
        keys = [RunKey(scheduled.name, self._location, tick) for tick in scheduled.grid.between(since, closed)]
        if not keys:
            return 0
        noted = 0
        for reason, ticks in groupby(keys, key=self._reason):
            async with self._database.transaction() as connection:
                now_noted = await runs.note_missed(connection, ticks, reason=reason, worker=self._worker)
            noted += now_noted
            if now_noted:
                log.warning("run.missed", probe=scheduled.name, ticks=now_noted, reason=reason)
        self._until[scheduled.name] = keys[-1].tick
        return noted

    def _reason(self, key: RunKey) -> str:
        return AWAY if any(since <= key.tick <= until for since, until in self._outages) else NOBODY

    async def _since(self, scheduled: Scheduled) -> datetime:
        longest_ago = self._clock.now() - _LONGEST_GAP
        known = self._until.get(scheduled.name)
        if known is not None:
            return max(known, longest_ago)
        async with self._database.transaction() as connection:
            oldest = await runs.first_tick(connection, scheduled.name, self._location)
            newest = await runs.last_tick(connection, scheduled.name, self._location)
        if oldest is None or newest is None:
            return self._started
        if scheduled.grid.at_or_before(newest) != newest:  # the interval is another since then
            return max(newest, longest_ago)
        look_back = min(_LOOK_BACK, _LOOK_BACK_TICKS * scheduled.grid.every)
        return max(oldest, newest - look_back, longest_ago)
