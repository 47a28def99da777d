"""Series of timings as they are judged for slowness: their values, and what their detectors know.

Every function takes the connection of a transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.run import TELLING
from synthetics.regression.change import Value
from synthetics.store.tables import runs, series, timings

_TELLING = sorted(outcome.value for outcome in TELLING)


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """One timing of one probe, by path and location."""

    probe: str
    location: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a series. `state` is its detector's; `relevel_at`: what came since is the new normal."""

    state: Mapping[str, Any]
    tick: datetime
    run_id: UUID
    level_seconds: float | None = None
    slower: tuple[str, ...] = ()
    calm_runs: int = 0
    relevel_at: datetime | None = None


async def known(connection: AsyncConnection, key: SeriesKey) -> Known | None:
    """What is known of it, kept from others until the transaction ends; None if it was never judged."""
    # Two runs of one probe may end at once, and the first of them be the series' first.
    await connection.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended("/".join(_parts(key)), 0)))
    )
    row = (await connection.execute(select(series).where(*_is(key)))).one_or_none()
    return None if row is None else _known(row)


async def keep(connection: AsyncConnection, key: SeriesKey, now_known: Known) -> None:
    """Keep what is known of it now."""
    columns = {
        "state": now_known.state,
        "tick": now_known.tick,
        "run_id": now_known.run_id,
        "level_seconds": now_known.level_seconds,
        "slower": list(now_known.slower),
        "calm_runs": now_known.calm_runs,
        "relevel_at": now_known.relevel_at,
    }
    statement = upsert(series).values(
        probe=key.probe, location=key.location, name=key.name, path=key.path, **columns
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[series.c.probe, series.c.location, series.c.name, series.c.path], set_=columns
        )
    )


async def relevel(connection: AsyncConnection, key: SeriesKey, at: datetime) -> bool:
    """Have what came since `at` be the new normal, from the next run on; False if there is no such series."""
    done = await connection.execute(update(series).where(*_is(key)).values(relevel_at=at))
    return done.rowcount == 1


async def values(
    connection: AsyncConnection,
    key: SeriesKey,
    *,
    after: tuple[datetime, UUID] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> list[Value]:
    """The newest values of a series, oldest first, without those taken while our own event loop stood still."""
    chosen = (
        select(
            timings.c.run_id,
            timings.c.tick,
            timings.c.seconds,
            timings.c.resolution_seconds,
            timings.c.phases,
            runs.c.versions,
        )
        .join(runs, (runs.c.id == timings.c.run_id) & (runs.c.tick == timings.c.tick))
        .where(
            timings.c.name == key.name,
            timings.c.path == key.path,
            timings.c.probe == key.probe,
            timings.c.location == key.location,
            timings.c.outcome.in_(_TELLING),
            ~timings.c.stalled,
        )
        .order_by(timings.c.tick.desc(), timings.c.run_id.desc())
        .limit(limit)
    )
    if after is not None:
        chosen = chosen.where(
            timings.c.tick >= after[0], tuple_(timings.c.tick, timings.c.run_id) > tuple_(*after)
        )
    if since is not None:
        chosen = chosen.where(timings.c.tick >= since)
    if until is not None:
        chosen = chosen.where(timings.c.tick <= until)
    newest_first = [_value(row) for row in await connection.execute(chosen)]
    return newest_first[::-1]


def _value(row: Any) -> Value:
    return Value(
        run_id=row.run_id,
        tick=row.tick,
        seconds=row.seconds,
        phases={phase["name"]: phase["seconds"] for phase in row.phases},
        versions=row.versions,
        resolution=row.resolution_seconds,
    )


def _known(row: Any) -> Known:
    return Known(
        row.state, row.tick, row.run_id, row.level_seconds, tuple(row.slower), row.calm_runs, row.relevel_at
    )


def _parts(key: SeriesKey) -> Sequence[str]:
    return key.probe, key.location, key.name, key.path


def _is(key: SeriesKey) -> Sequence[Any]:
    return (
        series.c.probe == key.probe,
        series.c.location == key.location,
        series.c.name == key.name,
        series.c.path == key.path,
    )
