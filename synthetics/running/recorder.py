"""Keeps finished runs: at once if the database answers, otherwise as soon as it does."""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from synthetics.errors import StoreError
from synthetics.model.run import Outcome, Run
from synthetics.running.background import Background
from synthetics.store import runs
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_RETRY_SECONDS = 2.0
_MOST_WAITING = 10_000


class Recorder(Background):
    """Records runs in the order in which they finished; used as an async context manager.

    While the database is away, finished runs wait in memory, and leaving the context tries them once more.
    """

    def __init__(self, database: Database, told: Callable[[Run], None] = lambda run: None) -> None:
        self._database = database
        self._told = told
        self._waiting: deque[Run] = deque()
        self._flushing = asyncio.Lock()

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        await self._flush()
        for run in self._waiting:
            log.error("run.lost", run_id=str(run.id), probe=run.key.probe, outcome=run.outcome.value)

    async def last_telling(self, run: Run) -> Outcome | None:
        """The outcome before this run that spoke about the platform; None if none is known."""
        try:
            async with self._database.transaction() as connection:
                return await runs.last_telling(connection, run.key.probe, run.key.location)
        except StoreError:
            return None

    async def record(self, run: Run) -> None:
        """Keep the run; returns when it is kept, or waiting because the database is away."""
        _log_finished(run)
        self._told(run)
        if len(self._waiting) >= _MOST_WAITING:
            log.error("run.lost", run_id=str(run.id), probe=run.key.probe, outcome=run.outcome.value)
            return
        self._waiting.append(run)
        await self._flush()

    async def _flush(self) -> None:
        async with self._flushing:
            while self._waiting:
                try:
                    async with self._database.transaction() as connection:
                        await runs.record(connection, self._waiting[0])
                except StoreError as error:
                    log.warning("store.failed", waiting=len(self._waiting), error=str(error))
                    return
                self._waiting.popleft()

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            if self._waiting:
                await self._flush()


def _log_finished(run: Run) -> None:
    """One line that tells the whole run."""
    tell = log.info if run.outcome is Outcome.PASSED else log.warning
    tell(
        "run.finished",
        probe=run.key.probe,
        run_id=str(run.id),
        outcome=run.outcome.value,
        reason=run.reason,
        trigger=run.key.trigger.value,
        tick=run.key.tick.isoformat(),
        took_seconds=round(run.took.total_seconds(), 3),
        waited_seconds=round(run.waited.total_seconds(), 3),
        checks={check.case: check.outcome.value for check in run.checks},
        timings={
            f"{timing.name}{f'/{timing.path}' if timing.path else ''}": round(timing.took.total_seconds(), 3)
            for timing in run.timings
        },
        cleanup_errors=list(run.cleanup_errors),
        trace_id=run.trace_id,
    )
