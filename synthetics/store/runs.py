"""Runs: claimed by one worker, kept alive by its heartbeats, closed once.

Every function takes the connection of a transaction; the caller commits.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    String,
    UnaryExpression,
    case,
    cast,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.run import TELLING, Outcome, Run, RunKey, Trigger
from synthetics.store.storable import optional_text, seconds, storable, storable_text
from synthetics.store.tables import checks, logs, runs, steps, timings

_BATCH = 500
_MOST_ABANDONED = 1_000


@dataclass(frozen=True, slots=True)
class AbandonedRun:
    """A run that was closed because its worker fell silent."""

    key: RunKey
    worker: str
    tag: str
    claimed_at: datetime | None
    reason: str

    @property
    def id(self) -> UUID:
        return self.key.id

    @property
    def probe(self) -> str:
        return self.key.probe


@dataclass(frozen=True, slots=True)
class UnderWay:
    """How many runs have not ended, and when the last of their leases ends if it is not renewed."""

    count: int
    until: datetime


async def claim(
    connection: AsyncConnection,
    key: RunKey,
    *,
    worker: str,
    lease: timedelta,
    tag: str,
    confirms: UUID | None = None,
) -> bool:
    """True for the one worker that is to run this; the lease counts from the database's clock."""
    claimed = await connection.scalar(
        upsert(runs)
        .values(
            **_key_columns(key),
            worker=storable_text(worker),
            tag=tag,
            confirms=confirms,
            claimed_at=func.now(),
            heard_at=func.now(),
            lease_until=func.now() + lease,
        )
        .on_conflict_do_nothing()
        .returning(runs.c.id)
    )
    return claimed is not None


async def ask(connection: AsyncConnection, key: RunKey, *, within: timedelta) -> None:
    """Have a run wait for a worker at its location; nobody's, it is closed as interrupted after `within`."""
    await connection.execute(
        insert(runs).values(**_key_columns(key), heard_at=func.now(), lease_until=func.now() + within)
    )


async def now(connection: AsyncConnection) -> datetime:
    """The database's time, which ticks go by."""
    moment: datetime | None = await connection.scalar(select(func.now()))
    assert moment is not None
    return moment.astimezone(UTC)


async def taking_turns(connection: AsyncConnection, probe: str, location: str) -> None:
    """Keep others from asking for a run of this probe there until the transaction ends."""
    key = func.hashtextextended(f"{probe} at {location}", 0)
    await connection.execute(select(func.pg_advisory_xact_lock(key)))


async def any_asked(connection: AsyncConnection, location: str) -> bool:
    """Whether a run waits there for a worker."""
    return bool(await connection.scalar(select(select(runs.c.id).where(*_asked(location)).exists())))


