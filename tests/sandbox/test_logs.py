"""The containers' logs, read as CloudWatch would show them."""

import time

import pytest
from botocore.exceptions import ClientError

from tests.support.sandbox import RunningSandbox

GROUP = "/ecs/webordinary/edit"


def test_a_container_s_log_is_a_stream_named_by_its_task(sandbox: RunningSandbox) -> None:
    arn = sandbox.run_task({"CLIENT_ID": "log-reader", "USER_ID": "one", "CONTAINER_ID": "log-reader-one"})
    sandbox.wait_for_status(arn, "RUNNING")
    sandbox.wait_for("container.serving", task=arn)
    sandbox.ecs.stop_task(cluster=sandbox.settings.cluster_name, task=arn)
    sandbox.wait_for_status(arn, "STOPPED")
    stream = f"edit/claude-code-astro/{arn.rpartition('/')[2]}"

    events = sandbox.client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream, limit=1)["events"]

    assert [event["message"].endswith("told to stop") for event in events] == [True]
    told = sandbox.client("logs").filter_log_events(logGroupName=GROUP, filterPattern='"told to stop"')[
        "events"
    ]
    (found,) = [event for event in told if event["logStreamName"] == stream]
    assert (found["message"], found["timestamp"]) == (events[0]["message"], events[0]["timestamp"])
    assert abs(time.time() - found["timestamp"] / 1000) < 60
    later = sandbox.client("logs").filter_log_events(logGroupName=GROUP, startTime=found["timestamp"] + 1)
    assert stream not in {event["logStreamName"] for event in later["events"]}


@pytest.mark.parametrize(("group", "stream"), [("/ecs/hermes", "edit/x/y"), (GROUP, "edit/x/../../truth")])
def test_what_there_is_no_log_of_is_said_as_aws_does(sandbox: RunningSandbox, group: str, stream: str) -> None:
    with pytest.raises(ClientError) as told:
        sandbox.client("logs").get_log_events(logGroupName=group, logStreamName=stream)

    assert told.value.response["Error"]["Code"] == "ResourceNotFoundException"
