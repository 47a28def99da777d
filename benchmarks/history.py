"""A past for benchmarks: runs with their timings, made up by the database itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

_RUNS = """
    INSERT INTO runs (id, tick, probe, location, trigger, outcome, worker, claimed_at, started, finished,
                      took_seconds, waited_seconds, versions)
    SELECT md5(%(probe)s || '/' || place)::uuid, tick, %(probe)s, 'default', 'schedule',
           CASE WHEN random() < 0.01 THEN 'failed' ELSE 'passed' END, 'worker-1', tick, tick,
           tick + interval '40 seconds', 40, 0, jsonb_build_object('revision', (1 + place / 1000)::text)
    FROM generate_series(0, %(count)s - 1) AS place,
         LATERAL (SELECT %(until)s::timestamptz - (%(count)s - place) * %(every)s::interval AS tick) AS grid
"""
#: About 30 s, log-normal with a scale of 8 % and two stragglers in a hundred; in two phases.
_TIMINGS = """
    INSERT INTO timings (run_id, tick, position, probe, location, outcome, name, path, seconds,
                         resolution_seconds, offset_seconds, phases, stalled)
    SELECT id, tick, 0, probe, location, outcome, %(timing)s, '', drawn.seconds, 0.05, 0,
           jsonb_build_array(jsonb_build_object('name', 'pull', 'seconds', drawn.seconds * 0.4),
                             jsonb_build_object('name', 'start', 'seconds', drawn.seconds * 0.6)),
           false
    FROM runs,
         LATERAL (SELECT 0.75 * took_seconds * exp(0.08 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())
                                                   + CASE WHEN random() < 0.02 THEN 0.5 ELSE 0 END) AS seconds
         ) AS drawn
    WHERE probe = %(probe)s
"""


@dataclass(frozen=True, slots=True)
class Past:
    """`count` runs of one probe on a grid that ends at `until`, each with one timing."""

    probe: str
    timing: str
    count: int
    every: timedelta
    until: datetime

    @property
    def since(self) -> datetime:
        """The first tick."""
        return self.until - self.count * self.every


def write(url: str, *pasts: Past) -> None:
    """Fill the tables; their partitions must be there. Makes the statistics anew, as autovacuum would."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT setseed(0.5)")
        for past in pasts:
            values = {
                "probe": past.probe,
                "timing": past.timing,
                "count": past.count,
                "every": past.every,
                "until": past.until,
            }
            connection.execute(_RUNS.encode(), values)
            connection.execute(_TIMINGS.encode(), values)
        connection.execute("ANALYZE")
