"""The runs of a probe, page by page, and one run in full."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.errors import NotFound
from synthetics.model.check import Check, CheckOutcome
from synthetics.model.cost import Cost
from synthetics.model.log_line import LogLine
from synthetics.model.resource import ResourceState
from synthetics.model.run import TELLING, Outcome, StepOutcome, StepResult
from synthetics.model.timing import Phase, Timing
from synthetics.queries import catalogue
from synthetics.queries.reading import SUMMARY, optional, reading, summary
from synthetics.queries.values import CaseMatrix, LedgerEntry, Page, RunDetail, RunSummary
from synthetics.store import tables
from synthetics.store.engine import Database

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the following one begins with the next older run.

    It names a run, not a number of rows, so that runs which arrive meanwhile shift nothing.
    """

    tick: datetime
    id: UUID

    @property
    def text(self) -> str:
        """The cursor as it travels in a link: opaque, and safe in a URL."""
        passed = ((self.tick - _EPOCH) // _MICROSECOND).to_bytes(8, signed=True)
        return urlsafe_b64encode(passed + self.id.bytes).decode()

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor behind `text`. Raises ValueError where it is none of ours."""
        try:
            raw = urlsafe_b64decode(text.encode("ascii"))
            tick = _EPOCH + int.from_bytes(raw[:8], signed=True) * _MICROSECOND
            return cls(tick, UUID(bytes=raw[8:]))
        except (ValueError, OverflowError) as error:
            raise ValueError("not a cursor of this list; start again without one") from error


class History:
    """Reads of what was kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, probe: str | None, limit: int) -> list[RunSummary]:
        """The newest runs of one probe, or of all, newest tick first, those in flight included."""
        runs = tables.runs
        chosen = select(*SUMMARY).order_by(runs.c.tick.desc(), runs.c.id.desc()).limit(limit)
        async with reading(self._database) as connection:
            if probe is not None:
                chosen = chosen.where(runs.c.probe == (await catalogue.one(connection, probe)).name)
            return [summary(row) for row in (await connection.execute(chosen)).mappings()]

    async def runs(
        self,
        probe: str,
        *,
        limit: int,
        cursor: Cursor | None = None,
        outcomes: Collection[Outcome] = (),
        location: str | None = None,
    ) -> Page:
        """A page of a probe's runs, newest tick first, those in flight included. Raises NotFound."""
        runs = tables.runs
        async with reading(self._database) as connection:
            name = (await catalogue.one(connection, probe)).name
            chosen = select(*SUMMARY).where(runs.c.probe == name)
            if cursor is not None:
                chosen = chosen.where(tuple_(runs.c.tick, runs.c.id) < tuple_(cursor.tick, cursor.id))
            if outcomes:
                chosen = chosen.where(runs.c.outcome.in_([outcome.value for outcome in outcomes]))
            if location is not None:
                chosen = chosen.where(runs.c.location == location)
            chosen = chosen.order_by(runs.c.tick.desc(), runs.c.id.desc()).limit(limit + 1)
            found = [summary(row) for row in (await connection.execute(chosen)).mappings()]
        shown, more = found[:limit], len(found) > limit
        return Page(tuple(shown), Cursor(shown[-1].tick, shown[-1].id).text if more else None)

    async def cases(self, probe: str, *, limit: int = 24) -> CaseMatrix:
        """How each case came out in the newest runs that tell, oldest first. Raises NotFound."""
        runs, checks = tables.runs, tables.checks
        async with reading(self._database) as connection:
            name = (await catalogue.one(connection, probe)).name
            newest = (
                select(*SUMMARY)
                .where(runs.c.probe == name, runs.c.outcome.in_(sorted(TELLING)))
                .order_by(runs.c.tick.desc(), runs.c.attempt.desc(), runs.c.id.desc())
                .limit(limit)
            )
            found = [summary(row) for row in (await connection.execute(newest)).mappings()][::-1]
            rows: dict[str, dict[UUID, CheckOutcome]] = {}
            if found:
                chosen = select(checks.c.case, checks.c.run_id, checks.c.outcome).where(
                    tuple_(checks.c.run_id, checks.c.tick).in_([(run.id, run.tick) for run in found])
                )
                for row in await connection.execute(chosen):
                    rows.setdefault(row.case, {})[row.run_id] = CheckOutcome(row.outcome)
        return CaseMatrix(tuple(found), rows)

    async def run(self, run_id: UUID) -> RunDetail:
        """One run in full. Raises NotFound."""
        async with reading(self._database) as connection:
            chosen = select(tables.runs).where(tables.runs.c.id == run_id)
            row = (await connection.execute(chosen)).mappings().one_or_none()
            if row is None:
                raise NotFound(f"there is no run {run_id}; runs are kept for a limited time")
            return RunDetail(
                summary=summary(row),
                tag=row["tag"],
                trace_id=row["trace_id"],
                steps=await _steps(connection, row),
                checks=await _checks(connection, row),
                timings=await _timings(connection, row),
                resources=await _resources(connection, run_id),
                cleanup_errors=tuple(row["cleanup_errors"]),
                versions=row["versions"],
                facts=row["facts"],
                usage=row["usage"],
                cost=None if row["cost_dollars"] is None else Cost(row["cost_dollars"], row["cost_shares"]),
                log=await _log(connection, row),
            )


