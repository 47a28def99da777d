"""How many due ticks ended in a record."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.grid import Grid
from synthetics.model.run import Trigger
from synthetics.queries import catalogue
from synthetics.queries.reading import reading
from synthetics.queries.values import Coverage
from synthetics.store.engine import Database

_MICROSECOND = timedelta(microseconds=1)

# Only ticks that lie on today's grid count: after a change of the interval the older ones lie elsewhere.
# Whether there were any before is looked for within a week: else all of history would be read in vain.
_LOOK_BACK = timedelta(days=7)

_PLACES = text(
    """
    SELECT place.location,
           (SELECT min(tick) FROM runs
            WHERE probe = :probe AND runs.location = place.location AND trigger = :trigger AND tick > :since
              AND ((extract(epoch FROM tick) * 1000000)::bigint - :offset) % :every = 0) AS first,
           EXISTS (SELECT FROM runs
            WHERE probe = :probe AND runs.location = place.location AND trigger = :trigger
              AND tick <= :since AND tick > :looked_back
              AND ((extract(epoch FROM tick) * 1000000)::bigint - :offset) % :every = 0) AS before
    FROM (SELECT DISTINCT location FROM runs WHERE probe = :probe AND tick > :since AND tick <= :until) AS place
    """
)

_COUNTS = text(
    """
    SELECT count(DISTINCT tick) AS recorded, count(DISTINCT tick) FILTER (WHERE started IS NOT NULL) AS ran
    FROM runs
    WHERE probe = :probe AND location = :location AND trigger = :trigger AND outcome IS NOT NULL
      AND tick > :since AND tick <= :until
      AND ((extract(epoch FROM tick) * 1000000)::bigint - :offset) % :every = 0
    """
)


class Coverages:
    """Reads about the completeness of what was kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def probe(self, name: str, *, since: datetime, until: datetime) -> Coverage:
        """Recorded / due for the ticks in (since, until], all locations together. Raises NotFound.

        A probe that was first run within the span, or for the first time in a week, is due from then on.
        `until` should lie a timeout back, or runs in flight count as not recorded.
        """
        async with reading(self._database) as connection:
            probe = await catalogue.one(connection, name)
            grid = Grid.of(probe.name, probe.every)
            return await _covered(connection, probe.name, grid, since, until)


async def _covered(
    connection: AsyncConnection, probe: str, grid: Grid, since: datetime, until: datetime
) -> Coverage:
    asked = {
        "probe": probe,
        "trigger": Trigger.SCHEDULE.value,
        "offset": grid.offset // _MICROSECOND,
        "every": grid.every // _MICROSECOND,
        "until": until,
    }
    due = recorded = ran = 0
    begun = {**asked, "since": since, "looked_back": since - _LOOK_BACK}
    for place in (await connection.execute(_PLACES, begun)).mappings().all():
        if place["first"] is None:
            continue
        begin = since if place["before"] else place["first"] - grid.every
        span = {**asked, "location": place["location"], "since": begin}
        counts = (await connection.execute(_COUNTS, span)).mappings().one()
        due += due_between(grid, begin, until)
        recorded += counts["recorded"]
        ran += counts["ran"]
    return Coverage(since, until, due, recorded, ran)


def due_between(grid: Grid, after: datetime, until: datetime) -> int:
    """How many ticks lie in (after, until]."""
    return max(0, (grid.at_or_before(until) - grid.at_or_before(after)) // grid.every)
