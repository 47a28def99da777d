"""What people get wrong, and what they get for it: a sentence that helps, exit code 2, and no traceback."""

import asyncio
import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.badserver import answer, bad_server
from tests.support.database import NewDatabase
from tests.support.monitor import CREDENTIALS
from tests.support.sandbox import RunningSandbox
from tests.support.service import Environment, call, environment

SCHEMA_USERS = ("runs", "serve", "migrate")
NOBODY_LISTENS = "postgresql://nobody@127.0.0.1:1/nothing"


def refused(told: subprocess.CompletedProcess[str]) -> str:
    """What was said on standard error; nothing else may have come."""
    assert told.returncode == 2, told
    assert told.stdout == ""
    assert "Traceback" not in told.stderr
    return told.stderr


@pytest.fixture
def environ(tmp_path: Path) -> Environment:
    """No platform; and a database that would be noticed if anybody asked for it."""
    return environment(tmp_path, SYNTHETICS_DATABASE_URL=NOBODY_LISTENS)


def test_an_unknown_probe_gets_the_nearest_name(tmp_path: Path, environ: Environment) -> None:
    said = refused(call(tmp_path, environ, "run", "cold-strat", "--json"))

    assert said == "There is no probe called 'cold-strat'; did you mean cold-start?\n"


def test_all_mistakes_in_settings_are_told_at_once_whoever_reads_them(
    tmp_path: Path, environ: Environment
) -> None:
    (tmp_path / "synthetics.toml").write_text(
        "[worker]\nslots = 0\nlese = 3\n"
        "[probes.cold-strat]\nenabled = false\n"
        "[probes.auto-sleep]\nevery = 10\n"
        '[platform]\nrouting_dialect = "north"\n'
    )
    wrong = {"SYNTHETICS_API__PORT": "http", "SYNTHETICS_DATABASE_URL": "mysql://me:hunter2@here/db"}

    said = refused(call(tmp_path, {**environ, **wrong, "IDLE_TIMEOUT_S": "-5"}, "run", "cold-start"))

    assert said.startswith("8 things are wrong:\n")
    for line in (
        "worker.slots in synthetics.toml: found 0", "did you mean worker.lease?", "did you mean cold-start?",
        "auto-sleep: its timeout (0:12:00) is longer than its interval (0:00:10)",
        "platform.routing_dialect in synthetics.toml: found 'north', allowed is one of path, lambda",
            "SYNTHETICS_API__PORT: found 'http'",
        "SYNTHETICS_DATABASE_URL: found a value that is not shown", "IDLE_TIMEOUT_S: found '-5'",
    ):  # fmt: skip
        assert line in said
    assert "hunter2" not in said


def test_what_needs_no_platform_does_not_read_what_a_shell_says_of_one(
    tmp_path: Path, environ: Environment
) -> None:
    environ |= {"ENVIRONMENT": "production", "SESSION_KEY": "not-for-others"}
    commands = (("runs",), ("migrate",), ("run", "cold-start"))

    with ThreadPoolExecutor() as pool:
        said = [refused(told) for told in pool.map(lambda command: call(tmp_path, environ, *command), commands)]

    for sentence in said[:2]:
        assert "connection to server at" in sentence
        assert "ENVIRONMENT" not in sentence
        assert "not-for-others" not in sentence
    assert "ENVIRONMENT: found 'production'" in said[2]


def test_without_an_entrance_nothing_is_run_and_check_says_what_to_do(tmp_path: Path) -> None:
    environ = environment(tmp_path, AWS_ENDPOINT_URL="http://127.0.0.1:1")

    checked = call(tmp_path, environ, "check")
    ran = refused(call(tmp_path, environ, "run", "cold-start"))

    assert checked.returncode == 2
    said = " ".join(checked.stdout.split())
    assert "ALB_ENDPOINT is not set → give the address of the platform's load balancer" in said
    assert "database schema (still empty; the first start makes it)" in said
    assert ran.startswith("ALB_ENDPOINT: not set; give the address of the platform's load balancer")
    assert ".elb.amazonaws.com" not in said + ran


