"""What the monitor itself costs, by day and probe."""

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Date, cast, func, select

from synthetics.clock import Clock
from synthetics.queries.reading import reading
from synthetics.queries.values import DayCost, ProbeCost
from synthetics.store.engine import Database
from synthetics.store.tables import runs


class Costs:
    """Reads about money."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def days(self, count: int) -> tuple[DayCost, ...]:
        """The newest `count` days (UTC), today first; a day without a priced run has no probes."""
        today = self._clock.now().astimezone(UTC).date()
        first = today - timedelta(days=count - 1)
        found: dict[date, list[ProbeCost]] = defaultdict(list)
        day = cast(func.timezone("UTC", runs.c.tick), Date).label("day")
        dollars = func.sum(runs.c.cost_dollars).label("dollars")
        chosen = (
            select(day, runs.c.probe, func.count().label("runs"), dollars)
            .where(
                runs.c.tick >= datetime.combine(first, time(), UTC),
                runs.c.cost_dollars.is_not(None),
                runs.c.started.is_not(None),
            )
            .group_by(day, runs.c.probe)
            .order_by(day, dollars.desc(), runs.c.probe)
        )
        async with reading(self._database) as connection:
            for row in await connection.execute(chosen):
                found[row.day].append(ProbeCost(row.probe, row.runs, row.dollars))
        return tuple(
            DayCost(at, tuple(found[at])) for at in (today - timedelta(days=back) for back in range(count))
        )