async def take_asked(
    connection: AsyncConnection,
    probes: Collection[str],
    location: str,
    *,
    worker: str,
    lease: timedelta,
    tag: str,
) -> RunKey | None:
    """Claim the run of these probes that has waited the longest there; None if none waits."""
    waiting = (
        select(runs.c.id, runs.c.tick)
        .where(*_asked(location), runs.c.probe.in_(probes))
        .order_by(runs.c.tick)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    taken = await connection.execute(
        update(runs)
        .where(tuple_(runs.c.id, runs.c.tick).in_(waiting))
        .values(
            worker=storable_text(worker),
            tag=tag,
            claimed_at=func.now(),
            heard_at=func.now(),
            lease_until=func.now() + lease,
        )
        .returning(runs.c.probe, runs.c.location, runs.c.tick, runs.c.trigger, runs.c.attempt)
    )
    row = taken.one_or_none()
    if row is None:
        return None
    return RunKey(row.probe, row.location, row.tick.astimezone(UTC), Trigger(row.trigger), row.attempt)


async def heartbeat(
    connection: AsyncConnection, ids: Collection[UUID], *, worker: str, lease: timedelta
) -> set[UUID]:
    """Renew the leases of these runs; the ids of those that are still this worker's and in flight."""
    if not ids:
        return set()
    kept = await connection.scalars(
        update(runs)
        .where(runs.c.id.in_(ids), runs.c.worker == storable_text(worker), runs.c.outcome.is_(None))
        .values(heard_at=func.now(), lease_until=func.now() + lease)
        .returning(runs.c.id)
    )
    return set(kept)


async def record(connection: AsyncConnection, run: Run) -> bool:
    """Keep the run with its steps, timings, checks and log; False, and no change, if it was kept before.

    Closes the claimed row, or makes one for a run that was never claimed. What others wrote in the run's
    absence (closed as abandoned, noted as missed) gives way: the run itself knows better.
    """
    outcome = _outcome_columns(run)
    kept = await connection.scalar(
        upsert(runs)
        .values(**_key_columns(run.key), **outcome)
        .on_conflict_do_update(
            index_elements=[runs.c.id, runs.c.tick],
            set_={**outcome, "abandoned": False, "lease_until": None},
            where=_gives_way_to(run),
        )
        .returning(runs.c.id)
    )
    if kept is None:
        return False
    for table, rows in (
        (steps, _step_rows(run)),
        (timings, _timing_rows(run)),
        (checks, _check_rows(run)),
        (logs, _log_rows(run)),
    ):
        if rows:
            await connection.execute(insert(table), rows)
    return True


async def note_missed(connection: AsyncConnection, keys: Iterable[RunKey], *, reason: str, worker: str) -> int:
    """Note ticks that nobody started, where there is no row yet; how many were noted."""
    noted = 0
    remaining = iter(keys)
    while batch := list(islice(remaining, _BATCH)):
        shared = {
            "outcome": Outcome.MISSED.value,
            "reason": storable_text(reason),
            "worker": storable_text(worker),
            "finished": func.now(),
            "took_seconds": 0.0,
            "waited_seconds": 0.0,
        }
        rows = [{**_key_columns(key), **shared} for key in batch]
        statement = upsert(runs).values(rows).on_conflict_do_nothing().returning(runs.c.id)
        noted += len((await connection.scalars(statement)).all())
    return noted


async def close_abandoned(connection: AsyncConnection, *, settled: bool = False) -> list[AbandonedRun]:
    """Close runs whose lease has ended as interrupted; the ones this call closed, oldest first.

    Any number of workers may call it at once: each run is closed by one of them. With `settled`, none is
    closed before the server has been up for one lease: nobody could renew theirs while it was away.
    """
    lease = runs.c.lease_until - runs.c.heard_at
    # Nobody can have been heard of in the future: the database's clock was set back, and the lease begins anew.
    await connection.execute(
        update(runs)
        .where(runs.c.outcome.is_(None), runs.c.heard_at > func.now())
        .values(heard_at=func.now(), lease_until=func.now() + lease)
    )
    settling = func.pg_postmaster_start_time() + lease >= func.now()
    lost = (
        select(runs.c.id, runs.c.tick)
        .where(
            runs.c.outcome.is_(None),
            runs.c.lease_until < func.now(),
            *([~settling] if settled else []),
        )
        .order_by(runs.c.tick)
        .limit(_MOST_ABANDONED)
        .with_for_update(skip_locked=True)
    )
    silence = cast(func.round(func.extract("epoch", func.now() - runs.c.heard_at)), String)
    closed = await connection.execute(
        update(runs)
        .where(tuple_(runs.c.id, runs.c.tick).in_(lost))
        .values(
            outcome=Outcome.INTERRUPTED.value,
            reason=case(
                (runs.c.claimed_at.is_(None), func.concat("no worker took it within ", silence, " s")),
                else_=func.concat("its worker ", runs.c.worker, " was not heard of for ", silence, " s"),
            ),
            abandoned=True,
            finished=func.now(),
            lease_until=None,
        )
        .returning(runs)
    )
    return sorted((_abandoned(row) for row in closed), key=lambda run: run.key.tick)


async def in_flight(connection: AsyncConnection, probe: str, location: str) -> UUID | None:
    """A run of this probe here that has not ended and whose worker is alive; None if there is none."""
    found: UUID | None = await connection.scalar(
        select(runs.c.id)
        .where(
            runs.c.probe == probe,
            runs.c.location == location,
            runs.c.outcome.is_(None),
            runs.c.lease_until > func.now(),
        )
        .order_by(runs.c.tick)
        .limit(1)
    )
    return found


async def under_way(connection: AsyncConnection) -> UnderWay | None:
    """The runs that have not ended and whose worker is, or may still be, alive; None if there are none."""
    found = await connection.execute(
        select(func.count(), func.max(runs.c.lease_until)).where(
            runs.c.outcome.is_(None), runs.c.lease_until > func.now()
        )
    )
    count, until = found.one()
    return UnderWay(count, until.astimezone(UTC)) if count else None


async def first_tick(connection: AsyncConnection, probe: str, location: str) -> datetime | None:
    """The oldest scheduled tick that has a row; None if there is none."""
    return await _tick(connection, probe, location, runs.c.tick.asc())


async def last_tick(connection: AsyncConnection, probe: str, location: str) -> datetime | None:
    """The newest scheduled tick that has a row, in flight or ended; None if there is none."""
    return await _tick(connection, probe, location, runs.c.tick.desc())


async def _tick(
    connection: AsyncConnection, probe: str, location: str, order: UnaryExpression[datetime]
) -> datetime | None:
    found: datetime | None = await connection.scalar(
        select(runs.c.tick)
        .where(runs.c.probe == probe, runs.c.location == location, runs.c.trigger == Trigger.SCHEDULE.value)
        .order_by(order)
        .limit(1)
    )
    return found


async def last_telling(connection: AsyncConnection, probe: str, location: str) -> Outcome | None:
    """How the newest run ended that spoke about the platform; None if none did."""
    newest: str | None = await connection.scalar(
        select(runs.c.outcome)
        .where(
            runs.c.probe == probe,
            runs.c.location == location,
            runs.c.outcome.in_([outcome.value for outcome in TELLING]),
        )
        .order_by(runs.c.tick.desc(), runs.c.attempt.desc())
        .limit(1)
    )
    return None if newest is None else Outcome(newest)


def _asked(location: str) -> tuple[ColumnElement[bool], ...]:
    """Which rows wait there for a worker."""
    return (
        runs.c.location == location,
        runs.c.outcome.is_(None),
        runs.c.claimed_at.is_(None),
        runs.c.lease_until > func.now(),
    )


def _gives_way_to(run: Run) -> ColumnElement[bool]:
    """Which rows this run's own record may replace."""
    open_or_presumed = [runs.c.outcome.is_(None), runs.c.abandoned]
    if run.outcome is not Outcome.MISSED:
        open_or_presumed.append(runs.c.outcome == Outcome.MISSED.value)
    return or_(*open_or_presumed)


def _key_columns(key: RunKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "tick": key.tick,
        "probe": key.probe,
        "location": key.location,
        "trigger": key.trigger.value,
        "attempt": key.attempt,
    }


def _outcome_columns(run: Run) -> dict[str, Any]:
    return {
        "outcome": run.outcome.value,
        "reason": optional_text(run.reason),
        "worker": storable_text(run.worker),
        "started": run.started,
        "finished": run.finished,
        "took_seconds": seconds(run.took),
        "waited_seconds": seconds(run.waited),
        "tag": run.tag,
        "trace_id": run.trace_id,
        "confirms": run.confirms,
        "versions": storable(run.versions),
        "facts": storable(run.facts),
        "usage": storable(run.usage),
        "cost_dollars": run.cost.dollars,
        "cost_shares": storable(run.cost.shares),
        "cleanup_errors": storable(run.cleanup_errors),
    }


def _step_rows(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run.id,
            "tick": run.key.tick,
            "position": position,
            "name": step.name,
            "outcome": step.outcome.value,
            "budget_seconds": seconds(step.budget),
            "offset_seconds": seconds(step.offset),
            "took_seconds": seconds(step.took),
        }
        for position, step in enumerate(run.steps)
    ]


