"""What runs left behind, removed: everything in the ledger of an ended run that is not gone."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from synthetics.contract.platform import Platform
from synthetics.errors import PlatformError, ProbeBroken, StillAwaited
from synthetics.model.resource import Orphan, Resource
from synthetics.store import locks, resources, runs
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_BATCH = 200
_LOCK = frozenset({"sweep"})


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What one sweep found and did. `stuck` and `awaited` entries carry why they are still in the ledger.

    `awaited`: nothing of them is on the platform, and something may yet come of what was asked. `under_way`:
    runs that go on, or may go on; what they made was not looked at. `orphans`: what the platform itself has
    forgotten, told and left alone; `unseen`: why that could not be looked for.
    """

    closed: int = 0
    removed: tuple[Resource, ...] = ()
    stuck: tuple[Resource, ...] = ()
    awaited: tuple[Resource, ...] = ()
    found: tuple[Resource, ...] = field(default=())
    under_way: runs.UnderWay | None = None
    orphans: tuple[Orphan, ...] = ()
    unseen: str = ""


class Sweep:
    """Closes runs that were abandoned and removes what ended runs left, in the platform's own order."""

    def __init__(
        self,
        database: Database,
        platform: Platform,
        *,
        leaked: Callable[[str], None] = lambda kind: None,
        patience: timedelta = timedelta(seconds=10),
    ) -> None:
        self._database = database
        self._platform = platform
        self._leaked = leaked
        self._patience = patience

    async def once(self, *, dry_run: bool = False, settled: bool = False) -> SweepReport:
        """Sweep now. One sweep runs at a time, whichever worker it is in; the later one does nothing new.

        `settled`: a database that has just started closes no runs yet, as their workers may be alive.

        Raises StoreError when the database is away and LockTimeout while another sweep goes on.
        """
        async with locks.hold(self._database, exclusive=_LOCK, shared=frozenset(), within=self._patience):
            closed = 0 if dry_run else await self._close_abandoned(settled=settled)
            async with self._database.transaction() as connection:
                found = await resources.open_of_ended_runs(connection, _BATCH, silent=dry_run)
                under_way = await runs.under_way(connection)
            ordered = sorted(found, key=lambda entry: self._platform.removal_order(entry.kind))
            if dry_run:
                return SweepReport(found=tuple(ordered), under_way=under_way)
            return replace(await self._remove_all(ordered), closed=closed, under_way=under_way)

    async def _close_abandoned(self, *, settled: bool) -> int:
        async with self._database.transaction() as connection:
            abandoned = await runs.close_abandoned(connection, settled=settled)
        for run in abandoned:
            log.warning("run.abandoned", run_id=str(run.id), probe=run.probe, worker=run.worker)
        return len(abandoned)

    async def _remove_all(self, entries: list[Resource]) -> SweepReport:
        removed: list[Resource] = []
        stuck: list[Resource] = []
        awaited: list[Resource] = []
        for entry in entries:
            try:
                await self._platform.remove(entry)
            except StillAwaited as why:
                awaited.append(replace(entry, attempts=0, last_error=str(why)))
                log.info("resource.awaited", kind=entry.kind, name=entry.name, why=str(why))
                async with self._database.transaction() as connection:
                    await resources.awaited(connection, entry.id, str(why))
            except (PlatformError, ProbeBroken) as error:
                stuck.append(replace(entry, attempts=entry.attempts + 1, last_error=str(error)))
                self._leaked(entry.kind)
                log.warning("resource.stuck", kind=entry.kind, name=entry.name, error=str(error))
                async with self._database.transaction() as connection:
                    await resources.failed_removal(connection, entry.id, str(error))
            else:
                removed.append(entry)
                log.info("resource.removed", kind=entry.kind, name=entry.name, run_id=str(entry.run_id))
                async with self._database.transaction() as connection:
                    await resources.gone(connection, entry.id, swept=not entry.awaited)
        return SweepReport(
            removed=tuple(removed), stuck=tuple(stuck), awaited=tuple(awaited), found=tuple(entries)
        )
