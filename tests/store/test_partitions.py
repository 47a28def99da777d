"""Every tick of the near past and future has its month."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from synthetics.model.run import RunKey
from synthetics.store import migrating, partitions, runs
from synthetics.store.engine import Database
from synthetics.store.tables import MONTHLY
from tests.store.builders import LEASE

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@pytest.fixture
async def unpartitioned(empty_database_url: str) -> Database:
    await asyncio.to_thread(migrating.upgrade, empty_database_url)
    return Database(empty_database_url)


@given(since=MOMENTS, span=st.timedeltas(timedelta(0), timedelta(days=900)), share=st.floats(0, 1))
def test_months_cover_their_span_without_gap_or_overlap(since: datetime, span: timedelta, share: float) -> None:
    months = list(partitions.months_of(since, since + span))
    assert all(end == start for (_, end), (start, _) in pairwise(months))
    inside = since + span * share
    assert sum(start <= inside < end for start, end in months) == 1
    assert months[0][0] <= since
    assert months[-1][0] <= since + span < months[-1][1]
    assert len({partitions.partition_name("runs", start) for start, _ in months}) == len(months)


async def test_the_month_before_and_three_ahead_are_made_once(unpartitioned: Database) -> None:
    late = datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-5)))  # January in UTC
    made = await partitions.make_ahead(unpartitioned, late)
    months = ("2026_12", "2027_01", "2027_02", "2027_03", "2027_04")
    assert made == [f"{table}_{month}" for month in months for table in MONTHLY]
    assert await partitions.make_ahead(unpartitioned, late) == []
    february = await partitions.make_ahead(unpartitioned, datetime(2027, 2, 1, tzinfo=UTC))
    assert february == [f"{table}_2027_05" for table in MONTHLY]
    await unpartitioned.close()


async def test_made_by_several_workers_at_once_each_is_made_once(unpartitioned: Database) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    made = await asyncio.gather(*(partitions.make_ahead(unpartitioned, now) for _ in range(4)))
    assert sorted(map(len, made)) == [0, 0, 0, 5 * len(MONTHLY)]
    await unpartitioned.close()


async def test_ticks_at_the_border_of_a_month_lie_in_their_own(unpartitioned: Database) -> None:
    border = datetime(2026, 3, 1, tzinfo=UTC)
    await partitions.cover(unpartitioned, border - timedelta(days=1), border)
    async with unpartitioned.transaction() as connection:
        for tick in (border - timedelta(microseconds=1), border):
            assert await runs.claim(connection, RunKey("wake", "here", tick), worker="w", lease=LEASE, tag="t")
        found = await connection.execute(text("SELECT tableoid::regclass::text, tick FROM runs ORDER BY tick"))
        assert [name for name, _ in found] == ["runs_2026_02", "runs_2026_03"]
    await unpartitioned.close()


async def test_partitions_carry_the_indexes_of_their_table(unpartitioned: Database) -> None:
    await partitions.cover(unpartitioned, datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    async with unpartitioned.transaction() as connection:
        unattached = await connection.scalars(
            text(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = ANY (ARRAY["
                "'runs_2026_03', 'timings_2026_03', 'checks_2026_03', 'steps_2026_03']::regclass[])"
                " AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)"
            )
        )
        assert list(unattached) == []
    await unpartitioned.close()
