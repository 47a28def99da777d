"""Old months lose their successes first, and everything in the end; nobody is held up by it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text, update

from synthetics.errors import StoreError
from synthetics.model.resource import Resource, ResourceState
from synthetics.model.run import Outcome, RunKey, Trigger
from synthetics.store import migrating, partitions, resources, runs, tables
from synthetics.store.engine import Database
from synthetics.store.retention import Retired, retire
from tests.store.builders import a_run

NOW = datetime(2026, 11, 20, tzinfo=UTC)
KEPT = {"runs": timedelta(days=90), "failures": timedelta(days=365)}
LONG_AGO, OLD, BORDER, NEW = (
    datetime(*day, tzinfo=UTC) for day in ((2025, 10, 5), (2026, 5, 5), (2026, 8, 31), (2026, 11, 5))
)


@pytest.fixture
async def history(empty_database_url: str) -> AsyncIterator[Database]:
    """A success and a failure, with the run that confirmed it, in each of four months."""
    await asyncio.to_thread(migrating.upgrade, empty_database_url)
    database = Database(empty_database_url)
    for tick in (LONG_AGO, OLD, BORDER, NEW):
        await partitions.cover(database, tick, tick)
        await keep(database, tick)
    yield database
    await database.close()


async def keep(database: Database, tick: datetime) -> None:
    failed = RunKey("cold-start", "here", tick)
    async with database.transaction() as connection:
        await runs.record(connection, a_run(failed, Outcome.FAILED))
        confirming = RunKey("cold-start", "here", tick, Trigger.CONFIRM)
        await runs.record(connection, a_run(confirming, confirms=failed.id))
        await runs.record(connection, a_run(RunKey("cold-start", "here", tick + timedelta(hours=1))))


async def counted(database: Database) -> dict[str, dict[str, int]]:
    """Rows by table and month."""
    found: dict[str, dict[str, int]] = {}
    async with database.transaction() as connection:
        for table in tables.MONTHLY:
            rows = await connection.execute(
                text(f"SELECT to_char(tick, 'YYYY-MM') AS month, count(*) AS n FROM {table} GROUP BY 1")
            )
            found[table] = {row.month: row.n for row in rows}
    return found


async def test_failures_outlive_successes_and_all_ends(history: Database) -> None:
    assert await retire(history, NOW, **KEPT) == Retired(thinned=("2026-05",), dropped=("2025-10",))

    left = await counted(history)
    assert left["runs"] == {"2026-05": 2, "2026-08": 3, "2026-11": 3}
    assert left["timings"] == left["checks"] == left["runs"]
    assert left["steps"] == {month: 2 * count for month, count in left["runs"].items()}
    async with history.transaction() as connection:
        old = tables.runs.c.tick < BORDER
        found = await connection.execute(select(tables.runs.c.outcome, tables.runs.c.trigger).where(old))
        assert sorted(map(tuple, found)) == [("failed", "schedule"), ("passed", "confirm")]


async def test_done_once_and_by_one_of_several(history: Database) -> None:
    done = await asyncio.gather(*(retire(history, NOW, **KEPT) for _ in range(3)))
    assert sorted(len(one.thinned) for one in done) == [0, 0, 1]
    assert await retire(history, NOW, **KEPT) == Retired()
    assert await retire(history, NOW + timedelta(days=15), **KEPT) == Retired(thinned=("2026-08",))


async def test_what_comes_late_for_a_thinned_month_still_has_its_place(history: Database) -> None:
    await retire(history, NOW, **KEPT)
    await keep(history, OLD + timedelta(days=1))
    assert (await counted(history))["runs"]["2026-05"] == 5


async def test_a_thinned_month_is_found_by_the_same_indexes(history: Database) -> None:
    await retire(history, NOW, **KEPT)
    async with history.transaction() as connection:
        unattached = await connection.scalars(
            text(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = ANY (ARRAY["
                "'runs_2026_05', 'timings_2026_05', 'checks_2026_05', 'steps_2026_05']::regclass[])"
                " AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)"
            )
        )
        assert list(unattached) == []


async def test_recording_goes_on_meanwhile_and_who_reads_is_not_interrupted(history: Database) -> None:
    async with history.transaction() as reading:
        await reading.execute(select(tables.runs))  # holds its lock until the transaction ends
        with pytest.raises(StoreError, match="lock timeout"):
            await retire(history, NOW, **KEPT)
        await keep(history, NEW + timedelta(days=1))
    assert await retire(history, NOW, **KEPT) == Retired(thinned=("2026-05",), dropped=("2025-10",))


async def test_entries_of_things_long_gone_are_forgotten_and_no_others(history: Database) -> None:
    async with history.transaction() as connection:
        for name in ("long gone", "gone", "there"):
            thing = Resource(
                uuid4(), uuid4(), "cold-start", "abc", "session", name, ResourceState.INTENDED, LONG_AGO
            )
            await resources.intend(connection, thing)
            if name != "there":
                await resources.gone(connection, thing.id)
        await connection.execute(
            update(tables.resources).where(tables.resources.c.name == "long gone").values(gone_at=LONG_AGO)
        )
    assert (await retire(history, NOW, **KEPT)).entries == 1
    async with history.transaction() as connection:
        assert sorted(await connection.scalars(select(tables.resources.c.name))) == ["gone", "there"]
