"""Workers that are killed in the middle of a cold start: nothing they made stays, and nothing is forgotten."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.database import NewDatabase
from tests.support.monitor import left_behind
from tests.support.sandbox import RunningSandbox, until
from tests.support.service import Environment, call, due_in, environment, only, serving

LEASE_SECONDS = 1.0

Seen = Callable[[RunningSandbox, str], bool]


def told(event: str) -> Seen:
    """Whether the sandbox has told this event of a client whose id starts so."""

    def seen(platform: RunningSandbox, client: str) -> bool:
        return any(str(entry.fields.get("client")).startswith(client) for entry in platform.truth(event))

    return seen


def sleep_is_awaited(platform: RunningSandbox, client: str) -> bool:
    """Whether the second session, the last thing before the wait, has come and gone: one row of two is left."""
    rows = platform.dynamodb.scan(TableName=platform.settings.session_table)["Items"]
    mine = [row for row in rows if row["clientId"]["S"].startswith(client)]
    return told_twice(platform, client) and len(mine) == 1


def told_twice(platform: RunningSandbox, client: str) -> bool:
    asked = [entry for entry in platform.truth("activate.received") if entry.fields["client"]]
    return sum(str(entry.fields["client"]).startswith(client) for entry in asked) == 2


@dataclass(frozen=True, slots=True)
class Moment:
    """When the worker is killed, and for which client."""

    client: str
    seen: Seen


WHILE_STARTING = (
    Moment("asked-", told("activate.received")),
    Moment("boot-", told("container.starting")),
    Moment("ready-", told("session.active")),
)


def settings(place: Path, platform: RunningSandbox, url: str, client: str, **more: str) -> Environment:
    return environment(
        place,
        platform.environment,
        SYNTHETICS_DATABASE_URL=url,
        SYNTHETICS_WORKER__LEASE=str(LEASE_SECONDS),
        CLIENT_PREFIX=client,
        **more,
    )


def cold_start_in(seconds: float, at_least: float = 8) -> str:
    """Settings under which only a cold start is due, that soon."""
    return only("cold-start", every=due_in("cold-start", seconds, at_least=at_least))


def runs(url: str) -> list[dict[str, Any]]:
    """Every run on record that was ever claimed, oldest first."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(
            "SELECT outcome, reason, tag, lease_until < now() AS over FROM runs"
            " WHERE tag <> '' ORDER BY started NULLS LAST, tick"
        ).fetchall()


def in_ledger(url: str) -> list[tuple[Any, ...]]:
    """What the ledger holds that is not gone."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT kind, name, state FROM resources WHERE state <> 'gone'").fetchall()


def kill_at(place: Path, environ: Environment, platform: RunningSandbox, moment: Moment) -> None:
    """Start a worker, and kill it as soon as the moment has come."""
    with serving(place, environ, role="worker", config=cold_start_in(3)) as worker:
        worker.wait_for("worker.started")
        until(lambda: moment.seen(platform, moment.client), 20, f"{moment.client}: {worker.log.read_text()}")
        worker.kill()
    assert left_behind(platform, moment.client), "there was nothing to leave behind: the moment was missed"


def lease_ends(url: str) -> None:
    """Wait until the killed worker's lease is over."""
    until(lambda: all(run["over"] for run in runs(url)), 10 * LEASE_SECONDS, "the end of the lease")


def test_what_a_killed_worker_had_begun_is_gone_after_the_lease_and_one_sweep(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    # All at once, on a platform that is shared: a cold start that demands to be alone could not be.
    def killed_and_swept(moment: Moment) -> tuple[str, list[dict[str, Any]]]:
        url, place = new_database(), tmp_path / moment.client
        environ = settings(place, platform, url, moment.client, ENVIRONMENT="shared")
        kill_at(place, environ, platform, moment)
        lease_ends(url)
        swept = call(place, environ, "sweep")
        assert swept.returncode == 0, swept
        assert "closed   1 abandoned run\n" in swept.stdout
        assert in_ledger(url) == []
        return moment.client, runs(url)

    with ThreadPoolExecutor() as pool:
        for client, found in pool.map(killed_and_swept, WHILE_STARTING):
            assert [run["outcome"] for run in found] == ["interrupted"], client
            assert left_behind(platform, client) == []


@pytest.mark.long
def test_another_worker_sweeps_after_one_that_was_killed_while_it_waited_for_sleep(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    url, moment = new_database(), Moment("sleep-", sleep_is_awaited)
    environ = settings(tmp_path, platform, url, moment.client, SYNTHETICS_WORKER__SWEEP_EVERY="1")
    kill_at(tmp_path, environ, platform, moment)

    with serving(tmp_path / "second", environ, role="worker", config=cold_start_in(60, at_least=90)) as second:
        second.wait_for("run.abandoned")
        until(lambda: in_ledger(url) == [], 20, f"an empty ledger: {second.log.read_text()}")

    assert [run["outcome"] for run in runs(url)] == ["interrupted"]
    assert "was not heard of for" in runs(url)[0]["reason"]
    assert left_behind(platform, moment.client) == []
