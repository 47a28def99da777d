"""The schema comes up from nothing, once, whoever starts first; a wrong one is refused."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from synthetics.errors import StoreError, WrongRevision
from synthetics.store import migrating
from synthetics.store.engine import Database
from synthetics.store.tables import metadata

UPGRADE = "import sys; from synthetics.store import migrating; print(migrating.upgrade(sys.argv[1]))"


async def test_it_comes_up_from_nothing_and_again_does_nothing(empty_database_url: str) -> None:
    assert await asyncio.to_thread(migrating.revision, empty_database_url) is None
    for _ in range(2):
        assert await asyncio.to_thread(migrating.upgrade, empty_database_url) == migrating.expected()
    assert await asyncio.to_thread(migrating.revision, empty_database_url) == migrating.expected()


def test_two_processes_may_start_at_once(empty_database_url: str) -> None:
    starting = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", UPGRADE, empty_database_url],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=60)[0] for process in starting]
    assert printed == [f"{migrating.expected()}\n"] * 2
    assert migrating.revision(empty_database_url) == migrating.expected()


async def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        def known(name: str | None, kind: str, parents: Any) -> bool:
            return kind != "table" or name in metadata.tables  # not the partitions

        options = {"include_name": known, "compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with database.transaction() as connection:
        assert await connection.run_sync(differences) == []


async def test_an_empty_database_is_refused_with_the_command_to_run(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with pytest.raises(
        WrongRevision, match=r"the database is empty, .* needs revision \d+: run `synthetics migrate`"
    ):
        await migrating.verify(database)
    await database.close()


async def test_the_right_revision_is_accepted(database: Database) -> None:
    await migrating.verify(database)


async def test_a_newer_database_is_refused_by_all(database: Database, database_url: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WrongRevision, match=r"this worker is older than the database: .* is at 9999"):
        await migrating.verify(database)
    with pytest.raises(WrongRevision, match="this worker is older than the database"):
        await asyncio.to_thread(migrating.upgrade, database_url)
    assert await asyncio.to_thread(migrating.revision, database_url) == "9999"


async def test_a_database_that_is_away_is_told_without_the_password() -> None:
    url = "postgresql://monitor:hunter2@127.0.0.1:1/none"
    with pytest.raises(StoreError, match="cannot be migrated") as caught:
        await asyncio.to_thread(migrating.upgrade, url)
    assert "hunter2" not in str(caught.value)
