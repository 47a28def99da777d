"""Figures of long spans: out of the hourly rollups, and of the values themselves where these do not reach."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.queries.values import Figures, PhaseMedian
from synthetics.store.rollups import BIN, DAY, HOUR, PARTS, rolled_until, value_of

#: Spans up to this are read from the values themselves, and are exact.
EXACT = timedelta(days=8)
#: What stands for the whole span, beside its buckets.
WHOLE = None

# Whole days before `days`, whole hours from there to `rolled`, values from there on; per bucket and in all.
_BINS = text(
    f"""
    WITH binned AS (
        SELECT probe, path, phase, date_bin(:width, start, :origin) AS start, unrolled.bin, unrolled.found
        FROM rollups, unnest(bins, counts) AS unrolled (bin, found)
        WHERE name = :name AND probe = ANY(:probes) AND path = ANY(:paths)
          AND (unit = 'day' AND start >= :since AND start < :days
               OR unit = 'hour' AND start >= :days AND start < :rolled)
        UNION ALL
        SELECT timings.probe, timings.path, part.phase, date_bin(:width, timings.tick, :origin) AS start,
               {BIN.format(seconds="part.seconds")} AS bin, 1
        FROM timings, {PARTS}
        WHERE timings.name = :name AND timings.probe = ANY(:probes) AND timings.path = ANY(:paths)
          AND timings.tick >= :rolled AND timings.tick < :until AND timings.outcome = ANY(:counted)
    ), summed AS (
        SELECT probe, path, phase, start, bin, sum(found) AS found FROM binned WHERE phase = ''
        GROUP BY probe, path, phase, start, bin
        UNION ALL
        SELECT probe, path, phase, NULL, bin, sum(found) FROM binned GROUP BY probe, path, phase, bin
    ), reached AS (
        SELECT *, sum(found) OVER (PARTITION BY probe, path, phase, start ORDER BY bin) AS upto,
               sum(found) OVER (PARTITION BY probe, path, phase, start) AS total
        FROM summed
    )
    SELECT probe, path, phase, start, max(total)::bigint AS found,
           ARRAY[min(bin) FILTER (WHERE upto >= 0.5 * total), min(bin) FILTER (WHERE upto >= 0.9 * total),
                 min(bin) FILTER (WHERE upto >= 0.95 * total), min(bin) FILTER (WHERE upto >= 0.99 * total)]
               AS quantiles
    FROM reached
    GROUP BY probe, path, phase, start
    ORDER BY probe, path, start NULLS FIRST
    """  # noqa: S608 (of constants)
)

_EXTREMES = text(
    """
    SELECT probe, path, start, sum(stalled)::bigint AS stalled, min(shortest) AS shortest,
           max(longest) AS longest
    FROM (
        SELECT probe, path, date_bin(:width, start, :origin) AS start, stalled, shortest_seconds AS shortest,
               longest_seconds AS longest
        FROM rollups
        WHERE name = :name AND phase = '' AND probe = ANY(:probes) AND path = ANY(:paths)
          AND (unit = 'day' AND start >= :since AND start < :days
               OR unit = 'hour' AND start >= :days AND start < :rolled)
        UNION ALL
        SELECT probe, path, date_bin(:width, tick, :origin), stalled::int, seconds, seconds
        FROM timings
        WHERE name = :name AND probe = ANY(:probes) AND path = ANY(:paths)
          AND tick >= :rolled AND tick < :until AND outcome = ANY(:counted)
    ) AS each
    GROUP BY GROUPING SETS ((probe, path), (probe, path, start))
    """
)

SeriesName = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Rolled:
    """By probe and path: figures of each bucket (by its start) and of the whole span (WHOLE); its phases."""

    figures: Mapping[SeriesName, Mapping[datetime | None, Figures]]
    phases: Mapping[SeriesName, Sequence[PhaseMedian]]


def is_long(since: datetime, until: datetime, width: timedelta) -> bool:
    """Whether a span is read from the rollups: long, and in whole hours."""
    return until - since > EXACT and width % HOUR == timedelta(0)


async def rolled(connection: AsyncConnection, parameters: Mapping[str, Any]) -> Rolled | None:
    """The figures of a span; None where nothing of it was rolled up. Quantiles are within 1 %."""
    until = await rolled_until(connection)
    if until is None or until <= parameters["since"]:
        return None
    rolled_to = min(until, parameters["until"]).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    days = parameters["since"]
    if parameters["width"] % DAY == timedelta(0):  # buckets begin at midnight (UTC) then, and so does the span
        days = max(days, rolled_to.replace(hour=0))
    asked = {**parameters, "rolled": rolled_to, "days": days}
    extremes = {(row.probe, row.path, row.start): row for row in await connection.execute(_EXTREMES, asked)}
    figures: dict[SeriesName, dict[datetime | None, Figures]] = defaultdict(dict)
    phases: dict[SeriesName, list[PhaseMedian]] = defaultdict(list)
    for row in await connection.execute(_BINS, asked):
        if row.phase:
            phases[row.probe, row.path].append(PhaseMedian(row.phase, row.found, value_of(row.quantiles[0])))
        else:
            figures[row.probe, row.path][row.start] = _figures(row, extremes[row.probe, row.path, row.start])
    return Rolled(figures, phases)


def _figures(row: Any, extremes: Any) -> Figures:
    shortest, longest = (timedelta(seconds=seconds) for seconds in (extremes.shortest, extremes.longest))
    p50, p90, p95, p99 = (min(max(value_of(number), shortest), longest) for number in row.quantiles)
    return Figures(
        count=row.found, stalled=extremes.stalled, shortest=shortest, longest=longest,
        p50=p50, p90=p90, p95=p95, p99=p99,
    )  # fmt: skip
