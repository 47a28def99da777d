"""Whatever the platform answers: no error but the platform's own, so that no trouble of its is `broken`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.platform import pages, rows
from probes.platform.replies import Reply
from probes.platform.responses import read_response
from synthetics.contract.evidence import clean
from synthetics.errors import PlatformError, ProbeBroken, Unexpected
from synthetics.store.storable import storable
from tests.platform.conftest import NOWHERE, Run, opened
from tests.support.badserver import BadServer, answer, bad_server

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EASY = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
numbers = (
    st.decimals(allow_nan=True).map(str)
    | st.integers().map(str)
    | st.sampled_from(["", "x", "NaN", "Infinity", "1e999999", "-1e-999999", "9" * 400, "0x10", "١٢", "1_000"])
)
stored = (
    st.fixed_dictionaries({"S": st.text(max_size=30)})
    | st.fixed_dictionaries({"N": numbers})
    | st.fixed_dictionaries({"M": st.dictionaries(st.text(max_size=5), anything, max_size=3)})
    | st.fixed_dictionaries({"NULL": st.booleans()})
    | st.fixed_dictionaries({"BOOL": st.booleans()})
    | st.fixed_dictionaries({"L": st.lists(anything, max_size=3)})
    | st.dictionaries(st.sampled_from(["S", "N", "M", "L", "B", "SS"]), anything, max_size=2)
    | st.none()
)
ATTRIBUTES = (
    "sessionId", "userId", "clientId", "status", "chatThreadId", "threadId", "containerId", "projectId",
    "createdAt", "firstSeen", "lastActivity", "lastStarted", "stoppedAt", "ttl", "metadata", "sessionCount",
    "messageCount", "previewUrl", "inputQueueUrl", "dlqUrl", "taskArn", "source",
)  # fmt: skip
items = st.dictionaries(st.sampled_from(ATTRIBUTES) | st.text(max_size=5), stored, max_size=10)
times = st.datetimes().map(str) | st.sampled_from(
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-01T12:00:00Z", "yesterday"]
)
READERS: tuple[Callable[[rows.Stored], object], ...] = (
    lambda item: rows.session("t", ("sessionId", "userId"), item, now=NOW),
    lambda item: rows.container("t", item),
    lambda item: rows.mapping("t", item),
    lambda item: rows.tracking("t", item),
)


@EASY
@given(items)
def test_a_row_is_read_or_unexpected(item: Mapping[str, Any]) -> None:
    for read in READERS:
        with suppress(Unexpected):
            str(read(item))
    rows.marks(item)
    rows.is_stub(item)
    rows.lapsed(item, NOW)


@EASY
@given(items, times, numbers)
def test_instants_and_numbers_are_read_or_unexpected(item: dict[str, Any], time: str, number: str) -> None:
    whole = {"containerId": {"S": "c"}, "threadId": {"S": "t"}, "status": {"S": "running"}, **item}
    whole |= {"createdAt": {"S": time}, "sessionCount": {"N": number}, "lastActivity": {"N": number}}
    for read in READERS:
        with suppress(Unexpected):
            str(read(whole))


MEMBERS = st.sampled_from(
    [
        "sessionId",
        "commandId",
        "success",
        "timestamp",
        "summary",
        "error",
        "interrupted",
        "filesChanged",
        "gitCommit",
    ]
)
bodies = (
    st.dictionaries(MEMBERS, anything, max_size=9).map(json.dumps)
    | anything.map(json.dumps)
    | st.text(max_size=50)
    | st.sampled_from(["[" * 5_000, '{"a":' * 5_000, "9" * 5_000, '"\\ud800"', "NaN", "\0"])
)


@EASY
@given(bodies)
def test_a_message_is_a_response_or_unexpected(body: str) -> None:
    try:
        read_response("queue", body)
    except Unexpected as error:
        json.dumps(storable(clean(error.evidence)))


replies = st.builds(
    Reply,
    request=st.just("GET http://platform/"),
    status=st.integers(0, 999),
    took=st.just(timedelta(seconds=1)),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "content-encoding", "location", "x-more"]), st.text(max_size=30)
    ),
    text=bodies | st.text(alphabet="<>/ htmldivp1titleError50&#;x", max_size=80),
    cut=st.booleans(),
    failure=st.none() | st.text(max_size=20),
    of=st.sampled_from(["", "Hermes"]),
)


@EASY
@given(replies)
def test_an_answer_is_a_value_or_the_platforms_fault(reply: Reply) -> None:
    reads: tuple[Callable[[], object], ...] = (
        reply.json,
        reply.json_list,
        lambda: reply.text_field("sessionId"),
        lambda: reply.expect("it", 200),
    )
    for read in reads:
        try:
            read()
        except PlatformError as error:
            json.dumps(storable(clean(error.evidence)))
    reply.told()
    pages.not_the_site(reply)
    pages.is_the_site(reply)
    pages.says_html(reply)


def wire_answers() -> st.SearchStrategy[bytes]:
    """Answers of AWS that begin as they should and go on as they like."""
    task = st.dictionaries(
        st.sampled_from(
            ["taskArn", "createdAt", "containers", "tags", "attachments", "overrides", "lastStatus"]
        ),
        anything,
        max_size=5,
    )
    members = {
        "Items": st.lists(items | anything, max_size=2) | anything,
        "taskArns": st.lists(st.text(max_size=5), min_size=1, max_size=2) | anything,
        "tasks": st.lists(task | anything, max_size=2) | anything,
        "services": st.lists(anything, max_size=2) | anything,
        "QueueUrl": st.just("http://q/1/name") | anything,
        "QueueUrls": st.lists(st.text(max_size=5), max_size=2) | anything,
        "Attributes": st.dictionaries(
            st.sampled_from(["CreatedTimestamp", "ApproximateNumberOfMessages", "QueueArn"]), numbers | anything
        )
        | anything,
        "Messages": st.lists(st.dictionaries(st.sampled_from(["MessageId", "Body"]), anything), max_size=2)
        | anything,
        "Table": anything,
        "events": st.lists(anything, max_size=2) | anything,
    }
    return (st.fixed_dictionaries({}, optional=members) | anything).map(lambda told: json.dumps(told).encode())


def asked(run: Run) -> list[Callable[[], Awaitable[object]]]:
    web, container = run.web, f"{run.web.client_id}-site-jane"
    return [
        lambda: web.tables.session("s-1"),
        lambda: web.tables.sessions_of_client(web.client_id),
        lambda: web.tables.container(container),
        lambda: web.tables.mapping("t-1"),
        lambda: web.tables.tracking(container),
        lambda: web.tables.delete_tracking(container),
        lambda: web.tables.threads_of_container(container),
        lambda: web.tasks.own(stopped=True),
        lambda: web.tasks.edit_service(),
        lambda: web.queues.find(container),
        lambda: web.queues.made("webordinary-input-x"),
        lambda: web.queues.depth("http://q/1/name"),
        lambda: web.queues.of_containers(),
        lambda: web.queues.taken(f"http://q/1/webordinary-output-{container}", timedelta(seconds=1)),
    ]


@pytest.mark.parametrize(
    ("status", "examples"),
    [(200, 8), (400, 2), (500, 2), pytest.param(200, 400, marks=pytest.mark.long)],
)
def test_whatever_aws_answers_is_a_value_or_the_platforms_fault(status: int, examples: int) -> None:
    environ = {"ALB_ENDPOINT": NOWHERE, "SESSION_KEY": "simple", "SESSION_CLIENT_INDEX": "by-client"}

    async def ask_all(server: BadServer, run: Run, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            server.act = answer(status, body, kind="application/x-amz-json-1.0")
            for ask in asked(run):
                try:
                    await ask()
                except PlatformError as error:
                    json.dumps(storable(clean(error.evidence)))
                except ProbeBroken as error:
                    raise AssertionError(f"{body!r} is told as our own fault") from error

    with asyncio.Runner() as runner:
        loop, opening = runner.get_loop(), AsyncExitStack()
        server = loop.run_until_complete(opening.enter_async_context(bad_server()))
        run = loop.run_until_complete(
            opening.enter_async_context(opened({**environ, "AWS_ENDPOINT_URL": server.url}))
        )

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(wire_answers(), min_size=1, max_size=2))
        def look(bodies: list[bytes]) -> None:
            loop.run_until_complete(ask_all(server, run, bodies))

        try:
            look()
        finally:
            loop.run_until_complete(opening.aclose())
