"""Hourly figures: true to a hundredth, complete, taking in what comes late, and kept longer than runs."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from synthetics.model.run import Outcome
from synthetics.queries import Reads
from synthetics.queries.timings import Span
from synthetics.queries.values import TimingHistory
from synthetics.store import partitions
from synthetics.store.engine import Database
from synthetics.store.retention import retire
from synthetics.store.rollups import ACCURACY, GAMMA, LATE, roll_up, value_of
from tests.support.clock import FakeClock
from tests.support.runs import a_probe, a_run, a_timing, publish, record

#: A whole hour, so that a span of whole days begins and ends with its hours.
UNTIL = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAYS = 20
LONG = Span(UNTIL - timedelta(days=DAYS), UNTIL, timedelta(days=1))


def figures(history: TimingHistory, path: str = "near") -> list[tuple[int, Sequence[float]]]:
    """Counts and quantiles, whole span first, then bucket by bucket."""
    (series,) = (one for one in history.series if one.path == path)
    every = [series.whole, *(bucket.figures for bucket in series.buckets if bucket.figures)]
    return [
        (one.count, [at.total_seconds() for at in (one.shortest, one.p50, one.p90, one.p99, one.longest)])
        for one in every
    ]


@pytest.fixture
async def past(database: Database) -> Database:
    """Three weeks of runs, one every two hours, with timings as they are: log-normal, a few stragglers."""
    await partitions.cover(database, LONG.since - timedelta(days=2), UNTIL)
    await publish(database, a_probe())
    draw = random.Random(3)
    for back in range(DAYS * 12):
        at = UNTIL - timedelta(hours=2 * back, minutes=7)
        took = draw.lognormvariate(1.4, 0.2) * (2 if draw.random() < 0.05 else 1)
        outcome = Outcome.FAILED if draw.random() < 0.1 else Outcome.PASSED
        timings = [a_timing(took, stalled=back % 11 == 0), a_timing(took * 2, path="far")]
        await record(database, a_run(at, outcome, timings=timings))
    return database


async def read(database: Database, span: Span = LONG) -> TimingHistory:
    return await Reads.of(database, FakeClock(UNTIL)).timings.history("opening", span, probe="open_document")


async def test_a_long_span_is_as_true_as_was_promised(past: Database) -> None:
    exact = await read(past)
    # The last hour has just ended, and is not settled. Two paths, each the whole and three phases.
    assert await roll_up(past, UNTIL) == (DAYS * 12 - 1) * 2 * 4
    rolled = await read(past)

    assert [count for count, _ in figures(rolled)] == [count for count, _ in figures(exact)]
    for (_, told), (_, true) in zip(figures(rolled), figures(exact), strict=True):
        assert told[0] == pytest.approx(true[0], abs=1e-6)
        assert told[-1] == pytest.approx(true[-1], abs=1e-6)
    (_, told), (_, true) = figures(rolled)[0], figures(exact)[0]
    assert told == pytest.approx(true, rel=2.5 * ACCURACY)  # where the exact ones lie between two values
    near = next(series for series in rolled.series if series.path == "near")
    assert [phase.name for phase in near.phases] == ["request", "fetch", "draw"]
    assert near.whole.stalled == exact.series[-1].whole.stalled > 0


async def test_a_short_span_and_a_fine_one_stay_exact(past: Database) -> None:
    spans = (Span(UNTIL - timedelta(days=7), UNTIL), Span(LONG.since, UNTIL, timedelta(minutes=90)))
    before = [await read(past, span) for span in spans]
    await roll_up(past, UNTIL)
    assert [await read(past, span) for span in spans] == before


async def test_what_is_not_rolled_up_yet_is_counted_too(past: Database) -> None:
    await roll_up(past, UNTIL - timedelta(days=3))
    part = await read(past)
    await roll_up(past, UNTIL)
    assert part == await read(past)


async def test_once_more_changes_nothing_and_late_runs_are_taken_in(past: Database) -> None:
    await roll_up(past, UNTIL)
    before = await read(past)
    await roll_up(past, UNTIL)
    assert await read(past) == before

    late = UNTIL - LATE + timedelta(hours=2)
    await record(past, a_run(late, timings=[a_timing(3.0)]))
    await roll_up(past, UNTIL)
    assert figures(await read(past))[0][0] == figures(before)[0][0] + 1


async def test_figures_outlive_runs_and_are_forgotten_in_the_end(past: Database) -> None:
    await roll_up(past, UNTIL)
    before = await read(past)
    year = timedelta(days=365)
    much_later = UNTIL + timedelta(days=120)

    await retire(past, much_later, runs=timedelta(days=90), failures=year, figures=2 * year)
    assert await read(past) == before, "though only the failures of those runs are left"
    await retire(past, much_later, runs=timedelta(days=90), failures=year, figures=timedelta(days=90))
    async with past.transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM rollups")) == 0


@given(st.floats(1e-6, 1e5))
def test_a_value_is_within_the_accuracy_of_what_stands_for_its_bin(seconds: float) -> None:
    number = math.ceil(math.log(max(seconds, 1e-6)) / math.log(GAMMA))
    stands = 2 * GAMMA**number / (GAMMA + 1)
    assert stands == pytest.approx(seconds, rel=ACCURACY * 1.0001)
    assert abs(value_of(number).total_seconds() - stands) <= 1e-6
