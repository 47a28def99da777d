"""Runs and ledger entries as the store gets them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Table, select

from synthetics.model.check import Check, CheckOutcome
from synthetics.model.resource import Resource, ResourceState
from synthetics.model.run import Outcome, Run, RunKey, StepOutcome, StepResult
from synthetics.model.timing import Phase, Timing
from synthetics.store.engine import Database

#: The test database has partitions around today, so ticks lie today.
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
LEASE = timedelta(seconds=30)
ENDED = timedelta(seconds=-1)
"""A lease that has ended already, so that no test has to wait for the end of one."""


def key(minute: int = 0, *, probe: str = "cold-start", **other: Any) -> RunKey:
    return RunKey(probe, "here", NOON + timedelta(minutes=minute), **other)


def a_run(of: RunKey, outcome: Outcome = Outcome.PASSED, **other: Any) -> Run:
    """A finished run with two steps, a check and a timing."""
    fields: dict[str, Any] = {
        "started": of.tick,
        "finished": of.tick + timedelta(seconds=3),
        "took": timedelta(seconds=2.5),
        "waited": timedelta(seconds=0.5),
        "worker": "worker-1",
        "tag": "abc123",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "steps": (
            StepResult(
                "ask",
                StepOutcome.PASSED,
                timedelta(seconds=2),
                offset=timedelta(0),
                took=timedelta(seconds=1.25),
            ),
            StepResult("answer", StepOutcome.NOT_REACHED, timedelta(seconds=1)),
        ),
        "checks": (Check("CS-01", CheckOutcome.PASSED, None, {"seen": [1, "two"]}),),
        "timings": (
            Timing(
                "cold_start",
                timedelta(seconds=2),
                offset=timedelta(seconds=0.1),
                resolution=timedelta(seconds=0.025),
                phases=(Phase("pull", timedelta(seconds=1.5)), Phase("unaccounted", timedelta(seconds=0.5))),
            ),
        ),
        "versions": {"image": "sha256:1"},
        "facts": {"launch": "run-task"},
        **other,
    }
    return Run(of, outcome, **fields)


def an_entry(run_id: UUID, name: str = "syn-abc123", *, kind: str = "session", seconds: int = 0) -> Resource:
    return Resource(
        id=uuid4(),
        run_id=run_id,
        probe="cold-start",
        tag="abc123",
        kind=kind,
        name=name,
        state=ResourceState.INTENDED,
        intended=NOON + timedelta(seconds=seconds),
        details={"client": "syn-abc123"},
    )


async def rows(database: Database, table: Table) -> list[dict[str, Any]]:
    """Every row of a table, by its primary key."""
    async with database.transaction() as connection:
        found = await connection.execute(select(table).order_by(*table.primary_key.columns))
        return [dict(row) for row in found.mappings()]
