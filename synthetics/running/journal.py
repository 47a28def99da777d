"""Keeps what runs write down: in the database at once, or on disk until the database is back."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, Protocol, Self, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.background import Background
from synthetics.errors import StoreError
from synthetics.model.run import Run
from synthetics.store import partitions
from synthetics.store.engine import Database, first_line, lacks_partition
from synthetics.store.entries import Entry, Finished, keep
from synthetics.store.spool import Spool

log: structlog.stdlib.BoundLogger = structlog.get_logger()

P = ParamSpec("P")
R = TypeVar("R")

_RETRY_SECONDS = 2.0
#: A database that says nothing for so long is taken to be away; a transaction of ours takes milliseconds.
_PATIENCE_SECONDS = 10.0
_MOST_IN_MEMORY = 1_000


class Watching(Protocol):
    """Who is told how many runs wait, and that one could be kept nowhere."""

    def runs_waiting(self, count: int) -> None: ...

    def run_lost(self, probe: str) -> None: ...


class Judging(Protocol):
    """Who judges by a run in the transaction that keeps it. Raises nothing but what the database raises."""

    async def run_kept(self, connection: AsyncConnection, run: Run) -> None: ...


class Unjudged:
    """Nobody judges."""

    async def run_kept(self, connection: AsyncConnection, run: Run) -> None:
        """Do nothing."""


class Journal(Background):
    """Writes entries in the order in which they come; used as an async context manager.

    While the database is away, entries go to the spool. Leaving the context tries the database once more; what
    it does not take stays on the disk for the next process. Finished runs that the disk refuses wait in memory.
    """

    def __init__(
        self, database: Database, spool: Spool, watching: Watching, judge: Judging | None = None
    ) -> None:
        self._database = database
        self._judge = judge or Unjudged()
        self._spool = spool
        self._watching = watching
        self._refused: deque[Finished] = deque()
        self._spooling = asyncio.Lock()
        self._flushing = asyncio.Lock()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")

    async def __aenter__(self) -> Self:
        await self._adopt()
        return await super().__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        await self._flush()
        for finished in self._refused:
            self._lose(finished, "the service ended, and neither database nor disk had taken it")
        if len(self._spool):
            log.warning("spool.left", entries=len(self._spool), next="recorded when a worker starts here")
        await self._on_disk(self._spool.close)
        self._disk.shutdown()

    @property
    def waiting(self) -> int:
        """How many entries the database does not have yet."""
        return len(self._spool) + len(self._refused)

    async def write(self, entry: Entry) -> None:
        """Keep the entry; returns when the database or the disk has it.

        A finished run is never refused. For an entry of the ledger StoreError is raised when neither takes it.
        """
        if not self.waiting:
            try:
                await self._keep(entry)
            except (StoreError, SQLAlchemyError) as error:
                log.warning("store.failed", doing="spooling", error=str(error))
            else:
                return
        try:
            await self._on_disk(self._spool.append, entry)
        except (StoreError, OSError) as error:
            if not isinstance(entry, Finished):
                raise StoreError(f"neither the database nor the spool takes it: {error}") from error
            self._hold(entry, str(error))
        self._tell()

    def _hold(self, finished: Finished, why: str) -> None:
        log.error("spool.failed", error=why, in_memory=len(self._refused) + 1)
        if len(self._refused) >= _MOST_IN_MEMORY:
            self._lose(finished, why)
        else:
            self._refused.append(finished)

    def _lose(self, finished: Finished, why: str) -> None:
        run = finished.run
        log.error("run.lost", run_id=str(run.id), probe=run.key.probe, outcome=run.outcome.value, reason=why)
        self._watching.run_lost(run.key.probe)

    async def _keep(self, entry: Entry) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.transaction() as connection:
                if await keep(connection, entry) and isinstance(entry, Finished):
                    await self._judge.run_kept(connection, entry.run)
        except TimeoutError:
            raise StoreError(
                f"database {self._database.where} did not answer within {_PATIENCE_SECONDS:g} s"
            ) from None

    async def _flush(self) -> None:
        """Hand over what waits, oldest first, for as long as the database takes it."""
        async with self._flushing:
            recorded = 0
            while self.waiting:
                spooled = await self._on_disk(self._spool.first)
                entry = spooled or (self._refused[0] if self._refused else None)
                if entry is None:
                    return
                refusal = None
                try:
                    await self._keep(entry)
                except StoreError as error:
                    log.warning("store.failed", waiting=self.waiting, error=str(error))
                    if lacks_partition(error) and isinstance(entry, Finished):
                        await self._make_partition(entry)
                    return
                except SQLAlchemyError as error:
                    # The row itself is wrong: a bug that must not hold up the rest.
                    log.exception("entry.refused", entry=type(entry).__name__)
                    refusal = first_line(error)
                await self._let_go(spooled=spooled is not None, refusal=refusal)
                recorded += 1
                self._tell()
            if recorded:
                log.info("spool.recorded", entries=recorded)

    async def _make_partition(self, finished: Finished) -> None:
        """Make the months around a run's tick, as a database that was restored may lack them."""
        try:
            await partitions.make_ahead(self._database, finished.run.key.tick)
        except StoreError as error:
            log.warning("partitions.postponed", error=str(error))

    async def _let_go(self, *, spooled: bool, refusal: str | None) -> None:
        if spooled and refusal:
            await self._on_disk(self._spool.refuse, refusal)
        elif spooled:
            await self._on_disk(self._spool.done)
        else:
            finished = self._refused.popleft()
            if refusal:
                self._lose(finished, refusal)

    async def _adopt(self) -> None:
        try:
            if await self._on_disk(self._spool.adopt):
                self._tell()
        except OSError as error:
            log.error("spool.failed", error=str(error), doing="looking for what others left")

    async def _on_disk(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """One thing at a time is done with the spool, in a thread: the disk may take its time.

        In a thread of its own: the others may all be waiting for a resolver or a mount that hangs.
        """
        async with self._spooling:
            todo = partial(call, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self._disk, todo)

    def _tell(self) -> None:
        self._watching.runs_waiting(self.waiting)

    async def _live(self) -> None:
        while True:
            try:
                await self._flush()
            except OSError as error:  # a disk that cannot be read now may be read later
                log.error("spool.failed", error=str(error), doing="recording what waits")
            await asyncio.sleep(_RETRY_SECONDS)
            await self._adopt()
