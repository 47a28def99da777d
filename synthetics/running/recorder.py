"""Keeps finished runs, and tells of each."""

from collections.abc import Callable

import structlog

from synthetics.errors import StoreError
from synthetics.model.run import Outcome, Run
from synthetics.running.journal import Journal
from synthetics.store import runs
from synthetics.store.engine import Database
from synthetics.store.entries import Finished

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Recorder:
    """Records runs in the order in which they finished, also while the database is away (`Journal`)."""

    def __init__(self, database: Database, journal: Journal, told: Callable[[Run], None]) -> None:
        self._database = database
        self._journal = journal
        self._told = told

    async def last_telling(self, run: Run) -> Outcome | None:
        """The outcome before this run that spoke about the platform; None if none is known."""
        try:
            async with self._database.transaction() as connection:
                return await runs.last_telling(connection, run.key.probe, run.key.location)
        except StoreError:
            return None

    async def record(self, run: Run) -> None:
        """Keep the run; returns when the database has it, or the disk because the database is away."""
        _log_finished(run)
        self._told(run)
        await self._journal.write(Finished(run))


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
