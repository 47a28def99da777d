"""CloudWatch: what the platform publishes of itself, and how it must be asked (contract §9.1)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.metrics import Story
from sandbox.truth import Event
from tests.sandbox.visitor import Visitor, measured, pairs
from tests.support.sandbox import RunningSandbox, until


def test_a_chat_leaves_every_metric_behind(sandbox: RunningSandbox) -> None:
    with Visitor(sandbox) as visitor:
        long = visitor.active(instruction="refactor all components")
        sandbox.wait_for("command.received", session=long["sessionId"])
        short = visitor.active()
        sandbox.wait_for("command.finished", session=short["sessionId"])
        for chat in (long, short):
            visitor.deactivate(chat["sessionId"])
        sandbox.wait_for("container.cleaned", container=long["containerId"])
        client, container = visitor.client, long["containerId"]
        first, second = long["sessionId"], short["sessionId"]
        shutdown = {"ContainerId": container, "Reason": "manual"}
        until(lambda: measured(sandbox, "ContainerShutdowns", **shutdown), 10, "the next minute's metrics")

        counts: list[tuple[float, str, dict[str, str]]] = [
            (2, "SessionsCreated", {"ClientId": client, "ProjectId": "site", "Source": "http"}),
            (1, "SessionsClosed", {"SessionId": first, "Reason": "completed"}),
            (1, "SessionInterrupts", {"FromSession": first, "ToSession": second, "ContainerId": container}),
            (1, "CommandFailure", {"SessionId": first, "CommandType": "edit"}),
            (1, "CommandSuccess", {"SessionId": second, "CommandType": "edit"}),
            (1 + 2 + 1 + 0, "ContainerSessionCount", {"ContainerId": container}),
            (1, "ContainerShutdowns", shutdown),
            (2, "BusinessMetrics", {"MetricType": "SessionCreated", "ClientId": client}),
        ]
        for count, name, dimensions in counts:
            assert measured(sandbox, name, **dimensions) == [(count, "Count")], name
        for name, dimensions in (
            ("SessionDuration", {"SessionId": second}),
            ("CommandDuration", {"SessionId": first, "CommandType": "edit"}),
            ("ContainerStartupTime", {"ContainerId": container}),
            ("ContainerUptime", {"ContainerId": container}),
            ("QueueOperationDuration", {"Operation": "SendMessage", "QueueType": "input"}),
            (
                "DynamoDBOperationDuration",
                {"Operation": "PutItem", "TableName": sandbox.settings.session_table},
            ),
        ):
            ((total, unit),) = measured(sandbox, name, **dimensions)
            assert total > 0, name
            assert unit == "Milliseconds", name
        for name, dimensions in (
            ("HealthCheck", {}),
            ("QueueOperations", {"Operation": "SendMessage", "QueueType": "input", "Result": "success"}),
            (
                "DynamoDBOperations",
                {"TableName": sandbox.settings.session_table, "Operation": "PutItem", "Result": "success"},
            ),
        ):
            ((total, unit),) = measured(sandbox, name, **dimensions)
            assert total >= 1, name
            assert unit == "Count", name
        service = {"ClusterName": sandbox.settings.cluster_name, "ServiceName": sandbox.settings.hermes_service}
        insights = "ECS/ContainerInsights"
        until(lambda: measured(sandbox, "RunningTaskCount", insights, **service), 10, "the service's tasks")


def test_a_metric_is_found_by_its_exact_dimensions_alone(sandbox: RunningSandbox) -> None:
    cloudwatch, now = sandbox.client("cloudwatch"), datetime.now(UTC)
    full = {"One": "1", "Two": "2"}
    for namespace, value in (("Test/Exact", 7.0), ("Test/Other", 90.0)):
        cloudwatch.put_metric_data(
            Namespace=namespace,
            MetricData=[{"MetricName": "M", "Value": value, "Unit": "Count", "Dimensions": pairs(full)}],
        )
    asked: list[dict[str, str]] = [full, {"One": "1"}, {}, {**full, "Three": "3"}, {"One": "1", "Two": "x"}]

    assert [measured(sandbox, "M", "Test/Exact", **each) for each in asked] == [
        [(7.0, "Count")],
        [],
        [],
        [],
        [],
    ]

    queries: list[Any] = [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {"Namespace": "Test/Exact", "MetricName": "M", "Dimensions": pairs(dimensions)},
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for number, dimensions in enumerate(asked)
    ]
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=now - timedelta(minutes=2), EndTime=now + timedelta(minutes=1)
    )
    values = {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}
    assert values == {"q0": [7.0], "q1": [], "q2": [], "q3": [], "q4": []}


def test_the_depth_of_a_queue_is_a_metric(sandbox: RunningSandbox) -> None:
    queue = sandbox.sqs.create_queue(QueueName="depth-as-a-metric")["QueueUrl"]
    for _ in range(3):
        sandbox.sqs.send_message(QueueUrl=queue, MessageBody="x")
    sandbox.sqs.receive_message(QueueUrl=queue)
    of = {"QueueName": "depth-as-a-metric"}
    depths = [
        measured(sandbox, f"ApproximateNumberOfMessages{kind}", "AWS/SQS", **of)
        for kind in ("Visible", "NotVisible")
    ]
    assert depths == [[(2.0, "Count")], [(1.0, "Count")]]
    sandbox.sqs.delete_queue(QueueUrl=queue)


@pytest.mark.parametrize(
    ("event", "fields", "reason"),
    [
        ("session.expired", {"reason": "deactivated"}, "completed"),
        ("session.expired", {"ended": "idle"}, "timeout"),
        ("session.expired", {"ended": "error"}, "error"),
        ("session.expired", {"ended": "manual"}, "error"),
        ("session.failed", {"reason": "no capacity"}, "error"),
    ],
)
def test_why_a_session_was_closed(event: str, fields: dict[str, str], reason: str) -> None:
    story = Story()
    list(
        story.of(
            Event(100.0, "row.written", {"session": "s", "client": "c", "project": "p", "source": "email"})
        )
    )

    closed, duration = story.of(Event(102.5, event, {"session": "s", **fields}))

    assert closed["Dimensions"] == pairs({"SessionId": "s", "Reason": reason})
    assert (duration["MetricName"], duration["Value"]) == ("SessionDuration", 2500.0)


def test_containers_that_sleep_and_that_fail_are_told_apart() -> None:
    story = Story()
    for ended in ("idle", "error", "manual"):
        list(story.of(Event(1.0, "container.running", {"container": "c"})))
        shutdown, uptime = story.of(Event(3.0, "container.cleaned", {"container": "c", "ended": ended}))
        assert shutdown["Dimensions"] == pairs({"ContainerId": "c", "Reason": ended})
        assert uptime["Value"] == 2000.0
