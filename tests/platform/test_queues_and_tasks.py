"""Queues on a real SQS API, responses strictly read, tasks as ECS tells them; only our own are touched."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from probes.platform.commands import Command, CommandType
from probes.platform.guard import sanitised
from probes.platform.responses import read_response, received
from probes.platform.tasks import task_view
from probes.platform.values import TaskView, family_of
from synthetics.errors import GuardRefused, PlatformError, ProbeBroken, Unexpected
from tests.platform.conftest import Run, opened

Client = Callable[[str], Any]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def response(command: str, **more: object) -> str:
    return json.dumps(
        {"sessionId": "s", "commandId": command, "timestamp": 1_700_000_000_000, "success": True, **more}
    )


async def test_a_queue_set_from_start_to_end(run: Run) -> None:
    queues, container = run.web.queues, f"{run.web.client_id}-site-jane"
    made = await queues.create(container, {"clientId": run.web.client_id})
    assert await queues.find(container) == made
    assert await queues.create(container) == made, "making them twice is the same as once"
    assert await queues.containers_with_queues(run.web.client_id) == {container}

    told = await queues.attributes(made.input_url)
    assert (told["VisibilityTimeout"], told["MessageRetentionPeriod"]) == ("300", "345600")
    assert json.loads(told["RedrivePolicy"])["maxReceiveCount"] == 3
    assert (await queues.attributes(made.dlq_url))["VisibilityTimeout"] == "60"
    assert (await queues.tags(made.dlq_url))["Type"] == "DLQ"

    command = Command(session_id="s", thread_id="t", instruction="x", client_id=run.web.client_id)
    await queues.send(made.input_url, command)
    assert (await queues.depth(made.input_url)).visible == 1

    await queues.delete(container)
    await queues.delete(container)
    assert await queues.find(container) is None
    assert not await queues.exists(queues.names(container).input)
    assert await queues.containers_with_queues(run.web.client_id) == set()


async def test_responses_to_others_are_kept_and_what_is_read_is_deleted(run: Run, aws: Client) -> None:
    made = await run.web.queues.create(f"{run.web.client_id}-site-jane")
    sqs = aws("sqs")
    for name in ("one", "two", "one"):
        sqs.send_message(QueueUrl=made.output_url, MessageBody=response(name))
    reader = run.web.queues.responses(made.output_url)
    second = await reader.look("two")
    assert second is not None
    first = [await reader.look("one"), await reader.look("one")]
    assert all(found is not None and found.command_id == "one" for found in first)
    assert reader.others == ()
    assert (await run.web.queues.depth(made.output_url)).total == 0


async def test_a_look_that_was_given_up_loses_nothing(names: dict[str, str], aws: Client) -> None:
    async with opened({**names, "RESPONSE_WAIT_S": "2"}) as run:
        made = await run.web.queues.create(f"{run.web.client_id}-site-jane")
        reader = run.web.queues.responses(made.output_url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.look("late")
        aws("sqs").send_message(QueueUrl=made.output_url, MessageBody=response("late"))
        found = await reader.look("late")
    assert found is not None
    assert found.success


async def test_looks_at_the_same_time_share_a_poll_and_a_message_delivered_twice_counts_once(
    run: Run, aws: Client
) -> None:
    made = await run.web.queues.create(f"{run.web.client_id}-site-jane")
    sqs = aws("sqs")
    sqs.set_queue_attributes(QueueUrl=made.output_url, Attributes={"VisibilityTimeout": "0"})
    reader = run.web.queues.responses(made.output_url)
    sqs.send_message(QueueUrl=made.output_url, MessageBody=response("one"))
    (again,) = received(sqs.receive_message(QueueUrl=made.output_url))
    reader._received(made.output_url, [again, again])
    sqs.delete_message(QueueUrl=made.output_url, ReceiptHandle=again.handle)
    for name in ("two", "three"):
        sqs.send_message(QueueUrl=made.output_url, MessageBody=response(name))

    found = await asyncio.gather(*(reader.look(name) for name in ("one", "two", "three")))

    assert [it.command_id for it in found if it is not None] == ["one", "two", "three"]
    assert reader.others == ()


async def test_a_message_that_is_no_response_costs_nobody_else_theirs(run: Run, aws: Client) -> None:
    made = await run.web.queues.create(f"{run.web.client_id}-site-jane")
    sqs = aws("sqs")
    for body in ("<html>", response("mine"), response("broken", success="yes"), response("other")):
        sqs.send_message(QueueUrl=made.output_url, MessageBody=body)
    reader = run.web.queues.responses(made.output_url)
    mine, other = await reader.look("mine"), await reader.look("other")
    assert mine is not None
    assert other is not None
    with pytest.raises(Unexpected, match="wanted 'success' as true or false, got 'yes'"):
        await reader.look("broken")
    assert len(reader.unreadable) == 2
    assert "wanted a JSON object, got '<html>'" in reader.unreadable[0]
    assert (await run.web.queues.depth(made.output_url)).total == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<html>", "wanted a JSON object, got '<html>'"),
        ("[]", "wanted a JSON object"),
        (response("c", success="yes"), "wanted 'success' as true or false, got 'yes'"),
        (response("c", timestamp=None), "wanted 'timestamp' as epoch milliseconds, got None"),
        (response("c", timestamp="1700000000000"), "wanted 'timestamp' as epoch milliseconds, got '17"),
        (response("c", timestamp=1e30), "wanted 'timestamp' as epoch milliseconds"),
        (response("c", sessionId=5), "wanted 'sessionId' as a text, got 5"),
        (response("c", filesChanged="a"), "wanted 'filesChanged' as a list, got 'a'"),
        (response("c", interrupted=1), "wanted 'interrupted' as true or false, got 1"),
    ],
)
def test_a_message_that_is_no_response_is_named(body: str, said: str) -> None:
    with pytest.raises(Unexpected) as caught:
        read_response("the-queue", body)
    assert said in str(caught.value)
    assert "the-queue" in str(caught.value)


def test_an_interrupted_response_is_told_by_flag_or_by_words() -> None:
    flagged = read_response("q", response("c", success=False, interrupted=True))
    worded = read_response("q", response("c", success=False, error="Command Interrupted by newer request"))
    done = read_response("q", response("c", summary="the interrupted page"))
    assert flagged.told_interrupted
    assert worded.told_interrupted
    assert not done.told_interrupted


def test_a_command_and_its_interrupt() -> None:
    command = Command(
        session_id="s", thread_id="t", instruction="Create a page", client_id="syn-1", user_id="u"
    )
    body = json.loads(command.body(NOW))
    assert body["timestamp"] == int(NOW.timestamp() * 1000)
    assert body["context"]["branch"] == "thread-t"
    interrupt = json.loads(Command.interrupt(command).body(NOW))
    assert interrupt["type"] == CommandType.INTERRUPT
    assert interrupt["instruction"].startswith("INTERRUPT:")
    assert interrupt["priority"] == "high"
    assert interrupt["commandId"] != body["commandId"]
    assert interrupt["context"] == {"branch": "thread-t", "clientId": "", "projectId": "", "userId": ""}


async def test_queues_of_others_are_left_alone(run: Run) -> None:
    queues = run.web.queues
    with pytest.raises(GuardRefused):
        await queues.create("acme-site-jane")
    with pytest.raises(GuardRefused):
        await queues.delete("acme-site-jane")
    with pytest.raises(GuardRefused):
        queues.responses("http://x/webordinary-output-acme-site-jane")
    command = Command(session_id="s", thread_id="t", instruction="x", client_id="acme")
    with pytest.raises(GuardRefused):
        await queues.send("http://x/webordinary-input-acme-site-jane", command)
    for bad in ("a@b.c", "x" * 80, "ü"):
        with pytest.raises(ProbeBroken, match="queue name"):
            queues.names(bad)


# -- tasks -----------------------------------------------------------------------------------------------


def test_a_task_as_ecs_tells_it() -> None:
    told: Any = {
        "taskArn": "arn:aws:ecs:us-west-2:1:task/c/abc",
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "createdAt": NOW,
        "stopCode": "EssentialContainerExited",
        "group": "family:webordinary-edit-task",
        "tags": [{"key": "ClientId", "value": "syn-1"}, {"key": "ContainerId", "value": "syn-1-site-jane"}],
        "overrides": {
            "containerOverrides": [{"name": "x", "environment": [{"name": "SESSION_ID", "value": "s"}]}]
        },
        "containers": [{"exitCode": 0, "imageDigest": "sha256:1"}],
        "attachments": [
            {
                "type": "ElasticNetworkInterface",
                "details": [{"name": "privateIPv4Address", "value": "10.0.0.1"}],
            }
        ],
    }
    view = task_view(told)
    assert (view.client_id, view.container_id, view.session_id) == ("syn-1", "syn-1-site-jane", "s")
    assert (view.exit_code, view.image_digest, view.private_ip) == (0, "sha256:1", "10.0.0.1")
    assert view.leaving
    assert not view.of_service("webordinary-edit-service")
    assert view.started_at is None


def test_almost_nothing_is_told_of_a_task() -> None:
    view = task_view({})
    assert (view.last_status, view.client_id, view.exit_code) == ("UNKNOWN", None, None)


def test_users_in_names() -> None:
    assert sanitised("TEST_user.1@test.com") == "TESTuser1"
    assert sanitised("jané") == "jan"


async def test_a_service_that_is_not_there_is_told(run: Run, aws: Client) -> None:
    aws("ecs").create_cluster(clusterName=run.web.settings.ecs_cluster_arn)
    with pytest.raises(PlatformError, match="webordinary-edit-service"):
        await run.web.tasks.count()
    assert await run.web.tasks.own() == []


async def test_only_edit_tasks_are_counted_in_the_cluster(
    names: dict[str, str], aws: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = "arn:aws:ecs:us-west-2:1:task-definition"
    launched = [{"name": "x", "environment": [{"name": "SESSION_ID", "value": "s"}]}]
    told: list[Any] = [
        {"taskArn": "kept-up", "group": "service:webordinary-edit-service"},
        {"taskArn": "launched", "group": "family:f", "taskDefinitionArn": f"{arn}/webordinary-edit-task:7"},
        {"taskArn": "of-another-family", "overrides": {"containerOverrides": launched}},
        {"taskArn": "tagged", "tags": [{"key": "ContainerId", "value": "c"}]},
        {"taskArn": "hermes", "group": "service:webordinary-hermes-service"},
        {"taskArn": "of-others", "group": "family:billing", "taskDefinitionArn": f"{arn}/billing:1"},
        {"taskArn": "of-another-service", "group": "service:billing"},
    ]
    async with opened({**names, "TASK_COUNT_SOURCE": "cluster"}) as run:
        aws("ecs").create_cluster(clusterName=run.web.settings.ecs_cluster_arn)

        async def listed(desired: str) -> list[TaskView]:
            return [task_view(task) for task in told]

        monkeypatch.setattr(run.web.tasks, "_listed", listed)
        counted = [task.arn for task in await run.web.tasks.edit_tasks()]
        assert counted == ["kept-up", "launched", "of-another-family", "tagged"]
        assert (await run.web.tasks.count()).total == 4


@pytest.mark.parametrize(
    "name", ["edit", "edit:latest", "arn:aws:ecs:us-west-2:1:task-definition/edit:12", "task-definition/edit"]
)
def test_the_family_of_a_task_definition(name: str) -> None:
    assert family_of(name) == "edit"
