"""What incidents are judged by, as it was recorded.

Every function takes the connection of a transaction.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.contract.probe import Price
from synthetics.model.check import CheckOutcome
from synthetics.model.resource import ResourceState
from synthetics.model.run import TELLING, Outcome, StepOutcome
from synthetics.model.sample import Measured, Place, Sample, Stuck, Watched
from synthetics.store.tables import checks, probes, resources, runs, steps, timings, watch

_TELLING = sorted(outcome.value for outcome in TELLING)
_WORKING = [*_TELLING, Outcome.BROKEN.value]
_MOST_STUCK = 200


@dataclass(frozen=True, slots=True)
class Particulars:
    """Where a run failed: its step, its cases with their reasons, and the platform's versions it met."""

    step: str | None
    cases: tuple[tuple[str, str], ...]
    versions: Mapping[str, str]
    versions_before: Mapping[str, str]


async def watched(connection: AsyncConnection, probe: str) -> Watched | None:
    """The probe as the catalogue has it; None if it never had."""
    row = (await connection.execute(select(probes).where(probes.c.name == probe))).one_or_none()
    return None if row is None else _watched(row)


async def all_watched(connection: AsyncConnection) -> dict[str, Watched]:
    """Every probe the catalogue ever had, by name."""
    return {row.name: _watched(row) for row in await connection.execute(select(probes))}


async def samples(
    connection: AsyncConnection, probe: str, location: str, *, since: datetime, limit: int
) -> list[Sample]:
    """The runs that passed, failed or were broken, newest first; a confirmation before what it confirms."""
    chosen = (
        select(runs.c.id, runs.c.tick, runs.c.finished, runs.c.outcome, runs.c.reason)
        .where(
            runs.c.probe == probe,
            runs.c.location == location,
            runs.c.outcome.in_(_WORKING),
            runs.c.tick > since,
        )
        .order_by(runs.c.tick.desc(), runs.c.confirms.is_not(None).desc(), runs.c.attempt.desc())
        .limit(limit)
    )
    return [
        Sample(row.id, row.tick, row.finished, Outcome(row.outcome), row.reason)
        for row in await connection.execute(chosen)
    ]


async def measured(
    connection: AsyncConnection,
    probe: str,
    location: str,
    timing: str,
    path: str,
    *,
    since: datetime,
    limit: int,
) -> list[Measured]:
    """The newest values of one series, newest first, without those taken while our own loop stood still."""
    chosen = (
        select(timings.c.run_id, timings.c.tick, timings.c.seconds)
        .where(
            timings.c.name == timing,
            timings.c.path == path,
            timings.c.probe == probe,
            timings.c.location == location,
            timings.c.outcome.in_(_TELLING),
            timings.c.tick > since,
            ~timings.c.stalled,
        )
        .order_by(timings.c.tick.desc(), timings.c.run_id)
        .limit(limit)
    )
    return [
        Measured(row.run_id, row.tick, timedelta(seconds=row.seconds))
        for row in await connection.execute(chosen)
    ]


async def particulars(connection: AsyncConnection, run_id: UUID) -> Particulars:
    """Where this run failed, and what had changed since the newest one before it that passed."""
    run = (await connection.execute(select(runs).where(runs.c.id == run_id))).one_or_none()
    if run is None:
        return Particulars(None, (), {}, {})
    step = await connection.scalar(
        select(steps.c.name)
        .where(steps.c.run_id == run_id, steps.c.tick == run.tick, steps.c.outcome == StepOutcome.FAILED.value)
        .order_by(steps.c.position)
        .limit(1)
    )
    failed = await connection.execute(
        select(checks.c.case, checks.c.reason)
        .where(
            checks.c.run_id == run_id,
            checks.c.tick == run.tick,
            checks.c.outcome == CheckOutcome.FAILED.value,
        )
        .order_by(checks.c.position)
    )
    before = await connection.scalar(
        select(runs.c.versions)
        .where(
            runs.c.probe == run.probe,
            runs.c.location == run.location,
            runs.c.outcome == Outcome.PASSED.value,
            runs.c.tick < run.tick,
        )
        .order_by(runs.c.tick.desc())
        .limit(1)
    )
    cases = tuple((row.case, row.reason or "") for row in failed)
    return Particulars(step, cases, run.versions, before or {})


