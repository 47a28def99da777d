"""Names held alone or beside others, across connections and processes."""

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from sqlalchemy import text

from synthetics.errors import StoreError
from synthetics.store.engine import Database
from synthetics.store.locks import LockTimeout, hold

SOON = timedelta(seconds=10)
AT_ONCE = timedelta(milliseconds=50)
EDIT, HERMES = frozenset({"edit-service"}), frozenset({"hermes-service"})

HOLDER = """
import asyncio, sys
from datetime import timedelta
from synthetics.store.engine import Database
from synthetics.store.locks import hold

async def main():
    async with hold(Database(sys.argv[1]), exclusive=frozenset({"edit-service"}), within=timedelta(seconds=60)):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def is_free(database: Database, name: frozenset[str]) -> bool:
    try:
        async with hold(database, exclusive=name, within=AT_ONCE):
            return True
    except LockTimeout:
        return False


async def waiters(database: Database, number: int) -> None:
    """Return once so many sessions wait for a lock."""
    async with asyncio.timeout(10), database.dedicated() as connection:
        while True:
            found = await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
            if found == number:
                return


async def test_what_is_held_alone_is_held_by_one(database: Database) -> None:
    async with hold(database, exclusive=EDIT, within=SOON, holder="cold-start on worker-1") as waited:
        assert waited < timedelta(seconds=2)
        with pytest.raises(LockTimeout) as caught:
            async with hold(database, exclusive=EDIT, within=AT_ONCE):
                pass
        with pytest.raises(LockTimeout):
            async with hold(database, shared=EDIT, within=AT_ONCE):
                pass
        assert await is_free(database, HERMES)
    assert str(caught.value) == "'edit-service' was not free within 0.05 s, held by cold-start on worker-1"
    assert await is_free(database, EDIT)


async def test_what_is_shared_is_shared_by_many_and_by_nobody_who_wants_it_alone(database: Database) -> None:
    async with hold(database, shared=EDIT, within=SOON, holder="a"):
        async with hold(database, shared=EDIT, exclusive=HERMES, within=SOON, holder="b"):
            with pytest.raises(LockTimeout, match="held by a, b"):
                async with hold(database, exclusive=EDIT, within=AT_ONCE):
                    pass
            assert not await is_free(database, HERMES)
        assert not await is_free(database, EDIT)
        assert await is_free(database, HERMES)
    assert await is_free(database, EDIT)


async def test_a_name_wanted_both_ways_is_held_alone(database: Database) -> None:
    async with hold(database, exclusive=EDIT, shared=EDIT, within=SOON):
        with pytest.raises(LockTimeout):
            async with hold(database, shared=EDIT, within=AT_ONCE):
                pass


async def test_who_wants_nothing_waits_for_nothing(database: Database) -> None:
    async with hold(database, within=timedelta(0)) as waited:
        assert waited == timedelta(0)


async def test_the_wait_is_told_and_the_event_loop_is_free_meanwhile(database: Database) -> None:
    async def wait() -> timedelta:
        async with hold(database, exclusive=EDIT, within=SOON) as waited:
            return waited

    loop = asyncio.get_running_loop()
    async with hold(database, exclusive=EDIT, within=SOON):
        began = loop.time()
        waiting = asyncio.create_task(wait())
        await waiters(database, 1)
        least = timedelta(seconds=loop.time() - began)
    assert least / 2 < await waiting < least + timedelta(seconds=5)


async def test_a_stream_of_sharers_does_not_starve_who_wants_it_alone(database: Database) -> None:
    order: list[str] = []

    async def take(name: str, *, alone: bool) -> None:
        nothing: frozenset[str] = frozenset()
        exclusive, shared = (EDIT, nothing) if alone else (nothing, EDIT)
        async with hold(database, exclusive=exclusive, shared=shared, within=SOON):
            order.append(name)

    async with AsyncExitStack() as first:
        await first.enter_async_context(hold(database, shared=EDIT, within=SOON))
        alone = asyncio.create_task(take("alone", alone=True))
        await waiters(database, 1)
        later = asyncio.create_task(take("later sharer", alone=False))
        await waiters(database, 2)
        assert order == [], "a sharer overtook the one who was there before"
    await asyncio.gather(alone, later)
    assert order == ["alone", "later sharer"]


async def test_two_holds_of_the_same_names_cannot_wait_for_each_other(database: Database) -> None:
    names = [frozenset({"a", "b", "c"}), frozenset({"c", "b"}), frozenset({"b", "a"})]

    async def take(number: int) -> None:
        mine = names[number % 3]
        async with hold(database, exclusive=mine, shared=names[(number + 1) % 3], within=SOON):
            await asyncio.sleep(0)

    await asyncio.gather(*(take(number) for number in range(18)))


async def test_who_gives_up_waiting_is_no_longer_in_the_queue(database: Database) -> None:
    async def wait() -> None:
        async with hold(database, exclusive=EDIT, within=SOON):
            pass

    async with hold(database, shared=EDIT, within=SOON):
        waiting = asyncio.create_task(wait())
        await waiters(database, 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await waiters(database, 0)
        async with hold(database, shared=EDIT, within=SOON) as waited:
            assert waited < timedelta(seconds=2)


async def test_a_session_that_dies_gives_its_locks_back_and_its_holder_hears_no_error(
    database: Database,
) -> None:
    async with hold(database, exclusive=EDIT, within=SOON):
        async with database.transaction() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks"
                    " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                )
            )
        assert await is_free(database, EDIT)


def test_a_killed_process_gives_its_locks_back(database_url: str) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, database_url], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()

    async def take() -> None:
        database = Database(database_url)
        async with hold(database, exclusive=EDIT, within=SOON):
            pass
        await database.close()

    asyncio.run(take())


async def test_a_database_that_is_away_is_no_timeout(database: Database) -> None:
    away = Database("postgresql://127.0.0.1:1/none")
    with pytest.raises(StoreError) as caught:
        async with hold(away, exclusive=EDIT, within=SOON):
            pass
    assert not isinstance(caught.value, LockTimeout)
    await away.close()
