"""What runs left behind, removed: everything in the ledger of an ended run that is not gone."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum, auto
from uuid import UUID

import structlog

from synthetics.contract.platform import Platform
from synthetics.errors import StillAwaited, StoreError, SyntheticsError
from synthetics.model.resource import Orphan, Resource
from synthetics.store import locks, resources, runs
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_BATCH = 200
_LOCK = frozenset({"sweep"})
#: Of so many runs things are removed side by side: seeing that a thing is gone is mostly waiting.
_AT_ONCE = 8


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


class _Came(Enum):
    """What came of a removal, in the order of the report."""

    REMOVED = auto()
    STUCK = auto()
    AWAITED = auto()


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
            # What nothing is left of at present keeps nobody waiting who has something there.
            ordered = sorted(found, key=lambda one: (one.awaited, self._platform.removal_order(one.kind)))
            if dry_run:
                return SweepReport(found=tuple(ordered), under_way=under_way)
            return replace(await self._remove_all(ordered), closed=closed, under_way=under_way)

    async def _close_abandoned(self, *, settled: bool) -> int:
        async with self._database.transaction() as connection:
            abandoned = await runs.close_abandoned(connection, settled=settled)
        for run in abandoned:
            log.warning("run.abandoned", run_id=str(run.id), probe=run.probe, worker=run.worker)
        return len(abandoned)

    async def _remove_all(self, entries: Sequence[Resource]) -> SweepReport:
        """Some runs' entries side by side, those of one run one after the other. Raises StoreError."""
        by_run: dict[UUID, list[Resource]] = {}
        for entry in entries:
            by_run.setdefault(entry.run_id, []).append(entry)
        room = asyncio.Semaphore(_AT_ONCE)

        async def of_run(left: Sequence[Resource]) -> list[tuple[_Came, Resource]]:
            async with room:
                return [await self._remove(entry) for entry in left]

        try:
            async with asyncio.TaskGroup() as all_runs:
                sweeping = [all_runs.create_task(of_run(left)) for left in by_run.values()]
        except* StoreError as errors:
            raise StoreError(str(errors.exceptions[0])) from errors
        ended = [one for run in sweeping for one in run.result()]
        removed, stuck, awaited = (tuple(entry for came, entry in ended if came is wanted) for wanted in _Came)
        return SweepReport(removed=removed, stuck=stuck, awaited=awaited, found=tuple(entries))

    async def _remove(self, entry: Resource) -> tuple[_Came, Resource]:
        """Remove one thing, and keep what came of it. Raises StoreError."""
        told = {"kind": entry.kind, "name": entry.name, "run_id": str(entry.run_id)}
        try:
            await self._platform.remove(entry)
        except StillAwaited as why:
            log.info("resource.awaited", **told, why=str(why))
            async with self._database.transaction() as connection:
                await resources.awaited(connection, entry.id, str(why))
            return _Came.AWAITED, replace(entry, attempts=0, last_error=str(why))
        except StoreError:
            raise
        # Whatever goes wrong with one thing, a bug of ours included, must hold up none of the others.
        except Exception as error:
            known = isinstance(error, SyntheticsError)
            problem = str(error) if known else f"a bug: {type(error).__name__}: {error}"
            log.warning("resource.stuck", **told, error=problem, exc_info=None if known else error)
            self._leaked(entry.kind)
            async with self._database.transaction() as connection:
                await resources.failed_removal(connection, entry.id, problem)
            return _Came.STUCK, replace(entry, attempts=entry.attempts + 1, last_error=problem)
        log.info("resource.removed", **told)
        async with self._database.transaction() as connection:
            await resources.gone(connection, entry.id, swept=not entry.awaited)
        return _Came.REMOVED, entry
