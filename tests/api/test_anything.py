"""The whole API of a running service, asked whatever its document allows and much that it does not."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from synthetics.access import Access
from synthetics.clock import SystemClock
from synthetics.model.token import Scope
from synthetics.store.engine import Database
from tests.support.alerting import Court, outage
from tests.support.database import NewDatabase
from tests.support.runs import a_probe, a_run, a_timing, cover_now, publish, record, tick
from tests.support.service import environment, serving

#: A stream that never ends has tests of its own (test_events.py).
ENDLESS = "/api/v1/events"
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
#: What acting may change.
ACTED_ON = ("transitions", "maintenance", "runs", "incidents", "series")


@dataclass(frozen=True)
class Asked:
    """A running API, a token for each scope, and its database."""

    url: str
    tokens: dict[str, str]
    database_url: str

    def contents(self) -> dict[str, list[Any]]:
        """Every row that acting may change."""
        with psycopg.connect(self.database_url) as connection:
            return {
                table: connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1").fetchall()
                for table in ACTED_ON
            }


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Asked]:
    place, url = tmp_path_factory.mktemp("anything"), new_database()
    tokens = asyncio.run(_something_to_show(url))
    environ = environment(place, SYNTHETICS_DATABASE_URL=url, ALB_ENDPOINT="http://127.0.0.1:1")
    with serving(place, environ, role="api") as service:
        service.until_ready()
        yield Asked(service.url, tokens, url)


async def _something_to_show(url: str) -> dict[str, str]:
    database = Database(url)
    try:
        await cover_now(database)
        await publish(database, a_probe())
        await record(database, a_run(tick(2), timings=[a_timing(4.2)]))
        await Court(database).keep(*outage(tick(1)))
        access = Access(database, SystemClock())
        return {scope.value: (await access.create(scope.value, (scope,), lasts=None))[1] for scope in Scope}
    finally:
        await database.close()


def operations(asked: Asked) -> Iterator[Any]:
    schema = schemathesis.openapi.from_url(f"{asked.url}/api/v1/openapi.json")
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path != ENDLESS:
            yield operation


def ask(asked: Asked, token: str | None, examples: int, *, acting: bool | None = None) -> set[int]:
    """Ask every operation (or those that act, or those that read) so often; the statuses that came."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    statuses: set[int] = set()
    count = 0
    for operation in operations(asked):
        if acting is not None and acting is (operation.method == "get"):
            continue
        count += 1
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @seed(4711)
            @settings(
                max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=operation.as_strategy(generation_mode=mode))
            def answered(case: Any) -> None:
                response = case.call(headers=headers, timeout=20)
                case.validate_response(response, checks=CHECKS)
                statuses.add(response.status_code)

            with suppress(Unsatisfiable):  # nothing about it can be wrong
                answered()
    assert count >= 5
    return statuses


def test_whatever_is_read_the_answer_is_as_documented(asked: Asked) -> None:
    statuses = ask(asked, None, 6, acting=False)
    assert {200, 404, 422} <= statuses
    assert max(statuses) < 500


@pytest.mark.parametrize("scope", [None, "read"])
def test_nothing_acts_without_its_scope(asked: Asked, scope: str | None) -> None:
    before = asked.contents()
    statuses = ask(asked, asked.tokens[scope] if scope else None, 6, acting=True)
    assert statuses <= {400, 401, 403, 413, 422}
    assert statuses & {401, 403}
    assert asked.contents() == before


def test_whatever_is_asked_of_what_acts_it_is_done_or_refused_as_documented(asked: Asked) -> None:
    assert max(ask(asked, asked.tokens["act"], 4, acting=True)) < 500


@pytest.mark.long
def test_the_same_for_long(asked: Asked) -> None:
    for token in (None, *asked.tokens.values()):
        assert max(ask(asked, token, 150)) < 500
