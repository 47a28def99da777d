"""Versions side by side, as during a deploy: which probes a worker of this version may run.

In each location the newest version that has a worker is in charge. A worker of an older one goes on with the
probes that the newer one declares just as it does; of all others it starts no tick and notes none as missed,
because interval, limits and cases may be others now. Once no newer worker is left, as after a deploy that was
taken back, it is in charge again.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from synthetics.clock import Clock
from synthetics.errors import StoreError
from synthetics.scheduling.catalogue import Scheduled
from synthetics.store import catalogue, workers
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: What was found out holds for so long; a tick that begins meanwhile began before the newer worker came.
_HOLDS = timedelta(seconds=1)


class Charge:
    """What this worker's version is in charge of; asked before every tick."""

    def __init__(
        self,
        database: Database,
        *,
        plan: Sequence[Scheduled],
        version: str,
        location: str,
        worker: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._own = [catalogue.Published(entry.probe, entry.enabled) for entry in plan]
        self._version = version
        self._location = location
        self._worker = worker
        self._clock = clock
        self._looking = asyncio.Lock()
        self._looked: float | None = None
        self._newer: str | None = None
        self._shared: frozenset[str] = frozenset()

    async def renew(self) -> None:
        """Say that this worker is there, and publish its catalogue where no newer one is. Raises StoreError."""
        async with self._database.transaction() as connection:
            await workers.present(connection, self._worker, location=self._location, version=self._version)
            published = await catalogue.published_by(connection)
            if published != {self._version}:
                await catalogue.publish(connection, self._own, version=self._version)

    async def leave(self) -> None:
        """Say that this worker starts nothing more. Raises StoreError."""
        async with self._database.transaction() as connection:
            await workers.leave(connection, self._worker)

    async def of(self, probe: str) -> bool:
        """Whether this worker may run this probe now. Raises StoreError where that cannot be known."""
        async with self._looking:
            now = self._clock.monotonic()
            if self._looked is None or now - self._looked > _HOLDS.total_seconds():
                await self._look()
                self._looked = now
        return self._newer is None or probe in self._shared

    async def _look(self) -> None:
        before = self._newer
        async with self._database.transaction() as connection:
            newest = await workers.newest(connection, location=self._location)
            newer = newest is not None and workers.order(newest) > workers.order(self._version)
            self._newer = newest if newer else None
            self._shared = await catalogue.unchanged(connection, self._own) if newer else frozenset()
        if self._newer != before:
            log.warning(
                "charge.changed",
                version=self._version,
                in_charge=self._newer or self._version,
                left_to_it=sorted(
                    entry.probe.name for entry in self._own if entry.probe.name not in self._shared
                )
                if self._newer
                else [],
            )


async def quietly(charge: Charge) -> None:
    """Renew; without the database it is done the next time."""
    try:
        await charge.renew()
    except StoreError as error:
        log.warning("store.failed", doing="telling that this worker is there", error=str(error))
