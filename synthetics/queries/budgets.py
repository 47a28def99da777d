"""Error budgets: how much of what timings may be over their targets is used up, and how fast it goes."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text

from synthetics.clock import Clock
from synthetics.model.run import TELLING
from synthetics.queries import catalogue
from synthetics.queries.reading import reading
from synthetics.store.engine import Database

#: Of the runs of every timing as many are to stay under its target; the rule `target` judges by the same.
OBJECTIVE: Final = 0.95
#: Over this span.
SPAN: Final = timedelta(days=28)
#: Over each of these it is told how fast the budget goes.
WINDOWS: Final = (timedelta(hours=1), timedelta(hours=6), timedelta(days=3), SPAN)
_FRESH_FOR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Burn:
    """Of the runs of a window, how many took their target or longer."""

    window: timedelta
    runs: int
    over: int

    @property
    def rate(self) -> float | None:
        """How many times faster than allowed the budget goes: 1 uses it up in its span; None without runs."""
        return self.over / self.runs / (1 - OBJECTIVE) if self.runs else None


@dataclass(frozen=True, slots=True)
class Budget:
    """The objective of one timing of a probe, by path, and what was kept of it."""

    probe: str
    timing: str
    path: str
    target: timedelta
    burns: tuple[Burn, ...]

    @property
    def left(self) -> float | None:
        """What is left of the span's budget: 1 all, 0 none, less where it is overdrawn; None without runs."""
        rate = self.burns[-1].rate
        return None if rate is None else 1 - rate


class Budgets:
    """Reads about error budgets. Values taken while our own event loop stood still do not count."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._asking = asyncio.Lock()
        self._gauges: tuple[Budget, ...] = ()
        self._asked: datetime | None = None

    async def all(self, probe: str | None = None) -> tuple[Budget, ...]:
        """Every timing with a target, in the catalogue's order. Raises NotFound."""
        async with reading(self._database) as connection:
            probes = (
                await catalogue.current(connection)
                if probe is None
                else [await catalogue.one(connection, probe)]
            )
            wanted = [
                (found.name, timing.name, path, timing.target)
                for found in probes
                for timing in found.timings
                for path in timing.paths
                if timing.target is not None
            ]
            parameters = {
                "probes": [name for name, _, _, _ in wanted],
                "names": [timing for _, timing, _, _ in wanted],
                "paths": [path for _, _, path, _ in wanted],
                "targets": [target.total_seconds() for _, _, _, target in wanted],
                "counted": sorted(outcome.value for outcome in TELLING),
                "now": self._clock.now(),
                "windows": list(WINDOWS),
            }
            rows = (await connection.execute(_COUNTS, parameters)).all()
        return tuple(
            Budget(name, timing, path, target, _burns(rows[place]))
            for place, (name, timing, path, target) in enumerate(wanted)
        )

    async def gauges(self) -> tuple[Budget, ...]:
        """The same for metrics: at most a minute old, so that scrapes do not count the whole span each time."""
        async with self._asking:
            now = self._clock.now()
            if self._asked is None or now - self._asked >= _FRESH_FOR or now < self._asked:
                self._gauges, self._asked = await self.all(), now
            return self._gauges


# One row for each series, with the counts of every window, as arrays in the windows' order.
_COUNTS = text(
    """
    SELECT array_agg(counts.runs ORDER BY window_place) AS runs,
           array_agg(counts.late ORDER BY window_place) AS late
    FROM unnest(CAST(:probes AS text[]), CAST(:names AS text[]), CAST(:paths AS text[]),
                CAST(:targets AS double precision[]))
             WITH ORDINALITY AS series (probe, name, path, target, place)
    CROSS JOIN unnest(CAST(:windows AS interval[])) WITH ORDINALITY AS windows (span, window_place)
    CROSS JOIN LATERAL (
        SELECT count(*) AS runs, count(*) FILTER (WHERE seconds >= series.target) AS late FROM timings
        WHERE timings.name = series.name AND timings.path = series.path AND timings.probe = series.probe
          AND timings.tick > :now - windows.span AND timings.tick <= :now
          AND NOT stalled AND outcome = ANY(:counted)
    ) AS counts
    GROUP BY series.place
    ORDER BY series.place
    """
)


def _burns(row: Any) -> tuple[Burn, ...]:
    return tuple(
        Burn(window, runs, late) for window, runs, late in zip(WINDOWS, row.runs, row.late, strict=True)
    )
