"""How every query reads: one snapshot, nothing written, and never for long."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.run import Outcome, Trigger
from synthetics.model.timing import ZERO
from synthetics.queries.values import RunSummary
from synthetics.store import tables
from synthetics.store.engine import Database

#: A reader that asks for too much is told so; it must not take the database from the workers.
_LONGEST = timedelta(seconds=10)

#: The columns a summary is made of.
SUMMARY = tuple(
    tables.runs.c[name]
    for name in (
        *("id", "probe", "location", "tick", "trigger", "attempt", "outcome", "reason", "started", "finished"),
        *("took_seconds", "waited_seconds", "worker", "confirms", "abandoned"),
    )
)

_TRIGGERS = {trigger.value: trigger for trigger in Trigger}
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction that sees one moment of the database and cannot change it. Raises StoreError."""
    async with database.transaction() as connection:
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        milliseconds = _LONGEST // timedelta(milliseconds=1)
        await connection.execute(text(f"SET LOCAL statement_timeout = {milliseconds}"))
        yield connection


def summary(row: RowMapping | Any) -> RunSummary:
    """The run in one line that a row with the columns of SUMMARY tells of."""
    return summary_of(tuple(row[column.name] for column in SUMMARY))


def summary_of(values: Sequence[Any]) -> RunSummary:
    """The same from the values of these columns, in their order: quicker, where there are thousands."""
    (run_id, probe, location, tick, trigger, attempt, outcome, reason, started, finished, *others) = values
    took, waited, worker, confirms, abandoned = others
    return RunSummary(
        id=run_id,
        probe=probe,
        location=location,
        tick=tick,
        trigger=_TRIGGERS[trigger],
        attempt=attempt,
        outcome=None if outcome is None else _OUTCOMES[outcome],
        reason=reason,
        started=started,
        finished=finished,
        took=optional(took),
        waited=optional(waited) or ZERO,
        worker=worker,
        confirms=confirms,
        abandoned=abandoned,
    )


def optional(seconds: float | None) -> timedelta | None:
    """A duration column that may be null."""
    return None if seconds is None else timedelta(seconds=seconds)
