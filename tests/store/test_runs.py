"""A run is claimed by one worker, kept alive by its heartbeats, and recorded once."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from synthetics.errors import StoreError
from synthetics.model.check import Check, CheckOutcome
from synthetics.model.run import Outcome, RunKey, Trigger
from synthetics.store import runs, tables
from synthetics.store.engine import Database
from tests.store.builders import ENDED, LEASE, NOON, a_run, key, rows


async def claim(database: Database, of: RunKey, worker: str = "worker-1", lease: timedelta = LEASE) -> bool:
    async with database.transaction() as connection:
        return await runs.claim(connection, of, worker=worker, lease=lease, tag="abc123")


async def test_of_two_workers_one_gets_the_tick(database: Database) -> None:
    assert await claim(database, key(), "worker-1")
    assert not await claim(database, key(), "worker-2")

    (row,) = await rows(database, tables.runs)
    assert (row["worker"], row["outcome"], row["tag"]) == ("worker-1", None, "abc123")
    assert row["lease_until"] - row["claimed_at"] == LEASE


async def test_the_second_waits_until_the_first_has_committed(database: Database) -> None:
    async with database.transaction() as connection:
        assert await runs.claim(connection, key(), worker="worker-1", lease=LEASE, tag="a")
        second = asyncio.create_task(claim(database, key(), "worker-2"))
        await asyncio.wait([second], timeout=0.1)
        assert not second.done()
    assert not await second


async def test_a_claim_that_is_rolled_back_leaves_the_tick_to_others(database: Database) -> None:
    async def claim_and_fail() -> None:
        async with database.transaction() as connection:
            await runs.claim(connection, key(), worker="worker-1", lease=LEASE, tag="a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await claim_and_fail()
    assert await claim(database, key(), "worker-2")


async def test_raced_over_many_ticks_each_is_claimed_once(database: Database) -> None:
    ticks = [key(second, probe="raced") for second in range(60)]
    won = await asyncio.gather(
        *(claim(database, tick, worker) for tick in ticks for worker in ("worker-1", "worker-2", "worker-3"))
    )
    assert sum(won) == len(ticks)
    assert len(await rows(database, tables.runs)) == len(ticks)


async def test_a_heartbeat_renews_what_is_ours_and_in_flight(database: Database) -> None:
    ours, theirs, ended = key(1), key(2), key(3)
    await claim(database, ours, lease=ENDED)
    await claim(database, theirs, "worker-2")
    await claim(database, ended)
    async with database.transaction() as connection:
        await runs.record(connection, a_run(ended))
        kept = await runs.heartbeat(
            connection, [ours.id, theirs.id, ended.id, uuid4()], worker="worker-1", lease=LEASE
        )
        assert kept == {ours.id}
        assert await runs.close_abandoned(connection) == []
        assert await runs.heartbeat(connection, [], worker="worker-1", lease=LEASE) == set()


async def test_a_lease_that_a_clock_set_back_has_put_into_the_future_begins_anew(database: Database) -> None:
    await claim(database, key())
    ahead = timedelta(hours=1)
    async with database.transaction() as connection:
        await connection.execute(
            update(tables.runs).values(heard_at=func.now() + ahead, lease_until=func.now() + ahead + LEASE)
        )
        assert await runs.close_abandoned(connection) == []
    (row,) = await rows(database, tables.runs)
    async with database.transaction() as connection:
        assert row["lease_until"] <= (await connection.scalar(select(func.now()))) + LEASE


async def test_a_server_that_has_just_started_closes_none_that_could_not_be_renewed(database: Database) -> None:
    await claim(database, key(), lease=ENDED)
    async with database.transaction() as connection:
        # A lease that is longer than any test's server has been up.
        await connection.execute(update(tables.runs).values(heard_at=func.now() - timedelta(days=9)))
        assert await runs.close_abandoned(connection, settled=True) == []
        assert len(await runs.close_abandoned(connection)) == 1


async def test_recording_closes_the_claimed_row_and_keeps_every_part(database: Database) -> None:
    await claim(database, key())
    async with database.transaction() as connection:
        assert await runs.record(connection, a_run(key()))

    (row,) = await rows(database, tables.runs)
    assert (row["outcome"], row["lease_until"], row["abandoned"]) == ("passed", None, False)
    assert (row["took_seconds"], row["waited_seconds"]) == (2.5, 0.5)
    assert (row["versions"], row["facts"]) == ({"image": "sha256:1"}, {"launch": "run-task"})
    assert row["claimed_at"] is not None
    assert row["started"] == NOON
    asked, unreached = await rows(database, tables.steps)
    assert (asked["name"], asked["took_seconds"], asked["budget_seconds"]) == ("ask", 1.25, 2)
    assert (unreached["outcome"], unreached["took_seconds"]) == ("not_reached", None)
    (check,) = await rows(database, tables.checks)
    assert (check["case"], check["probe"], check["evidence"]) == ("CS-01", "cold-start", {"seen": [1, "two"]})
    (timing,) = await rows(database, tables.timings)
    assert (timing["seconds"], timing["resolution_seconds"], timing["offset_seconds"]) == (2.0, 0.025, 0.1)
    assert timing["phases"] == [{"name": "pull", "seconds": 1.5}, {"name": "unaccounted", "seconds": 0.5}]
    assert (timing["outcome"], timing["location"], timing["path"]) == ("passed", "here", "")


async def test_recording_again_changes_nothing(database: Database) -> None:
    async with database.transaction() as connection:
        assert await runs.record(connection, a_run(key())), "a run that was never claimed is kept too"
    before = [await rows(database, table) for table in (tables.runs, tables.steps, tables.timings)]
    async with database.transaction() as connection:
        assert not await runs.record(connection, a_run(key(), Outcome.FAILED, reason="changed"))
    assert [await rows(database, table) for table in (tables.runs, tables.steps, tables.timings)] == before


async def test_recorded_by_two_at_once_it_is_kept_once(database: Database) -> None:
    async def keep() -> bool:
        async with database.transaction() as connection:
            return await runs.record(connection, a_run(key()))

    assert sorted(await asyncio.gather(keep(), keep(), keep())) == [False, False, True]
    assert len(await rows(database, tables.steps)) == 2


async def test_a_run_whose_worker_fell_silent_is_closed_once(database: Database) -> None:
    await claim(database, key(1), lease=ENDED)
    await claim(database, key(2))
    async with database.transaction() as connection:
        (lost,) = await runs.close_abandoned(connection)
        async with database.transaction() as another:
            assert await runs.close_abandoned(another) == [], "the row is locked, and skipped"
        assert await runs.close_abandoned(connection) == []

    assert (lost.key, lost.id, lost.worker, lost.tag) == (key(1), key(1).id, "worker-1", "abc123")
    assert lost.reason == "its worker worker-1 was not heard of for 0 s"
    closed, going_on = sorted(await rows(database, tables.runs), key=lambda row: row["tick"])
    assert (closed["outcome"], closed["abandoned"], closed["lease_until"]) == ("interrupted", True, None)
    assert going_on["outcome"] is None


async def test_the_true_outcome_replaces_the_presumed_one(database: Database) -> None:
    await claim(database, key(), lease=ENDED)
    async with database.transaction() as connection:
        await runs.close_abandoned(connection)
        assert await runs.record(connection, a_run(key(), Outcome.FAILED, reason="preview: wanted 200"))
        assert not await runs.record(connection, a_run(key(), Outcome.PASSED))

    (row,) = await rows(database, tables.runs)
    assert (row["outcome"], row["reason"], row["abandoned"]) == ("failed", "preview: wanted 200", False)
    assert len(await rows(database, tables.checks)) == 1


async def test_an_interruption_that_the_run_recorded_itself_stands(database: Database) -> None:
    async with database.transaction() as connection:
        assert await runs.record(connection, a_run(key(), Outcome.INTERRUPTED, reason="draining"))
        assert not await runs.record(connection, a_run(key(), Outcome.PASSED))


async def test_missed_ticks_are_noted_where_there_is_no_row(database: Database) -> None:
    await claim(database, key(0))
    keys = [key(second, probe="cold-start") for second in range(700)]
    async with database.transaction() as connection:
        assert await runs.note_missed(connection, keys, reason="nobody started it", worker="worker-2") == 699
        assert await runs.note_missed(connection, keys, reason="nobody started it", worker="worker-2") == 0
        assert await runs.note_missed(connection, [], reason="nobody started it", worker="worker-2") == 0

    counted = await rows(database, tables.runs)
    assert [row["outcome"] for row in counted].count("missed") == 699
    assert {row["started"] for row in counted} == {None}


async def test_a_run_noted_as_missed_by_others_tells_its_own_story_later(database: Database) -> None:
    async with database.transaction() as connection:
        await runs.note_missed(connection, [key()], reason="nobody started it", worker="worker-2")
        assert not await runs.record(connection, a_run(key(), Outcome.MISSED))
        assert await runs.record(connection, a_run(key(), Outcome.PASSED))
    (row,) = await rows(database, tables.runs)
    assert (row["outcome"], row["worker"]) == ("passed", "worker-1")


async def test_a_run_in_flight_is_found_while_its_lease_holds(database: Database) -> None:
    await claim(database, key(1), lease=ENDED)
    async with database.transaction() as connection:
        assert await runs.in_flight(connection, "cold-start", "here") is None
    await claim(database, key(2))
    async with database.transaction() as connection:
        assert await runs.in_flight(connection, "cold-start", "here") == key(2).id
        assert await runs.in_flight(connection, "cold-start", "elsewhere") is None
        await runs.record(connection, a_run(key(2)))
        assert await runs.in_flight(connection, "cold-start", "here") is None


async def test_the_newest_tick_is_that_of_the_schedule(database: Database) -> None:
    async with database.transaction() as connection:
        assert await runs.last_tick(connection, "cold-start", "here") is None
        await runs.record(connection, a_run(key(1)))
        await runs.record(connection, a_run(key(9, trigger=Trigger.MANUAL)))
        await runs.record(connection, a_run(key(9, probe="wake")))
        assert await runs.last_tick(connection, "cold-start", "here") == key(1).tick
        await runs.claim(connection, key(2), worker="w", lease=LEASE, tag="t")
        assert await runs.last_tick(connection, "cold-start", "here") == key(2).tick


async def test_the_last_telling_outcome_speaks_of_the_platform(database: Database) -> None:
    async with database.transaction() as connection:
        assert await runs.last_telling(connection, "cold-start", "here") is None
        await runs.record(connection, a_run(key(1), Outcome.PASSED))
        await runs.record(connection, a_run(key(2), Outcome.FAILED))
        await runs.record(connection, a_run(key(3), Outcome.BROKEN))
        await runs.claim(connection, key(4), worker="w", lease=LEASE, tag="t")
        assert await runs.last_telling(connection, "cold-start", "here") is Outcome.FAILED
        await runs.record(connection, a_run(key(2, trigger=Trigger.CONFIRM, attempt=1), Outcome.PASSED))
        assert await runs.last_telling(connection, "cold-start", "here") is Outcome.PASSED


async def test_whatever_the_platform_answered_can_be_kept(database: Database) -> None:
    hostile = "nul \0, half a character \ud83d, and \N{PILE OF POO}"
    evidence = {"body": hostile, "deep": [{hostile: float("nan")}], "far": float("inf")}
    run = a_run(
        key(),
        Outcome.FAILED,
        reason=hostile,
        checks=(Check("CS-01", CheckOutcome.FAILED, hostile, evidence),),
        cleanup_errors=(hostile,),
        facts={"answer": hostile},
    )
    async with database.transaction() as connection:
        assert await runs.record(connection, run)

    (check,) = await rows(database, tables.checks)
    readable = "nul \ufffd, half a character \ufffd, and \N{PILE OF POO}"
    assert check["reason"] == readable
    assert check["evidence"] == {"body": readable, "deep": [{readable: "nan"}], "far": "inf"}


async def test_a_tick_of_a_month_without_a_partition_is_told_as_such(database: Database) -> None:
    with pytest.raises(StoreError, match='no partition of relation "runs"'):
        await claim(database, RunKey("cold-start", "here", NOON - timedelta(days=400)))
