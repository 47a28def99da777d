"""The border of the store: one form of URL, one kind of error."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from synthetics.errors import SettingsError, StoreError
from synthetics.store.engine import Database, parse_url
from tests.support.clock import FakeClock


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_postgres_url_is_accepted(scheme: str) -> None:
    url = parse_url(f"{scheme}://ann:s3cret@db.example:6000/watch?sslmode=require")
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host, url.port, url.database) == (
        "ann",
        "s3cret",
        "db.example",
        6000,
        "watch",
    )
    assert url.query["sslmode"] == "require"


def test_parsing_is_repeatable_and_keeps_what_the_url_asks_for() -> None:
    once = parse_url("postgresql:///x?host=a:1&host=b:2&connect_timeout=1&options=-c%20work_mem%3D8MB")
    assert once.query["host"] == ("a:1", "b:2")
    assert once.query["connect_timeout"] == "1"
    assert str(once.query["options"]).endswith("-c work_mem=8MB")
    assert parse_url(once.render_as_string(hide_password=False)) == once


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ann:s3cret@db/watch",
        "sqlite:///s3cret",
        "ann:s3cret@db/watch",
        "postgresql://ann:s3cret@db:port/watch",
        "postgresql://ann:s3cret@db/watch?options=a&options=b",
        "s3cret",
        "",
    ],
)
def test_anything_else_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_url(url)
    assert "wanted postgresql://user:password@host:port/database" in str(caught.value)
    assert "s3cret" not in repr(caught.value)
    assert caught.value.__cause__ is None


async def test_moments_come_back_in_utc(database: Database) -> None:
    async with database.transaction() as connection:
        assert await connection.scalar(text("SHOW timezone")) == "UTC"


async def test_a_block_that_raises_changes_nothing(database: Database) -> None:
    async def make_and_fail() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("CREATE TABLE made (x int)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await make_and_fail()
    async with database.transaction() as connection:
        assert await connection.scalar(text("SELECT to_regclass('made')")) is None


async def test_a_database_that_is_away_is_a_store_error_with_a_cause() -> None:
    database = Database("postgresql://ann:s3cret@127.0.0.1:1/watch")
    with pytest.raises(StoreError, match=r"^database watch at 127\.0\.0\.1:1 cannot be used: ") as caught:
        await database.ping()
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is not None
    await database.close()


async def test_a_connection_lost_in_the_middle_is_a_store_error_and_the_next_one_works(
    database: Database,
) -> None:
    async def lose_it() -> None:
        async with database.transaction() as connection, database.dedicated() as other:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
            await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            await connection.execute(text("SELECT 1"))

    with pytest.raises(StoreError, match="cannot be used"):
        await lose_it()
    await database.ping()


async def test_idle_connections_that_the_server_dropped_are_replaced_unseen(database: Database) -> None:
    await database.ping()
    async with database.dedicated() as other:
        await other.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await database.ping()


async def test_our_own_mistakes_are_no_store_errors(database: Database) -> None:
    with pytest.raises(DBAPIError):
        async with database.transaction() as connection:
            await connection.execute(text("SELEC 1"))


async def test_a_schema_that_is_not_there_is_a_store_error(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with pytest.raises(StoreError, match='relation "runs" does not exist'):
        async with database.transaction() as connection:
            await connection.execute(text("SELECT * FROM runs"))
    await database.close()


async def test_a_cancelled_statement_ends_on_the_server_too(database: Database) -> None:
    async def sleep_there() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("SELECT pg_sleep(25)"))

    sleeping = asyncio.create_task(sleep_there())
    busy = text(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    )
    async with asyncio.timeout(10), database.dedicated() as connection:
        while await connection.scalar(busy) != 1:
            pass
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        while await connection.scalar(busy) != 0:
            pass
    await database.ping()


async def test_waiting_for_the_database_is_told_and_backs_off() -> None:
    database = Database("postgresql://127.0.0.1:1/watch")
    clock, told = FakeClock(), list[str]()

    def tell(why: str) -> None:
        told.append(why)
        if len(told) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await database.wait_until_up(clock, tell)
    pauses = [float(why.split("trying again in ")[1].removesuffix(" s")) for why in told]
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]
    await database.close()


async def test_waiting_ends_when_the_database_is_up(database: Database) -> None:
    told: list[str] = []
    async with asyncio.timeout(timedelta(seconds=10).total_seconds()):
        await database.wait_until_up(FakeClock(), told.append)
    assert told == []
