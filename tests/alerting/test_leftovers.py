"""What cannot be removed, and what the sweep has to remove, becomes an incident of its probe."""

import asyncio
from datetime import timedelta

import pytest

from synthetics.clock import SystemClock
from synthetics.errors import StoreError
from synthetics.model.incident import Rule
from synthetics.model.resource import Resource
from synthetics.model.run import Outcome
from synthetics.running.sweep import Sweep
from synthetics.store import resources
from synthetics.store.engine import Database
from tests.store.builders import a_run, an_entry, key
from tests.support.alerting import Court
from tests.support.engine import FakePlatform
from tests.support.runs import a_probe, publish


@pytest.fixture
async def court(database: Database) -> Court:
    await publish(database, a_probe("cold-start"))
    return Court(database)


async def look(court: Court, after: timedelta = timedelta(0)) -> None:
    now = SystemClock().now() + after
    await court.tender.look(now=now, since=now)


async def left(court: Court, minute: int, outcome: Outcome = Outcome.PASSED, name: str = "syn-one") -> None:
    """A run that ended so, and left a thing."""
    async with court.database.transaction() as connection:
        await resources.intend(connection, an_entry(key(minute).id, name))
    await court.keep(a_run(key(minute), outcome))


async def test_what_cannot_be_removed_twice_opens_until_it_is_gone_for_a_while(court: Court) -> None:
    platform = FakePlatform()
    platform.stuck.add("syn-one")
    sweep = Sweep(court.database, platform)
    await left(court, 0)

    await sweep.once()
    await look(court)
    assert await court.incidents() == []
    await sweep.once()
    await look(court)
    (incident,) = await court.incidents()
    assert (incident.rule, incident.severity) == (Rule.LEFTOVERS, "ticket")
    assert incident.summary == (
        "cold-start left 1 thing on the platform that cannot be removed, session syn-one first: "
        "syn-one will not go"
    )

    platform.stuck.clear()
    await sweep.once()
    await look(court)
    assert (await court.incidents())[0].is_open
    await look(court, timedelta(minutes=25))
    assert not (await court.incidents())[0].is_open


async def test_what_runs_leave_though_they_ended_well_opens(court: Court) -> None:
    for minute in (0, 1):
        await left(court, minute, name=f"syn-{minute}")
    await Sweep(court.database, FakePlatform()).once()
    await look(court)

    (incident,) = await court.incidents()
    assert incident.summary == (
        "cold-start leaves things behind: the sweep removed 2 after runs that ended in good order"
    )


async def test_what_may_yet_come_is_looked_after_and_nothing_was_left(court: Court) -> None:
    platform = FakePlatform()
    platform.awaited |= {"syn-0", "syn-1"}
    for minute in (0, 1):
        await left(court, minute, name=f"syn-{minute}")
    sweep = Sweep(court.database, platform)

    for _ in range(3):
        report = await sweep.once()
        assert (report.removed, report.stuck) == ((), ())
        assert {entry.last_error for entry in report.awaited} == {"syn-0 may yet come", "syn-1 may yet come"}
    await look(court)
    assert await court.incidents() == []

    platform.awaited.clear()
    assert len((await sweep.once()).removed) == 2
    await look(court)
    assert await court.incidents() == []


async def test_what_came_late_and_will_not_go_is_stuck(court: Court) -> None:
    platform = FakePlatform()
    platform.awaited.add("syn-one")
    await left(court, 0, name="syn-one")
    sweep = Sweep(court.database, platform)
    await sweep.once()

    platform.stuck.add("syn-one")
    await sweep.once()
    await sweep.once()
    await look(court)
    (incident,) = await court.incidents()
    assert incident.summary.endswith("session syn-one first: syn-one will not go")


async def test_what_interrupted_runs_leave_is_the_sweeps_own_work(court: Court) -> None:
    for minute in (0, 1, 2):
        await left(court, minute, Outcome.INTERRUPTED, f"syn-{minute}")
    await Sweep(court.database, FakePlatform()).once()
    await look(court)

    assert await court.incidents() == []


async def test_a_bug_met_at_one_thing_holds_up_no_other(court: Court) -> None:
    class Clumsy(FakePlatform):
        async def remove(self, resource: Resource) -> None:
            if resource.name == "syn-0":
                raise ZeroDivisionError("division by zero")
            await super().remove(resource)

    for minute in (0, 1, 2):
        await left(court, minute, name=f"syn-{minute}")
    report = await Sweep(court.database, Clumsy()).once()

    assert {entry.name for entry in report.removed} == {"syn-1", "syn-2"}
    assert [(entry.name, entry.last_error) for entry in report.stuck] == [
        ("syn-0", "a bug: ZeroDivisionError: division by zero")
    ]


async def test_runs_are_swept_side_by_side_and_what_is_awaited_comes_last(court: Court) -> None:
    asked: list[str] = []

    class Slow(FakePlatform):
        at_once = most = 0

        async def remove(self, resource: Resource) -> None:
            asked.append(resource.name)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            await asyncio.sleep(0.01)
            self.at_once -= 1
            await super().remove(resource)

    platform = Slow()
    platform.awaited.add("syn-0")
    sweep = Sweep(court.database, platform)
    await left(court, 0, name="syn-0")
    await sweep.once()
    for minute in range(1, 21):
        await left(court, minute, name=f"syn-{minute}")
    asked.clear()

    report = await sweep.once()
    assert (len(report.removed), len(report.awaited)) == (20, 1)
    assert asked[-1] == "syn-0"
    assert platform.most == 8


async def test_a_database_that_goes_away_under_way_ends_the_sweep(court: Court) -> None:
    class Unplugged(FakePlatform):
        async def remove(self, resource: Resource) -> None:
            raise StoreError("the database is away")

    for minute in (0, 1):
        await left(court, minute, name=f"syn-{minute}")
    with pytest.raises(StoreError, match="the database is away"):
        await Sweep(court.database, Unplugged()).once()
    assert len((await Sweep(court.database, FakePlatform()).once()).removed) == 2
