"""Two versions side by side, as during a deploy: the newer is in charge, the older one steps back for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from synthetics.model.run import Outcome
from synthetics.scheduling.catalogue import Scheduled
from synthetics.scheduling.worker import working
from synthetics.store import catalogue, tables, workers
from synthetics.store.engine import Database
from synthetics.store.workers import order
from tests.end_to_end.test_workers import every, opens, surroundings
from tests.support.engine import FakePlatform, a_probe

SAME, OTHERS = "the-same", "judged-otherwise"
OLD, NEW = "1.9.0", "1.10.0"


def a_plan(timeout: int) -> list[Scheduled]:
    """Two probes, one of which every version declares alike."""
    alike = a_probe(opens, name=SAME)
    other = a_probe(opens, name=OTHERS, timeout=timedelta(seconds=timeout))
    return [every(alike, 200), every(other, 200)]


@asynccontextmanager
async def at_work(database: Database, version: str, plan: Sequence[Scheduled]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    given = replace(surroundings(database, FakePlatform(), f"worker-{version}"), version=version)
    async with working(given) as worker:
        serving = asyncio.create_task(worker.run_schedule(plan, stop))
        yield
        stop.set()
        await serving


async def workers_of(database: Database, probe: str, since: datetime) -> set[str]:
    """Who has started runs of this probe since then."""
    async with database.transaction() as connection:
        found = await connection.scalars(
            select(tables.runs.c.worker).where(
                tables.runs.c.probe == probe,
                tables.runs.c.claimed_at > since,
                tables.runs.c.outcome.is_distinct_from(Outcome.MISSED.value),
            )
        )
        return set(found)


async def until_run_by(database: Database, probe: str, *versions: str) -> None:
    """Return once, within half a second, these versions and no others have run the probe."""
    wanted = {f"worker-{version}" for version in versions}
    async with asyncio.timeout(20):
        while True:
            since = await database.now()
            await asyncio.sleep(0.6)
            if await workers_of(database, probe, since) == wanted:
                return


async def in_charge(database: Database) -> set[str]:
    async with database.transaction() as connection:
        return set(await catalogue.published_by(connection))


async def test_the_newer_version_is_in_charge_for_as_long_as_it_is_there(database: Database) -> None:
    old, new = a_plan(timeout=50), a_plan(timeout=40)
    async with at_work(database, OLD, old):
        await until_run_by(database, OTHERS, OLD)
        await publish(database, new, NEW)
        async with at_work(database, NEW, new):
            await until_run_by(database, OTHERS, NEW)
            assert await in_charge(database) == {NEW}
            since = await database.now()
            async with asyncio.timeout(20):
                while f"worker-{OLD}" not in await workers_of(database, SAME, since):
                    await asyncio.sleep(0.1)  # what both declare alike, both may run
            assert not await publish(database, old, OLD), "an older one took the catalogue back"
        await until_run_by(database, OTHERS, OLD)
        await publish(database, old, OLD)
        assert await in_charge(database) == {OLD}


async def publish(database: Database, plan: Sequence[Scheduled], version: str) -> bool:
    """What a service does when it starts."""
    async with database.transaction() as connection:
        entries = [catalogue.Published(entry.probe, entry.enabled) for entry in plan]
        return await catalogue.publish(connection, entries, version=version)


async def test_a_newer_worker_elsewhere_leaves_a_place_that_has_only_older_ones_to_them(
    database: Database,
) -> None:
    async with database.transaction() as connection:
        await workers.present(connection, "far-away", location="elsewhere", version=NEW)
    async with at_work(database, OLD, a_plan(timeout=50)):
        await until_run_by(database, OTHERS, OLD)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("0.9.1", "0.10.0"),
        ("1.0rc1", "1.0"),
        ("1.0.dev3+gabc", "1.0"),
        ("1.0", "1.0.1"),
        ("0+unknown", "0.1.0"),
        ("test", "0.0.1"),
    ],
)
def test_versions_have_an_order(older: str, newer: str) -> None:
    assert order(older) < order(newer)
    assert not order(newer) < order(older)


def test_what_differs_in_nothing_but_zeros_and_builds_is_one_version() -> None:
    assert order("1.0") == order("v1.0.0+build7")