# The locations come from a walk from one to the next along the index (probe, location, tick): a plain DISTINCT
# would read every run that was ever kept.
_PLACES = text(
    """
    WITH RECURSIVE place (probe, location) AS (
        SELECT known.name, (SELECT min(location) FROM runs WHERE runs.probe = known.name)
        FROM probes AS known WHERE known.retired_at IS NULL AND known.enabled
        UNION ALL
        SELECT place.probe,
               (SELECT min(location) FROM runs WHERE runs.probe = place.probe AND location > place.location)
        FROM place WHERE place.location IS NOT NULL
    )
    SELECT place.probe, place.location, newest.finished, newest.outcomes
    FROM place CROSS JOIN LATERAL (
        SELECT array_agg(finished ORDER BY tick DESC, finished DESC) AS finished,
               array_agg(outcome ORDER BY tick DESC, finished DESC) AS outcomes
        FROM (
            SELECT finished, outcome, tick FROM runs
            WHERE runs.probe = place.probe AND runs.location = place.location AND outcome = ANY(:working)
            ORDER BY tick DESC, finished DESC LIMIT :runs
        ) AS ended
    ) AS newest
    WHERE place.location IS NOT NULL
    """
)


async def places(connection: AsyncConnection, *, runs: int) -> list[Place]:
    """Every scheduled probe at every location that ever ran it, with when its newest `runs` ended."""
    found = await connection.execute(_PLACES, {"working": _WORKING, "runs": runs})
    return [
        Place(
            row.probe,
            row.location,
            tuple(row.finished or ()),
            Outcome(row.outcomes[0]) if row.outcomes else None,
        )
        for row in found
    ]


async def told_since(
    connection: AsyncConnection, names: Collection[str], location: str, since: datetime
) -> set[str]:
    """Those of these probes that had a run which began at or after that moment, and told of the platform."""
    found = await connection.scalars(
        select(runs.c.probe)
        .where(
            runs.c.probe.in_(names),
            runs.c.location == location,
            runs.c.tick >= since - timedelta(days=1),
            runs.c.started >= since,
            runs.c.outcome.in_(_TELLING),
        )
        .distinct()
    )
    return set(found)


async def stuck(connection: AsyncConnection) -> dict[str, list[Stuck]]:
    """What nobody could remove so far, by the probe that made it, most tried first."""
    found = await connection.execute(
        select(resources)
        .where(resources.c.state != ResourceState.GONE.value, resources.c.attempts > 0)
        .order_by(resources.c.attempts.desc(), resources.c.intended)
        .limit(_MOST_STUCK)
    )
    things: dict[str, list[Stuck]] = defaultdict(list)
    for row in found:
        thing = Stuck(row.kind, row.name, row.attempts, row.intended, row.run_id, row.last_error)
        things[row.probe].append(thing)
    return things


async def swept(connection: AsyncConnection, *, since: datetime) -> dict[str, list[datetime]]:
    """When the sweep removed what runs had left that ended in good order, by probe."""
    found = await connection.execute(
        select(resources.c.probe, resources.c.gone_at)
        .join(runs, runs.c.id == resources.c.run_id)
        .where(resources.c.swept, resources.c.gone_at > since, runs.c.outcome.in_(_WORKING))
    )
    moments: dict[str, list[datetime]] = defaultdict(list)
    for row in found:
        moments[row.probe].append(row.gone_at)
    return moments


async def keep_watch(
    connection: AsyncConnection, *, pause: timedelta, longest_break: timedelta
) -> tuple[datetime, datetime] | None:
    """Take this turn of the watch: since when it has been kept, and now; None if another has just taken it.

    It counts as kept while no two turns lie further apart than `longest_break`; the clock is the database's.
    """
    statement = upsert(watch).values(id=1, since=func.now(), heard_at=func.now())
    turn = await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[watch.c.id],
            set_={
                "since": case((watch.c.heard_at < func.now() - longest_break, func.now()), else_=watch.c.since),
                "heard_at": func.now(),
            },
            where=watch.c.heard_at <= func.now() - pause,
        ).returning(watch.c.since, func.now())
    )
    taken = turn.one_or_none()
    return None if taken is None else (taken[0], taken[1])


def _watched(row: Row[Any]) -> Watched:
    return Watched(
        name=row.name,
        owner=row.owner,
        severity=row.severity,
        every=timedelta(seconds=row.every_seconds),
        timeout=timedelta(seconds=row.timeout_seconds),
        version=row.version,
        scheduled=row.enabled and row.retired_at is None,
        is_dear=row.price == Price.DEAR.value,
        leans_on=tuple(row.leans_on),
        targets={
            timing["name"]: timedelta(seconds=timing["target_seconds"])
            for timing in row.timings
            if timing["target_seconds"] is not None
        },
        promises={case["id"]: case["promise"] for case in row.cases},
    )
