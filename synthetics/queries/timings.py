"""How long things took: the newest values, and figures over a span."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.run import TELLING, Outcome
from synthetics.queries import catalogue
from synthetics.queries.history import timing_value
from synthetics.queries.names import resolve
from synthetics.queries.reading import reading
from synthetics.queries.rolled import WHOLE, Rolled, is_long, rolled
from synthetics.queries.values import (
    Bucket,
    CatalogueProbe,
    CatalogueTiming,
    Figures,
    LatestTiming,
    PhaseMedian,
    Series,
    TimingHistory,
)
from synthetics.store.engine import Database

#: Buckets begin at multiples of their width from here (a Monday), so that they lie on the clock.
_ORIGIN = datetime(2001, 1, 1, tzinfo=UTC)
#: The widths that are chosen from, so that a span has about sixty buckets.
_WIDTHS = tuple(
    timedelta(seconds=seconds)
    for seconds in (10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 7 * 86400)
)
_ABOUT = 60
#: As many buckets may be asked for.
MOST_BUCKETS = 1000


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked about: [since, until) in slices of `bucket`; None lets the width be chosen."""

    since: datetime
    until: datetime
    bucket: timedelta | None = None

    @property
    def width(self) -> timedelta:
        """The width asked for, or a round one that gives about sixty buckets."""
        wanted = (self.until - self.since) / _ABOUT
        return self.bucket or next((width for width in _WIDTHS if width >= wanted), _WIDTHS[-1])

    def starts(self) -> list[datetime]:
        """Where each bucket begins; the first one holds `since`."""
        first = _ORIGIN + (self.since - _ORIGIN) // self.width * self.width
        count = -((first - self.until) // self.width)
        return [first + place * self.width for place in range(count)]


class Timings:
    """Reads of the timings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, probe: str | None = None) -> tuple[LatestTiming, ...]:
        """The newest value of every series, by probe, timing, path and location. Raises NotFound."""
        async with reading(self._database) as connection:
            probes = (
                await catalogue.current(connection)
                if probe is None
                else [await catalogue.one(connection, probe)]
            )
            wanted = [
                (found.name, timing, path)
                for found in probes
                for timing in found.timings
                for path in timing.paths
            ]
            return await _latest(connection, wanted)

    async def history(
        self, name: str, span: Span, *, probe: str | None = None, path: str | None = None
    ) -> TimingHistory:
        """The figures of one timing over a span, bucket by bucket. Raises NotFound."""
        async with reading(self._database) as connection:
            probes = (
                await catalogue.current(connection)
                if probe is None
                else [await catalogue.one(connection, probe)]
            )
            declared = {timing.name: timing for found in probes for timing in found.timings}
            timing = declared[resolve("timing", name, declared)]
            parameters = {
                "name": timing.name,
                "probes": [found.name for found in probes],
                "paths": list(timing.paths) if path is None else [path],
                "since": span.starts()[0],
                "until": span.until,
                "width": span.width,
                "origin": _ORIGIN,
                "counted": _counted(),
            }
            found = None
            if is_long(span.starts()[0], span.until, span.width):
                found = await rolled(connection, parameters)
            if found is None:
                found = await _exact(connection, parameters)
        return TimingHistory(
            name=timing.name,
            help=timing.help,
            target=timing.target,
            since=span.starts()[0],
            until=span.until,
            bucket=span.width,
            series=_series(found, span, probes, timing),
        )


_FIGURES = text(
    """
    SELECT probe, path, start, count(*) AS count, count(*) FILTER (WHERE stalled) AS stalled,
           min(seconds) AS shortest, max(seconds) AS longest,
           percentile_cont(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY seconds) AS quantiles
    FROM (
        SELECT probe, path, seconds, stalled, date_bin(:width, tick, :origin) AS start
        FROM timings
        WHERE name = :name AND probe = ANY(:probes) AND path = ANY(:paths)
          AND tick >= :since AND tick < :until AND outcome = ANY(:counted)
    ) AS counted
    GROUP BY GROUPING SETS ((probe, path), (probe, path, start))
    ORDER BY probe, path, start NULLS FIRST
    """
)

_PHASES = text(
    """
    SELECT timings.probe, timings.path, phase.name, count(*) AS count,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY phase.seconds) AS median
    FROM timings, jsonb_to_recordset(timings.phases) AS phase (name text, seconds double precision)
    WHERE timings.name = :name AND timings.probe = ANY(:probes) AND timings.path = ANY(:paths)
      AND timings.tick >= :since AND timings.tick < :until AND timings.outcome = ANY(:counted)
    GROUP BY timings.probe, timings.path, phase.name
    """
)

# The distinct locations come from a walk from one to the next along the index (probe, location, tick): a
# plain DISTINCT would read every run that was ever kept.
_LATEST = text(
    """
    WITH RECURSIVE place (probe, location) AS (
        SELECT known.probe, (SELECT min(location) FROM runs WHERE runs.probe = known.probe)
        FROM unnest(CAST(:probes AS text[])) AS known (probe)
        UNION ALL
        SELECT place.probe,
               (SELECT min(location) FROM runs WHERE runs.probe = place.probe AND location > place.location)
        FROM place WHERE place.location IS NOT NULL
    )
    SELECT newest.*
    FROM unnest(CAST(:series_probes AS text[]), CAST(:names AS text[]), CAST(:paths AS text[]))
             WITH ORDINALITY AS series (probe, name, path, position)
    JOIN place ON place.probe = series.probe AND place.location IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT * FROM timings
        WHERE timings.name = series.name AND timings.path = series.path AND timings.probe = series.probe
          AND timings.location = place.location AND timings.outcome = ANY(:counted)
        ORDER BY tick DESC LIMIT 1
    ) AS newest
    ORDER BY series.position, newest.location
    """
)


async def _latest(
    connection: AsyncConnection, wanted: Sequence[tuple[str, CatalogueTiming, str]]
) -> tuple[LatestTiming, ...]:
    targets = {(probe, timing.name): timing.target for probe, timing, _ in wanted}
    parameters = {
        "probes": sorted({probe for probe, _, _ in wanted}),
        "series_probes": [probe for probe, _, _ in wanted],
        "names": [timing.name for _, timing, _ in wanted],
        "paths": [path for _, _, path in wanted],
        "counted": _counted(),
    }
    return tuple(
        LatestTiming(
            probe=row["probe"],
            location=row["location"],
            at=row["tick"],
            run_id=row["run_id"],
            outcome=Outcome(row["outcome"]),
            timing=timing_value(row),
            target=targets[row["probe"], row["name"]],
        )
        for row in (await connection.execute(_LATEST, parameters)).mappings()
    )


def _counted() -> list[str]:
    # Runs that say nothing about the platform say nothing about its times either.
    return sorted(outcome.value for outcome in TELLING)


def _series(
    found: Rolled,
    span: Span,
    probes: Sequence[CatalogueProbe],
    timing: CatalogueTiming,
) -> tuple[Series, ...]:
    order = {probe.name: probe.phase_order(timing.name) for probe in probes}
    return tuple(
        Series(
            probe=probe,
            path=path,
            whole=figures[WHOLE],
            buckets=tuple(Bucket(start, figures.get(start)) for start in span.starts()),
            phases=tuple(
                sorted(found.phases.get((probe, path), ()), key=lambda phase: _place(phase.name, order[probe]))
            ),
        )
        for (probe, path), figures in found.figures.items()
    )


async def _exact(connection: AsyncConnection, parameters: Mapping[str, Any]) -> Rolled:
    """The figures of a span from its values themselves."""
    figures: dict[tuple[str, str], dict[datetime | None, Figures]] = defaultdict(dict)
    for row in (await connection.execute(_FIGURES, parameters)).mappings():
        figures[row["probe"], row["path"]][row["start"]] = _figures(row)
    phases: dict[tuple[str, str], list[PhaseMedian]] = defaultdict(list)
    for row in (await connection.execute(_PHASES, parameters)).mappings():
        median = PhaseMedian(row["name"], row["count"], timedelta(seconds=row["median"]))
        phases[row["probe"], row["path"]].append(median)
    return Rolled(figures, phases)


def _place(phase: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(phase) if phase in order else len(order), phase)


def _figures(row: Any) -> Figures:
    p50, p90, p95, p99 = (timedelta(seconds=seconds) for seconds in row["quantiles"])
    return Figures(
        count=row["count"],
        stalled=row["stalled"],
        shortest=timedelta(seconds=row["shortest"]),
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        longest=timedelta(seconds=row["longest"]),
    )