def timing_value(row: RowMapping) -> Timing:
    """The timing that a row of `timings` tells of."""
    return Timing(
        name=row["name"],
        took=timedelta(seconds=row["seconds"]),
        offset=timedelta(seconds=row["offset_seconds"]),
        path=row["path"],
        resolution=timedelta(seconds=row["resolution_seconds"]),
        phases=tuple(Phase(phase["name"], timedelta(seconds=phase["seconds"])) for phase in row["phases"]),
        stalled=row["stalled"],
    )


async def _steps(connection: AsyncConnection, run: RowMapping) -> tuple[StepResult, ...]:
    steps = tables.steps
    chosen = select(steps).where(steps.c.run_id == run["id"], steps.c.tick == run["tick"])
    rows = (await connection.execute(chosen.order_by(steps.c.position))).mappings()
    return tuple(
        StepResult(
            name=row["name"],
            outcome=StepOutcome(row["outcome"]),
            budget=timedelta(seconds=row["budget_seconds"]),
            offset=optional(row["offset_seconds"]),
            took=optional(row["took_seconds"]),
        )
        for row in rows
    )


async def _checks(connection: AsyncConnection, run: RowMapping) -> tuple[Check, ...]:
    checks = tables.checks
    chosen = select(checks).where(checks.c.run_id == run["id"], checks.c.tick == run["tick"])
    rows = (await connection.execute(chosen.order_by(checks.c.position))).mappings()
    return tuple(
        Check(row["case"], CheckOutcome(row["outcome"]), row["reason"], row["evidence"]) for row in rows
    )


async def _timings(connection: AsyncConnection, run: RowMapping) -> tuple[Timing, ...]:
    timings = tables.timings
    chosen = select(timings).where(timings.c.run_id == run["id"], timings.c.tick == run["tick"])
    rows = (await connection.execute(chosen.order_by(timings.c.position))).mappings()
    return tuple(timing_value(row) for row in rows)


async def _log(connection: AsyncConnection, run: RowMapping) -> tuple[LogLine, ...]:
    logs = tables.logs
    chosen = select(logs.c.lines).where(logs.c.run_id == run["id"], logs.c.tick == run["tick"])
    lines = await connection.scalar(chosen)
    return tuple(
        LogLine(
            offset=timedelta(seconds=line["offset"]),
            level=line["level"],
            event=line["event"],
            fields=line["fields"],
            took=optional(line["took"]),
            times=line["times"],
        )
        for line in lines or ()
    )


async def _resources(connection: AsyncConnection, run_id: UUID) -> tuple[LedgerEntry, ...]:
    resources = tables.resources
    chosen = (
        select(resources).where(resources.c.run_id == run_id).order_by(resources.c.intended, resources.c.id)
    )
    rows = (await connection.execute(chosen)).mappings()
    return tuple(
        LedgerEntry(row["kind"], row["name"], ResourceState(row["state"]), row["last_error"]) for row in rows
    )
