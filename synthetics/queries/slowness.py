"""What is usual for each timing, and which of them are slower than that now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.incident import Incident
from synthetics.model.run import TELLING
from synthetics.queries.names import resolve
from synthetics.queries.reading import optional, reading
from synthetics.regression.change import Value
from synthetics.store import series
from synthetics.store.engine import Database
from synthetics.store.series import SeriesKey
from synthetics.store.tables import probes, timings
from synthetics.store.tables import series as kept

#: As many values are shown with an incident, and those that came so soon after it.
_SHOWN = 300
_AFTERWARDS = timedelta(hours=2)
_TELLING = sorted(outcome.value for outcome in TELLING)


@dataclass(frozen=True, slots=True)
class Pace:
    """One timing of one probe, by path and location: what is usual, and in which ways it is slower now.

    `usual` is None while it is learnt. `judged`: the tick of the newest value that was judged.
    """

    probe: str
    location: str
    timing: str
    path: str
    usual: timedelta | None
    slower: tuple[str, ...]
    judged: datetime


class Slowness:
    """Reads about slowness."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def paces(self, probe: str | None = None) -> tuple[Pace, ...]:
        """Every series that is judged, of probes that are still in the catalogue. Raises NotFound."""
        chosen = (
            select(kept)
            .join(probes, probes.c.name == kept.c.probe)
            .where(probes.c.retired_at.is_(None))
            .order_by(kept.c.probe, kept.c.name, kept.c.path, kept.c.location)
        )
        async with reading(self._database) as connection:
            if probe is not None:
                names = set(await connection.scalars(select(probes.c.name)))
                chosen = chosen.where(kept.c.probe == resolve("probe", probe, names))
            return tuple(_pace(row) for row in await connection.execute(chosen))

    async def around(self, incident: Incident) -> tuple[Value, ...]:
        """The values of the timing that an incident is about, from well before it until it was over.

        None at all for an incident that is not about a timing.
        """
        if not incident.subject:
            return ()
        timing, _, path = incident.subject.partition("/")
        key = SeriesKey(incident.probe, incident.location, timing, path)
        until = incident.resolved_at + _AFTERWARDS if incident.resolved_at else None
        async with reading(self._database) as connection:
            return tuple(await series.values(connection, key, until=until, limit=_SHOWN))

    async def series(
        self, *, since: datetime, probe: str | None = None, timing: str | None = None
    ) -> list[SeriesKey]:
        """Every series that has values since then. Raises NotFound for an unknown name."""
        async with reading(self._database) as connection:
            return await _keys(connection, since, probe, timing)

    async def values(self, key: SeriesKey, *, since: datetime) -> list[Value]:
        """The values of a series since then, oldest first."""
        async with reading(self._database) as connection:
            return await series.values(connection, key, since=since)


async def _keys(
    connection: AsyncConnection, since: datetime, probe: str | None, timing: str | None
) -> list[SeriesKey]:
    columns = (timings.c.probe, timings.c.location, timings.c.name, timings.c.path)
    found = await connection.execute(
        select(*columns).where(timings.c.tick >= since, timings.c.outcome.in_(_TELLING)).distinct()
    )
    keys = sorted(SeriesKey(*row) for row in found)
    if probe is not None:
        wanted = resolve("probe", probe, {key.probe for key in keys})
        keys = [key for key in keys if key.probe == wanted]
    if timing is not None:
        wanted = resolve("timing", timing, {key.name for key in keys})
        keys = [key for key in keys if key.name == wanted]
    return keys


def _pace(row: Any) -> Pace:
    return Pace(
        probe=row.probe,
        location=row.location,
        timing=row.name,
        path=row.path,
        usual=optional(row.level_seconds),
        slower=tuple(row.slower),
        judged=row.tick,
    )
