"""The ledger, and what the sweep is shown of it."""

from dataclasses import replace
from uuid import uuid4

from synthetics.model.resource import ResourceState
from synthetics.model.run import Outcome
from synthetics.store import resources, runs
from synthetics.store.engine import Database
from tests.store.builders import ENDED, LEASE, a_run, an_entry, key


async def test_an_entry_goes_from_intended_to_gone(database: Database) -> None:
    entry = an_entry(key().id)
    async with database.transaction() as connection:
        await resources.intend(connection, entry)
        assert await resources.of_run(connection, key().id) == [entry]

        await resources.created(connection, entry.id, "session-1", {"thread": "t-1"})
        (made,) = await resources.of_run(connection, key().id)
        assert (made.state, made.name) == (ResourceState.CREATED, "session-1")
        assert made.details == {"client": "syn-abc123", "thread": "t-1"}

        assert await resources.gone(connection, entry.id)
        assert not await resources.gone(connection, entry.id)
        await resources.created(connection, entry.id, "told too late", {})
        (gone,) = await resources.of_run(connection, key().id)
        assert gone == replace(made, state=ResourceState.GONE)


async def test_only_what_ended_runs_left_is_swept(database: Database) -> None:
    in_flight, silent, ended = key(1), key(2), key(3)
    unknown = uuid4()
    async with database.transaction() as connection:
        for of, lease in ((in_flight, LEASE), (silent, ENDED), (ended, LEASE)):
            await runs.claim(connection, of, worker="worker-1", lease=lease, tag="abc123")
        for run_id in (in_flight.id, silent.id, ended.id, unknown):
            await resources.intend(connection, an_entry(run_id))
        removed = an_entry(ended.id, "already gone")
        await resources.intend(connection, removed)
        await resources.gone(connection, removed.id)
        await runs.record(connection, a_run(ended, Outcome.INTERRUPTED))

        found = await resources.open_of_ended_runs(connection, 10)
        assert {entry.run_id for entry in found} == {ended.id, unknown}
        assert "already gone" not in {entry.name for entry in found}
        soon = await resources.open_of_ended_runs(connection, 10, silent=True)
        assert {entry.run_id for entry in soon} == {silent.id, ended.id, unknown}

        await runs.close_abandoned(connection)
        found = await resources.open_of_ended_runs(connection, 10)
        assert {entry.run_id for entry in found} == {silent.id, ended.id, unknown}


async def test_what_cannot_be_removed_holds_up_nothing_else(database: Database) -> None:
    stuck = an_entry(uuid4(), seconds=0)
    later = [an_entry(uuid4(), seconds=1), an_entry(uuid4(), seconds=2)]
    async with database.transaction() as connection:
        for entry in (stuck, *later):
            await resources.intend(connection, entry)
        assert await resources.open_of_ended_runs(connection, 1) == [stuck]
        await resources.failed_removal(connection, stuck.id, "access denied\0")
        assert await resources.open_of_ended_runs(connection, 2) == later
        found = await resources.open_of_ended_runs(connection, 3)
    assert found[0] == replace(stuck, attempts=1, last_error="access denied\ufffd")


async def test_a_runs_entries_come_together(database: Database) -> None:
    run_id = uuid4()
    async with database.transaction() as connection:
        for seconds in range(5):
            await resources.intend(connection, an_entry(run_id, f"syn-{seconds}", seconds=seconds))
        await resources.intend(connection, an_entry(uuid4(), seconds=9))
        found = await resources.open_of_ended_runs(connection, 1)
    assert [entry.name for entry in found] == [f"syn-{seconds}" for seconds in range(5)]
