"""Figures of timings by hour and by day: counts, sums, extremes, and how values lie in bins of one width.

That width is relative: a value lies in the bin whose number is its logarithm to the base GAMMA, rounded up.
Counts of a bin add up over hours and days, and a quantile read from them is within ACCURACY of the true one:
the sketch of Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees" (VLDB 2019), in the database's own arithmetic.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.run import TELLING
from synthetics.store.engine import Database
from synthetics.store.partitions import taking_turns

#: Quantiles of rolled-up values are as true as this, relatively.
ACCURACY = 0.01
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
#: Shorter values than a microsecond are a microsecond.
_LEAST = 1e-6
#: The bin of `{seconds}` in SQL.
BIN = f"ceil(ln(greatest({{seconds}}, {_LEAST})) / ln(CAST({GAMMA!r} AS double precision)))::int"
#: A timing and its phases, each with its seconds; the timing itself is the phase without a name.
PARTS = """
    LATERAL (
        SELECT '' AS phase, timings.seconds
        UNION ALL
        SELECT phase.name, phase.seconds
        FROM jsonb_to_recordset(timings.phases) AS phase (name text, seconds double precision)
    ) AS part
"""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: What is recorded late (it waited on a disk) is rolled up for so long after its hour.
LATE = timedelta(hours=26)
#: An hour is rolled up so long after its end.
_SETTLED = timedelta(minutes=10)
_AT_ONCE = timedelta(days=10)
_STATEMENT_TIMEOUT = "10min"
_LONGEST = timedelta(hours=1)

_COLUMNS = """
    name, path, phase, probe, location, unit, start, count, stalled, sum_seconds, shortest_seconds,
    longest_seconds, bins, counts
"""
_UPSERT = """
    ON CONFLICT ON CONSTRAINT pk_rollups DO UPDATE SET
        count = excluded.count, stalled = excluded.stalled, sum_seconds = excluded.sum_seconds,
        shortest_seconds = excluded.shortest_seconds, longest_seconds = excluded.longest_seconds,
        bins = excluded.bins, counts = excluded.counts
"""
_HOURS = text(
    f"""
    INSERT INTO rollups ({_COLUMNS})
    SELECT name, path, phase, probe, location, 'hour', start, sum(found), sum(stalled), sum(total),
           min(shortest), max(longest), array_agg(bin ORDER BY bin), array_agg(found ORDER BY bin)
    FROM (
        SELECT timings.name, timings.path, part.phase, timings.probe, timings.location,
               date_trunc('hour', timings.tick, 'UTC') AS start, {BIN.format(seconds="part.seconds")} AS bin,
               count(*) AS found, count(*) FILTER (WHERE timings.stalled) AS stalled,
               sum(part.seconds) AS total, min(part.seconds) AS shortest, max(part.seconds) AS longest
        FROM timings, {PARTS}
        WHERE timings.tick >= :since AND timings.tick < :until AND timings.outcome = ANY(:counted)
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ) AS binned
    GROUP BY name, path, phase, probe, location, start
    {_UPSERT}
    """  # noqa: S608 (of constants)
)
# Whole days (UTC) that the span touches and that are over at its end, out of their hours.
_DAYS = text(
    f"""
    INSERT INTO rollups ({_COLUMNS})
    SELECT whole.*, spread.bins, spread.counts
    FROM (
        SELECT name, path, phase, probe, location, 'day' AS unit, date_trunc('day', start, 'UTC') AS day,
               sum(count), sum(stalled), sum(sum_seconds), min(shortest_seconds), max(longest_seconds)
        FROM rollups
        WHERE unit = 'hour' AND start >= date_trunc('day', CAST(:since AS timestamptz), 'UTC')
          AND start < date_trunc('day', CAST(:until AS timestamptz), 'UTC')
        GROUP BY name, path, phase, probe, location, day
    ) AS whole
    JOIN (
        SELECT name, path, phase, probe, location, day, array_agg(bin ORDER BY bin) AS bins,
               array_agg(found ORDER BY bin) AS counts
        FROM (
            SELECT name, path, phase, probe, location, date_trunc('day', start, 'UTC') AS day, unrolled.bin,
                   sum(unrolled.found) AS found
            FROM rollups, unnest(bins, counts) AS unrolled (bin, found)
            WHERE unit = 'hour' AND start >= date_trunc('day', CAST(:since AS timestamptz), 'UTC')
              AND start < date_trunc('day', CAST(:until AS timestamptz), 'UTC')
            GROUP BY name, path, phase, probe, location, day, unrolled.bin
        ) AS summed
        GROUP BY name, path, phase, probe, location, day
    ) AS spread USING (name, path, phase, probe, location, day)
    {_UPSERT}
    """  # noqa: S608 (of constants)
)


def value_of(bin_number: int) -> timedelta:
    """What stands for the values of a bin: within ACCURACY of each of them."""
    return timedelta(seconds=2 * GAMMA**bin_number / (GAMMA + 1))


async def rolled_until(connection: AsyncConnection) -> datetime | None:
    """Everything before this moment, late arrivals aside, is in the rollups; None if nothing is."""
    newest: datetime | None = await connection.scalar(
        text("SELECT max(start) FROM rollups WHERE unit = 'hour'")
    )
    return None if newest is None else newest + HOUR


async def roll_up(database: Database, now: datetime) -> int:
    """Bring the rollups up to the last full hour before `now`; how many hours of series were written.

    Hours of the last day are written once more, because runs may have been recorded late. Any number of
    workers may call it at once. Raises StoreError.
    """
    written = 0
    end = (now - _SETTLED).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    async with database.transaction() as connection:
        since = await _since(connection)
    while since is not None and since < end:
        until = min(since + _AT_ONCE, end)
        async with database.transaction(within=_LONGEST) as connection:
            await taking_turns(connection)
            written += await roll_up_span(connection, since, until)
        since = until
    return written


async def roll_up_span(connection: AsyncConnection, since: datetime, until: datetime) -> int:
    """Write the rollups of [since, until), whole hours, and of the days they complete; how many hours."""
    await connection.execute(text(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'"))
    counted = sorted(outcome.value for outcome in TELLING)
    done = await connection.execute(_HOURS, {"since": since, "until": until, "counted": counted})
    await connection.execute(_DAYS, {"since": since, "until": until})
    return done.rowcount


async def forget(connection: AsyncConnection, before: datetime) -> int:
    """Delete the rollups that began before then: a day's at a time where it is done daily; how many."""
    done = await connection.execute(text("DELETE FROM rollups WHERE start < :before"), {"before": before})
    return done.rowcount


async def _since(connection: AsyncConnection) -> datetime | None:
    until = await rolled_until(connection)
    if until is not None:
        return until - LATE
    oldest: datetime | None = await connection.scalar(text("SELECT min(tick) FROM timings"))
    return None if oldest is None else oldest.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
