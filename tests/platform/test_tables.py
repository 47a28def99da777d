"""Rows: both generations, both keys, strict types, and only our own are changed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from probes.platform import rows
from probes.platform.aws import AwsError
from synthetics.errors import GuardRefused, Unexpected
from tests.platform.conftest import Run, deployment, opened

Client = Callable[[str], Any]


@pytest.mark.parametrize("composite", [True, False], ids=["composite", "simple"])
@pytest.mark.parametrize("client_index", [True, False], ids=["indexed", "unindexed"])
async def test_sessions_of_either_key(aws: Client, moto: str, composite: bool, client_index: bool) -> None:
    dynamodb = aws("dynamodb")
    environ = deployment(dynamodb, moto, composite=composite, client_index=client_index)
    async with opened(environ) as run:
        tables, client = run.web.tables, run.web.client_id
        session = f"{client}-site-1"
        await tables.put_session(
            session, status="active", user="TEST_jane", threadId="thread-1", containerId=f"{client}-site-jane"
        )
        row = await tables.session(session)
        assert row is not None
        assert set(row.key) == ({"sessionId", "userId"} if composite else {"sessionId"})
        assert (row.status, row.user_id, row.thread_id) == ("active", "TEST_jane", "thread-1")
        assert [found.session_id for found in await tables.sessions_of_client(client)] == [session]

        await tables.update_session(row, status="expired", lastActivity=1_700_000_000_000)
        changed = await tables.session(session)
        assert changed is not None
        assert changed.terminal
        assert changed.last_activity == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)

        assert await tables.delete_session_rows(session) == 1
        assert await tables.session(session) is None
        with pytest.raises(AwsError, match="ConditionalCheckFailed"):
            await tables.update_session(row, status="active")


async def test_a_stub_is_no_session_but_is_removed(run: Run, aws: Client) -> None:
    table, session = run.web.settings.session_table, f"{run.web.client_id}-site-2"
    item = {"sessionId": {"S": session}, "userId": {"S": "*"}, "ttl": {"N": "1700000000"}}
    aws("dynamodb").put_item(TableName=table, Item=item)
    assert await run.web.tables.session(session) is None
    assert await run.web.tables.marks_of_session(session)
    assert await run.web.tables.delete_session_rows(session) == 1
    assert not await run.web.tables.marks_of_session(session)


async def test_what_hermes_wrote_for_us_is_ours(run: Run, aws: Client) -> None:
    item = {
        "sessionId": {"S": "9f3c01ab-uuid"},
        "userId": {"S": "TEST_jane"},
        "clientId": {"S": run.web.client_id},
        "threadId": {"S": "thread-9f3c01ab"},
        "status": {"S": "initializing"},
        "createdAt": {"S": "2026-03-01T12:00:00.250Z"},
        "surprise": {"L": []},
    }
    aws("dynamodb").put_item(TableName=run.web.settings.session_table, Item=item)
    with pytest.raises(GuardRefused):
        await run.web.tables.delete_session_rows("9f3c01ab-uuid")
    row = await run.web.tables.session("9f3c01ab-uuid")
    assert row is not None
    assert row.created_at == datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    of_jane = await run.web.tables.sessions_of_user("TEST_jane")
    assert of_jane is not None
    assert [found.session_id for found in of_jane] == ["9f3c01ab-uuid"]
    assert await run.web.tables.delete_session_rows("9f3c01ab-uuid") == 1


async def test_rows_of_others_are_left_alone(run: Run, aws: Client) -> None:
    tables, settings = run.web.tables, run.web.settings
    dynamodb = aws("dynamodb")
    theirs = {
        "sessionId": {"S": "s-acme"},
        "userId": {"S": "jane"},
        "clientId": {"S": "acme"},
        "status": {"S": "active"},
    }
    dynamodb.put_item(TableName=settings.session_table, Item=theirs)
    mapping = {
        "threadId": {"S": "Swpf78Mo"},
        "sessionId": {"S": "s-acme"},
        "containerId": {"S": "acme-site-jane"},
    }
    dynamodb.put_item(TableName=settings.thread_mapping_table, Item=mapping)
    row = await tables.session("s-acme")
    assert row is not None
    refused = [
        lambda: tables.delete_session_rows("s-acme"),
        lambda: tables.update_session(row, status="expired"),
        lambda: tables.put_session("s-acme", status="active", user="TEST_x"),
        lambda: tables.delete_container("acme-site-jane"),
        lambda: tables.put_container("acme-site-jane", status="stopped"),
        lambda: tables.update_container("acme-site-jane", status="stopped"),
        lambda: tables.delete_tracking("acme-site-jane"),
        lambda: tables.put_tracking("acme-site-jane", {}),
        lambda: tables.delete_mapping("Swpf78Mo"),
        lambda: tables.put_mapping("t", session_id="s-acme", container_id=f"{run.web.client_id}-site-x"),
        lambda: tables.put_mapping(
            "Swpf78Mo", session_id=f"{run.web.client_id}-1", container_id=f"{run.web.client_id}-site-x"
        ),
    ]
    for change in refused:
        with pytest.raises(GuardRefused):
            await change()
    kept = await tables.mapping("Swpf78Mo")
    assert kept is not None
    assert kept.session_id == "s-acme"


async def test_rows_are_not_written_where_others_live(names: dict[str, str]) -> None:
    async with opened({**names, "ENVIRONMENT": "shared"}) as run:
        own = f"{run.web.client_id}-site-jane"
        with pytest.raises(GuardRefused, match="ENVIRONMENT is shared"):
            await run.web.tables.put_container(own, status="running")
        with pytest.raises(GuardRefused, match="ENVIRONMENT is shared"):
            await run.web.tasks.scale_edit(0)
        await run.web.tables.delete_container(own)  # removing our own is always right


async def test_mappings_and_tracking(run: Run) -> None:
    tables, client = run.web.tables, run.web.client_id
    container = f"{client}-site-jane"
    await tables.put_mapping("Zz9", session_id=f"{client}-1", container_id=container)
    (mapped,) = await tables.mappings_of_container(container) or []
    assert (mapped.thread_id, mapped.session_id) == ("Zz9", f"{client}-1")
    await tables.put_mapping("Zz9", session_id=f"{client}-2", container_id=container)
    assert await tables.delete_mapping("Zz9")
    assert not await tables.delete_mapping("Zz9")

    await tables.put_tracking(container, {"dlqUrl": "http://q/webordinary-dlq-x"})
    tracked = await tables.tracking(container)
    assert tracked is not None
    assert tracked.dlq_url == "http://q/webordinary-dlq-x"
    assert await tables.delete_tracking(container) == 1
    assert await tables.tracking(container) is None


# -- reading alone ---------------------------------------------------------------------------------------

GOOD = {"sessionId": {"S": "s-1"}, "userId": {"S": "u"}, "status": {"S": "active"}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": None}, "attribute 'status': wanted a text (S), got no such attribute"),
        ({"status": {"N": "5"}}, "attribute 'status': wanted a text (S), got a number (N): '5'"),
        (
            {"lastActivity": {"S": "soon"}},
            "attribute 'lastActivity': wanted a number (N), got a text (S): 'soon'",
        ),
        ({"createdAt": {"S": "soon"}}, "attribute 'createdAt': wanted an ISO 8601 time (S) or a number (N)"),
        (
            {"createdAt": {"BOOL": True}},
            "attribute 'createdAt': wanted a number (N), got a truth value (BOOL): True",
        ),
        ({"ttl": {"N": "9" * 30}}, "attribute 'ttl': wanted epoch seconds (N), got 999"),
        ({"metadata": {"S": "{}"}}, "attribute 'metadata': wanted a map (M), got a text (S)"),
        ({"previewUrl": {"M": {}}}, "attribute 'previewUrl': wanted a text (S), got a map (M)"),
    ],
)
def test_a_wrong_attribute_is_named(change: dict[str, Any], said: str) -> None:
    item = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(Unexpected) as caught:
        rows.session("the-table", ("sessionId",), item)
    assert said in str(caught.value)
    assert "table the-table, row s-1" in str(caught.value)
    assert caught.value.evidence["table"] == "the-table"


def test_both_spellings_are_read() -> None:
    item = {**GOOD, "chatThreadId": {"S": "t"}, "taskArn": {"S": "arn"}, "createdAt": {"N": "1700000000000"}}
    row = rows.session("t", ("sessionId",), item)
    assert (row.thread_id, row.task_arn) == ("t", "arn")
    assert row.created_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert row.need("thread_id") == "t"
    with pytest.raises(Unexpected, match="wanted attribute 'preview_url' as a text, got None"):
        row.need("preview_url")
    null = rows.session("t", ("sessionId",), {**GOOD, "previewUrl": {"NULL": True}})
    assert null.preview_url is None


def test_a_container_may_have_a_negative_count_and_the_unknown_task() -> None:
    item = {
        "containerId": {"S": "c"},
        "status": {"S": "idle"},
        "sessionCount": {"N": "-1"},
        "taskArn": {"S": "unknown"},
        "dlqUrl": {"S": "q"},
    }
    row = rows.container("t", item)
    assert (row.session_count, row.task_arn, row.dlq_url) == (-1, "unknown", "q")


@pytest.mark.parametrize(
    ("told", "read"),
    [("terminating", "stopping"), ("terminated", "stopped"), ("running", "running"), ("dreaming", "dreaming")],
)
def test_older_and_unknown_states_of_a_container(told: str, read: str) -> None:
    assert rows.container("t", {"containerId": {"S": "c"}, "status": {"S": told}}).status == read


@pytest.mark.parametrize("status", ["expired", "inactive", "error", "terminated"])
def test_states_from_which_nothing_more_comes(status: str) -> None:
    assert rows.session("t", ("sessionId",), {**GOOD, "status": {"S": status}}).terminal


def test_an_unknown_state_is_logged_once_and_harms_nothing() -> None:
    state = f"dreaming-{uuid4().hex}"
    with capture_logs() as logged:
        read = [rows.session("t", ("sessionId",), {**GOOD, "status": {"S": state}}) for _ in range(2)]
    assert [(row.status, row.terminal) for row in read] == [(state, False)] * 2
    assert [(line["event"], line["state"]) for line in logged] == [("state.unknown", state)]


async def test_a_row_past_its_time_counts_as_expired_though_it_can_be_read(run: Run, aws: Client) -> None:
    tables, settings, client = run.web.tables, run.web.settings, run.web.client_id
    past = {"ttl": {"N": "1700000000"}}
    keys = {"sessionId": {"S": f"{client}-1"}, "userId": {"S": "u"}, "status": {"S": "active"}}
    rest = {"containerId": {"S": f"{client}-site-jane"}, "threadId": {"S": f"{client}-t"}}
    dynamodb = aws("dynamodb")
    dynamodb.put_item(TableName=settings.session_table, Item={**keys, **past})
    dynamodb.put_item(TableName=settings.container_table, Item={**rest, "status": {"S": "running"}, **past})
    dynamodb.put_item(TableName=settings.thread_mapping_table, Item={**rest, **past})

    row = await tables.session(f"{client}-1")
    assert row is not None
    assert row.terminal
    assert await tables.container(f"{client}-site-jane") is None
    assert await tables.mapping(f"{client}-t") is None
    assert await tables.has_container(f"{client}-site-jane"), "those who remove it find it"
    assert await tables.mapping_marks(f"{client}-t") is not None


def test_states_that_nobody_knows_do_not_fill_the_memory() -> None:
    for number in range(1000):
        told = f"odd-{number}"
        assert rows.container("t", {"containerId": {"S": "c"}, "status": {"S": told}}).status == told

    assert rows._known.cache_info().currsize <= 256