def _timing_rows(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run.id,
            "tick": run.key.tick,
            "position": position,
            "probe": run.key.probe,
            "location": run.key.location,
            "outcome": run.outcome.value,
            "name": timing.name,
            "path": timing.path,
            "seconds": seconds(timing.took),
            "resolution_seconds": seconds(timing.resolution),
            "offset_seconds": seconds(timing.offset),
            "phases": [{"name": phase.name, "seconds": seconds(phase.took)} for phase in timing.phases],
            "stalled": timing.stalled,
        }
        for position, timing in enumerate(run.timings)
    ]


def _check_rows(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run.id,
            "tick": run.key.tick,
            "case": check.case,
            "position": position,
            "probe": run.key.probe,
            "outcome": check.outcome.value,
            "reason": optional_text(check.reason),
            "evidence": storable(check.evidence),
        }
        for position, check in enumerate(run.checks)
    ]


def _log_rows(run: Run) -> list[dict[str, Any]]:
    lines = [
        {
            "offset": seconds(line.offset),
            "level": line.level,
            "event": storable_text(line.event),
            "fields": storable(line.fields),
            "took": seconds(line.took),
            "times": line.times,
        }
        for line in run.log
    ]
    return [{"run_id": run.id, "tick": run.key.tick, "lines": lines}] if lines else []


def _abandoned(row: Row[Any]) -> AbandonedRun:
    key = RunKey(row.probe, row.location, row.tick, Trigger(row.trigger), row.attempt)
    return AbandonedRun(key, row.worker, row.tag, row.claimed_at, row.reason)
