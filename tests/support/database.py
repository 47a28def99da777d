"""Fixtures: a real Postgres for the whole test run, and a migrated database of its own for each test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from os import getpid

import psycopg
import pytest

from synthetics.clock import SystemClock
from synthetics.store import migrating, partitions
from synthetics.store.cluster import Cluster
from synthetics.store.embedded import EmbeddedPostgres
from synthetics.store.engine import Database
from tests.support.runs import cover_now

_numbers = count(1)

#: Gives the URL of a database that nobody else uses.
NewDatabase = Callable[[], str]

#: Nothing of a test outlives the machine, so nothing needs to reach the disk.
HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One embedded server, shared by all processes of this test run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # xdist: one folder per process
    server = EmbeddedPostgres(shared, HASTY)
    server.start_blocking()
    yield Cluster(shared / "postgres")
    server.stop_blocking()


@pytest.fixture(scope="session")
def migrated_template(postgres: Cluster) -> str:
    """The name of a database with today's schema and partitions, to be copied."""
    name = f"template_{getpid()}"
    _execute(postgres, f"CREATE DATABASE {name}")
    migrating.upgrade(postgres.url(name))
    with ThreadPoolExecutor(1) as elsewhere:  # in a thread: the test's own event loop is not to be disturbed
        elsewhere.submit(asyncio.run, _make_partitions(postgres.url(name))).result()
    return name


async def _make_partitions(url: str) -> None:
    database = Database(url, pool_size=1)
    await partitions.make_ahead(database, SystemClock().now())
    await cover_now(database)
    await database.close()


@pytest.fixture
def database_url(postgres: Cluster, migrated_template: str) -> Iterator[str]:
    """The URL of a database that only this test uses, with schema and partitions, without rows."""
    name = f"test_{getpid()}_{next(_numbers)}"
    _execute(postgres, f"CREATE DATABASE {name} TEMPLATE {migrated_template} STRATEGY FILE_COPY")
    yield postgres.url(name)
    _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def new_database(postgres: Cluster, migrated_template: str) -> NewDatabase:
    """Makes databases with schema and partitions; they last as long as the test run."""

    def make() -> str:
        name = f"test_{getpid()}_{next(_numbers)}"
        _execute(postgres, f"CREATE DATABASE {name} TEMPLATE {migrated_template} STRATEGY FILE_COPY")
        return postgres.url(name)

    return make


@pytest.fixture
def empty_database_url(postgres: Cluster) -> Iterator[str]:
    """The URL of a database that only this test uses, without any table."""
    name = f"test_{getpid()}_{next(_numbers)}"
    _execute(postgres, f"CREATE DATABASE {name}")
    yield postgres.url(name)
    _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A clean, migrated database of this test alone."""
    database = Database(database_url)
    yield database
    await database.close()


def _execute(postgres: Cluster, statement: str) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(statement.encode())