def test_a_command_does_not_wait_for_a_database_that_is_not_there(
    tmp_path: Path, platform: RunningSandbox
) -> None:
    environ = environment(tmp_path, platform.environment, SYNTHETICS_DATABASE_URL=NOBODY_LISTENS)
    commands = (("run", "cold-start", "--json"), ("sweep",), ("runs",), ("migrate",))

    with ThreadPoolExecutor() as pool:
        said = [refused(told) for told in pool.map(lambda command: call(tmp_path, environ, *command), commands)]

    assert ["connection to server at" in sentence for sentence in said] == [True] * len(commands)


def asking(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs that asked the platform for anything: the others had no occasion to, here, and skipped all."""
    return [
        run
        for run in runs
        if not run["checks"]
        or any(it["outcome"] != "skipped" for it in run["checks"])
        or run["run"]["outcome"] != "passed"
    ]


def test_without_credentials_a_run_is_broken_and_check_names_what_could_not_be_asked(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    environ = environment(tmp_path, platform.environment, SYNTHETICS_DATABASE_URL=new_database())
    for name in CREDENTIALS:
        del environ[name]

    ran = call(tmp_path, environ, "run", "--all", "--json")
    checked = call(tmp_path, environ, "check")

    runs = asking(json.loads(ran.stdout)["runs"])
    assert ran.returncode == 2
    assert {run["run"]["outcome"] for run in runs} == {"broken"}
    assert all("Unable to locate credentials" in run["run"]["reason"] for run in runs)
    assert not [check for run in runs for check in run["checks"] if check["outcome"] == "failed"]
    assert checked.returncode == 2
    said = checked.stdout
    assert "dynamodb:DescribeTable on webordinary-containers could not be asked" in said
    assert "Unable to locate credentials" in said
    assert "Traceback" not in ran.stderr + checked.stderr


async def test_without_a_right_a_run_is_broken_and_check_names_the_action_and_the_resource(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    denied = json.dumps({"__type": "AccessDeniedException", "message": "User is not authorized"}).encode()
    async with bad_server(answer(400, denied)) as aws:
        environ = environment(tmp_path, platform.environment, AWS_ENDPOINT_URL=aws.url)
        ran, checked = await asyncio.gather(
            asyncio.to_thread(
                call, tmp_path, {**environ, "SYNTHETICS_DATABASE_URL": new_database()}, "run", "--all", "--json"
            ),
            asyncio.to_thread(call, tmp_path, {**environ, "SYNTHETICS_DATABASE_URL": new_database()}, "check"),
        )

    runs = asking(json.loads(ran.stdout)["runs"])
    assert (ran.returncode, checked.returncode) == (2, 2), ran.stderr + checked.stderr
    assert {run["run"]["outcome"] for run in runs} == {"broken"}
    assert all("not allowed to do" in run["run"]["reason"] for run in runs)
    service = f"{platform.settings.cluster_arn}/{platform.settings.edit_service}"
    assert f"not allowed to do ecs:DescribeServices on {service}" in checked.stdout
    assert "not allowed to do dynamodb:DescribeTable on webordinary-edit-sessions" in checked.stdout


def test_a_database_of_another_revision_is_refused_with_what_to_do(
    tmp_path: Path, environ: Environment, empty_database_url: str
) -> None:
    environ |= {"SYNTHETICS_DATABASE_URL": empty_database_url, "ALB_ENDPOINT": "http://127.0.0.1:1"}

    empty = refused(call(tmp_path, environ, "runs"))
    made = call(tmp_path, environ, "migrate")
    again = call(tmp_path, environ, "migrate")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'r9999'")
    with ThreadPoolExecutor() as pool:
        newer = [refused(told) for told in pool.map(lambda name: call(tmp_path, environ, name), SCHEMA_USERS)]

    assert "run `synthetics migrate`" in empty
    assert (made.returncode, again.returncode) == (0, 0)
    assert "went from empty to" in made.stdout
    assert "already" in again.stdout
    for said in newer:
        assert "the database is at r9999; start a newer version" in said


def test_a_taken_port_is_named_with_the_setting_that_helps(tmp_path: Path, environ: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environ |= {"SYNTHETICS_API__PORT": port, "ALB_ENDPOINT": "http://127.0.0.1:1"}
        said = refused(call(tmp_path, environ, "serve"))

    assert f"port {port} is already taken on 127.0.0.1" in said
    assert "SYNTHETICS_API__PORT" in said
