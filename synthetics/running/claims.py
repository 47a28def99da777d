"""Which worker runs a tick: whoever inserts its row first, for as long as the row is kept alive."""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import structlog

from synthetics.background import Background
from synthetics.errors import StoreError
from synthetics.model.run import RunKey
from synthetics.running.runner import Interrupt
from synthetics.store import runs
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: A tick that cannot be claimed in this time is better missed than late.
_PATIENCE = timedelta(seconds=10)
#: A heartbeat that is not through in a third of the lease is tried again; but not sooner than this.
_SHORTEST = timedelta(seconds=1)


class Claims(Background):
    """This worker's claims, with one heartbeat for all of them.

    Used as an async context manager: while it is open, every claim's lease is renewed three times over. A run
    whose lease was lost all the same is stopped, because another worker sweeps what it made.
    """

    def __init__(self, database: Database, *, worker: str, lease: timedelta) -> None:
        self._database = database
        self._worker = worker
        self._lease = lease
        self._held: dict[UUID, Interrupt] = {}

    async def claim(self, key: RunKey, *, tag: str, interrupt: Interrupt, confirms: UUID | None = None) -> bool:
        """True if this worker, and no other, is to run this. Raises StoreError when that cannot be known."""
        async with self._database.transaction(within=_PATIENCE) as connection:
            won = await runs.claim(
                connection, key, worker=self._worker, lease=self._lease, tag=tag, confirms=confirms
            )
        if won:
            self._held[key.id] = interrupt
        return won

    async def is_asked(self, location: str) -> bool:
        """Whether a run that somebody asked for waits there. Raises StoreError."""
        async with self._database.transaction(within=_PATIENCE) as connection:
            return await runs.any_asked(connection, location)

    async def take_asked(
        self, probes: Collection[str], location: str, *, tag: str, interrupt: Interrupt
    ) -> RunKey | None:
        """The run of these probes that somebody asked for there, now this worker's. Raises StoreError."""
        async with self._database.transaction(within=_PATIENCE) as connection:
            key = await runs.take_asked(
                connection, probes, location, worker=self._worker, lease=self._lease, tag=tag
            )
        if key is not None:
            self._held[key.id] = interrupt
        return key

    def release(self, run_id: UUID) -> None:
        """Stop keeping this run alive: it is recorded, or about to be."""
        self._held.pop(run_id, None)

    def held(self) -> dict[UUID, Interrupt]:
        """The runs this worker keeps alive now, each with what stops it."""
        return dict(self._held)

    async def _live(self) -> None:
        pause = self._lease.total_seconds() / 3
        while True:
            await asyncio.sleep(pause)
            try:
                await self._renew()
            except StoreError as error:
                log.warning("lease.unrenewed", runs=len(self._held), error=str(error))

    async def _renew(self) -> None:
        asked = self.held()
        if not asked:
            return
        async with self._database.transaction(within=max(self._lease / 3, _SHORTEST)) as connection:
            kept = await runs.heartbeat(connection, list(asked), worker=self._worker, lease=self._lease)
        for run_id in asked.keys() - kept:
            if run_id in self._held:  # not merely finished while we asked
                self._held[run_id].set("its lease ended, and another worker has closed it")
                log.warning("lease.lost", run_id=str(run_id))
