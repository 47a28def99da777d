"""The schema comes up from nothing, once, whoever starts first; a wrong one is refused."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

import migrations
from synthetics.errors import StoreError, WrongRevision
from synthetics.store import migrating, partitions
from synthetics.store.engine import Database
from synthetics.store.tables import metadata

#: Every column, constraint, index and partition key, in the server's own words; partitions are left out.
SCHEMA = """
WITH ours AS (
    SELECT oid, relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND relname <> 'alembic_version'
)
SELECT format('column %s %s %s null=%s default=%s identity=%s', relname, attname,
              format_type(atttypid, atttypmod), NOT attnotnull, pg_get_expr(adbin, adrelid), attidentity)
  FROM ours JOIN pg_attribute ON attrelid = oid AND attnum > 0 LEFT JOIN pg_attrdef
    ON adrelid = attrelid AND adnum = attnum
UNION SELECT format('constraint %s %s %s', relname, conname, pg_get_constraintdef(pg_constraint.oid))
  FROM ours JOIN pg_constraint ON conrelid = ours.oid
UNION SELECT format('index %s %s', relname, pg_get_indexdef(indexrelid))
  FROM ours JOIN pg_index ON indrelid = oid
UNION SELECT format('partitions %s %s', relname, pg_get_partkeydef(oid)) FROM ours
"""

UPGRADE = "import sys; from synthetics.store import migrating; print(migrating.upgrade(sys.argv[1]))"


async def schema(connection: AsyncConnection) -> set[str]:
    return set(await connection.scalars(text(SCHEMA)))


def test_the_files_names_tell_what_alembic_finds_in_them() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())

    assert [script.revision for script in reversed(scripts)] == list(migrating.known())


def test_nothing_of_alembic_is_loaded_where_nothing_is_to_be_migrated(empty_database_url: str) -> None:
    migrating.upgrade(empty_database_url)
    code = f"{UPGRADE}; print('alembic' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code, empty_database_url], capture_output=True, text=True, check=True
    )

    assert told.stdout.split() == [migrating.expected(), "False"]


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


async def test_the_migrations_make_exactly_the_tables_of_the_code(
    database: Database, empty_database_url: str
) -> None:
    from_code = Database(empty_database_url)
    async with from_code.transaction() as connection:
        await connection.run_sync(metadata.create_all)
        wanted = await schema(connection)
    await from_code.close()
    async with database.transaction() as connection:
        assert await schema(connection) == wanted
    assert {line.split()[1] for line in wanted} == set(metadata.tables)


async def test_months_that_are_there_already_get_their_logs(database: Database, database_url: str) -> None:
    months = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{}'::regclass"
    now = datetime.now(UTC)
    await partitions.cover(database, now - timedelta(days=400), now)
    async with database.transaction() as connection:
        await connection.execute(text("DROP TABLE logs"))
        await connection.execute(text("UPDATE alembic_version SET version_num = '0007'"))

    await asyncio.to_thread(migrating.upgrade, database_url)

    async with database.transaction() as connection:
        runs = set(await connection.scalars(text(months.format("runs"))))
        logs = set(await connection.scalars(text(months.format("logs"))))
    assert len(runs) >= 13
    assert logs == {name.replace("runs_", "logs_") for name in runs}
    assert await partitions.cover(database, now - timedelta(days=400), now) == []


async def test_an_empty_database_is_refused_with_the_command_to_run(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with pytest.raises(
        WrongRevision, match=r"database \w+ at .* is empty, .* needs revision \d+: run `synthetics migrate`"
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
