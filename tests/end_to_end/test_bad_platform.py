"""A platform that answers nonsense: the run ends in time, in little memory, and says what came."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.support.badserver import BadServer, answer, bad_server, flood, half
from tests.support.database import NewDatabase
from tests.support.monitor import left_behind
from tests.support.sandbox import RunningSandbox
from tests.support.service import COMMAND, Environment, call, environment

#: More than a run needs by far; it ends by its own limits long before.
ENDS_WITHIN = 30.0
MEGABYTE = 1024

Attributes = dict[str, dict[str, str]]


async def never(server: BadServer, writer: asyncio.StreamWriter) -> None:
    """Say nothing, and keep the line."""
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Ended:
    """A command's end: what it printed, and the most memory it ever had."""

    code: int
    document: dict[str, Any]
    complaints: str
    kilobytes: int


def run(place: Path, environ: Environment) -> Ended:
    """`synthetics run cold-start --json`, watched."""
    place.mkdir()
    told = subprocess.run(
        [sys.executable, "-c", _MEASURED, *COMMAND, "run", "cold-start", "--json"],
        cwd=place, env=environ, capture_output=True, text=True, timeout=ENDS_WITHIN, check=False,
    )  # fmt: skip
    kilobytes = int((place / "kilobytes").read_text())
    return Ended(told.returncode, json.loads(told.stdout), told.stderr, kilobytes)


#: Runs its arguments, and writes down the most memory they had.
_MEASURED = """
import pathlib, resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
pathlib.Path("kilobytes").write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""

ANSWERS: dict[str, tuple[Callable[[BadServer, asyncio.StreamWriter], Awaitable[None]], str]] = {
    "page": (answer(200, b"<html><body>Welcome</body></html>", kind="text/html"), "got HTML"),
    "empty": (answer(200, b""), "got an empty body"),
    "half": (half, "no answer"),
    "cut": (answer(200, b'{"sessionId": "a", "prev'), "got a broken or half JSON"),
    "flood": (flood, "got a body of more than 1024 KiB"),
    "never": (never, "timeout"),
}


async def test_whatever_hermes_answers_the_run_fails_in_time_and_names_it(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    async def run_with(name: str) -> Ended:
        act, _ = ANSWERS[name]
        async with bad_server(act) as hermes:
            environ = environment(
                tmp_path,
                platform.environment,
                SYNTHETICS_DATABASE_URL=new_database(),
                HERMES_ENDPOINT=hermes.url,
                ACTIVATE_TIMEOUT_S="1",
                CLIENT_PREFIX=f"{name}-",
            )
            return await asyncio.to_thread(run, tmp_path / name, environ)

    ended = dict(zip(ANSWERS, await asyncio.gather(*map(run_with, ANSWERS)), strict=True))

    for name, (_, said) in ANSWERS.items():
        told = ended[name]
        assert (told.code, told.document["run"]["outcome"]) == (1, "failed"), (name, told)
        assert said in told.document["run"]["reason"], name
        assert "CS-01" in told.document["run"]["reason"]
        assert "Traceback" not in told.complaints
        assert left_behind(platform, f"{name}-") == []
    assert ended["flood"].kilobytes - ended["empty"].kilobytes < 20 * MEGABYTE, "ten were sent, twice"


@pytest.mark.long
def test_a_row_with_a_wrongly_typed_attribute_fails_the_check_names_it_and_is_removed_all_the_same(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    given = {"SYNTHETICS_DATABASE_URL": new_database(), "CLIENT_PREFIX": "row-"}
    with planting(platform, "row-", {"lastActivity": {"S": "yesterday"}, "mood": {"S": "good"}}):
        told = call(tmp_path, environment(tmp_path, platform.environment, given), "run", "cold-start", "--json")

    run = json.loads(told.stdout)
    assert told.returncode == 1, told.stderr
    said = "attribute 'lastActivity': wanted a number (N), got a text (S): 'yesterday'"
    assert any(said in str(check["reason"]) for check in run["checks"] if check["outcome"] == "failed")
    assert said in run["run"]["reason"]
    assert "mood" not in told.stdout
    assert run["run"]["cleanup_errors"] == []
    assert left_behind(platform, "row-") == []


@contextmanager
def planting(platform: RunningSandbox, client: str, attributes: Attributes) -> Iterator[None]:
    """Meanwhile, every session row of the client gets these attributes, again and again."""
    done = Event()

    def plant() -> None:
        while not done.wait(0.02):
            for row in platform.dynamodb.scan(TableName=platform.settings.session_table)["Items"]:
                if row["clientId"]["S"].startswith(client) and not attributes.items() <= row.items():
                    change(platform, row, attributes)

    with ThreadPoolExecutor(1) as pool:
        planted = pool.submit(plant)
        try:
            yield
        finally:
            done.set()
            planted.result()


def change(platform: RunningSandbox, row: dict[str, Any], attributes: Attributes) -> None:
    """Set these attributes of a session's row, unless it is gone by now."""
    places = {f"#{position}": name for position, name in enumerate(attributes)}
    with suppress(platform.dynamodb.exceptions.ConditionalCheckFailedException):
        platform.dynamodb.update_item(
            TableName=platform.settings.session_table,
            Key={name: row[name] for name in ("sessionId", "userId")},
            UpdateExpression="SET " + ", ".join(f"{place} = :{place[1:]}" for place in places),
            ConditionExpression="attribute_exists(sessionId)",
            ExpressionAttributeNames=places,
            ExpressionAttributeValues={f":{place[1:]}": attributes[name] for place, name in places.items()},
        )
