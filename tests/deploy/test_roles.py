"""The database's roles: each can do its work, and nothing else."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.engine import make_url

from synthetics.access import Access
from synthetics.alerting.acting import Acts, Wanted
from synthetics.model.run import Outcome
from synthetics.model.token import Scope
from synthetics.queries import Reads
from synthetics.store import migrating, partitions, workers
from synthetics.store.cluster import Cluster
from synthetics.store.engine import Database
from synthetics.store.retention import retire
from tests.support.alerting import Court, outage
from tests.support.clock import FakeClock
from tests.support.runs import NOW, a_probe, a_run, cover_now, publish, record, tick

SCRIPTS = Path(__file__).parents[2] / "deploy" / "postgres"


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


class Roles:
    """A database that was set up by the scripts, by the URL of each role.

    The server knows its users by the machine's own, so that one connects as its owner and takes the role on.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)

    def __getitem__(self, role: str) -> str:
        taken = self._url.update_query_dict({"options": f"-crole={role}"})
        return taken.render_as_string(hide_password=False)


@pytest.fixture
def roles(empty_database_url: str, postgres: Cluster) -> Iterator[Roles]:
    found = Roles(empty_database_url)
    with psycopg.connect(postgres.url(), autocommit=True) as alone:  # roles belong to the whole server
        alone.execute("SELECT pg_advisory_lock(4711)")
        for _ in range(2):  # it may be run again
            execute(empty_database_url, (SCRIPTS / "roles.sql").read_text())
        migrating.upgrade(found["synthetics"])
        for _ in range(2):
            execute(found["synthetics"], (SCRIPTS / "grants.sql").read_text())
        yield found


def test_everybody_can_do_their_work(roles: Roles) -> None:
    asyncio.run(_work(roles))


async def _work(roles: Roles) -> None:
    clock = FakeClock(NOW)
    worker, api, reader = (
        Database(roles[role]) for role in ("synthetics", "synthetics_api", "synthetics_read")
    )
    try:
        await migrating.verify(worker)
        await cover_now(worker)
        await partitions.make_ahead(worker, await worker.now())
        await publish(worker, a_probe())
        await record(worker, a_run(tick(2)), a_run(tick(3), Outcome.MISSED))
        await Court(worker).keep(*outage(tick(1)))
        token, secret = await Access(worker, clock).create("robot", (Scope.ACT,), lasts=None)
        async with worker.transaction() as connection:
            await workers.present(connection, "worker-1", location="default", version="test")

        await migrating.verify(api)
        acts, reads = Acts(api, clock), Reads.of(api, clock)
        (incident,) = await reads.incidents.open_ones()
        await acts.acknowledge(incident.id, by="somebody", note="looking")
        await acts.note(incident.id, by="somebody", text="still looking")
        await acts.declare(Wanted(reason="patches", by="somebody", lasts=timedelta(hours=1)))
        assert (await acts.ask_for_run("open_document", by="somebody")).probe == "open_document"
        assert await Access(api, clock).bearer(secret) == token

        assert (await Reads.of(reader, clock).status.overview()).probes
        much_later, day = NOW + timedelta(days=100), timedelta(days=1)
        assert "2026-03" in (await retire(worker, much_later, runs=day, failures=day)).dropped
    finally:
        for database in (worker, api, reader):
            await database.close()


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("synthetics_api", "DELETE FROM runs"),
        ("synthetics_api", "TRUNCATE incidents"),
        ("synthetics_api", "DROP TABLE runs"),
        ("synthetics_api", "CREATE TABLE mine (id int)"),
        ("synthetics_api", "INSERT INTO tokens (id) VALUES (gen_random_uuid())"),
        ("synthetics_api", "UPDATE resources SET state = 'gone'"),
        ("synthetics_read", "SELECT * FROM tokens"),
        ("synthetics_read", "UPDATE runs SET reason = 'x'"),
        ("synthetics", "CREATE ROLE another"),
        ("synthetics", "CREATE DATABASE another"),
        ("synthetics", "SELECT pg_read_file('/etc/passwd')"),
    ],
)
def test_nobody_can_do_more(roles: Roles, role: str, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        execute(roles[role], statement)
