"""What a worker may do: all that the probes ask of AWS, and the same of nothing that is somebody else's."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.rights import Request, allowed, recorded
from tests.deploy.stacks import ACCOUNT, REGION, WORKSPACES, deploying

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS.:UserWarning")

EDIT_ROLES = ",".join(f"arn:aws:iam::{ACCOUNT}:role/edit-{which}" for which in ("task", "execution"))
#: AWS knows no resources for these; all they do is look.
UNBOUNDED = {"sqs:ListQueues", "cloudwatch:GetMetricStatistics"}
#: Looking at queues is for all of the platform's: orphans are found among them.
LOOKING = {"sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ListQueueTags"}
TAGS = ("aws:ResourceTag/ClientId", "aws:RequestTag/ClientId")
OWN_MARK = ("syn-", "syn")


@pytest.fixture(scope="module")
def rights() -> dict[str, list[dict[str, Any]]]:
    """A worker's statements, by the kind of platform that it watches."""
    found = {}
    for platform in ("shared", "isolated"):
        with deploying(Environment=platform, EditTaskRoles=EDIT_ROLES, **WORKSPACES) as deployed:
            found[platform] = deployed.statements("WorkerRole")
    return found


@pytest.mark.parametrize("platform", ["shared", "isolated"])
def test_everything_that_the_probes_ask_is_allowed(platform: str, rights: dict[str, list[Any]]) -> None:
    asked = recorded(platform)

    refused = [request for request in asked if not allowed(rights[platform], request.example)]

    assert refused == []
    assert len({request.action for request in asked}) > 15, "a list that says little"


@pytest.mark.parametrize("platform", ["shared", "isolated"])
def test_the_same_of_anything_else_is_not(platform: str, rights: dict[str, list[Any]]) -> None:
    tried = [other for request in recorded(platform) for other in elsewhere(request.example, platform)]

    let_through = [other for other in tried if allowed(rights[platform], other)]

    assert let_through == []
    assert {request.action for request in recorded(platform)} - UNBOUNDED == {other.action for other in tried}


def test_on_a_shared_platform_nothing_is_scaled_started_or_written(rights: dict[str, list[Any]]) -> None:
    harmless = {request.action for request in recorded("shared")}
    harmful = [request.example for request in recorded("isolated") if request.action not in harmless]

    assert {"ecs:UpdateService", "ecs:RunTask", "dynamodb:PutItem", "dynamodb:UpdateItem"} <= {
        request.action for request in harmful
    }
    assert [request for request in harmful if allowed(rights["shared"], request)] == []


@pytest.mark.parametrize("platform", ["shared", "isolated"])
def test_nothing_is_allowed_that_no_probe_needs(platform: str, rights: dict[str, list[Any]]) -> None:
    asked = {request.action for request in recorded(platform)}
    # The log is read where a container did not come up; roles and mounts are for ECS, not for the clients.
    unseen = {
        "logs:GetLogEvents",
        "iam:PassRole",
        "elasticfilesystem:ClientMount",
        "elasticfilesystem:ClientWrite",
    }

    granted = {action for one in rights[platform] for action in several(one["Action"])}

    assert granted - unseen <= asked
    assert not [action for action in granted if "*" in action]


def test_roles_are_passed_to_tasks_alone(rights: dict[str, list[Any]]) -> None:
    role = EDIT_ROLES.split(",")[0]
    passed = Request("iam:PassRole", role, (("iam:PassedToService", "ecs-tasks.amazonaws.com"),))

    assert allowed(rights["isolated"], passed)
    assert not allowed(rights["shared"], passed)
    for other in (
        Request(passed.action, f"arn:aws:iam::{ACCOUNT}:role/admin", passed.context),
        Request(passed.action, role, (("iam:PassedToService", "lambda.amazonaws.com"),)),
    ):
        assert not allowed(rights["isolated"], other)


def test_a_task_that_bears_no_tag_is_stopped_only_if_that_was_said() -> None:
    cluster = ("ecs:cluster", f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/webordinary-edit-cluster")
    stop = Request(
        "ecs:StopTask", f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/webordinary-edit-cluster/0f", (cluster,)
    )
    with deploying(TasksAreTagged="no") as deployed:
        assert allowed(deployed.statements("WorkerRole"), stop)
    with deploying() as deployed:
        assert not allowed(deployed.statements("WorkerRole"), stop)


def several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def elsewhere(request: Request, platform: str) -> Iterator[Request]:
    """The same call on what is not the monitor's, or not this platform's."""
    action, resource, context = request.action, request.resource, dict(request.context)
    service = action.partition(":")[0]
    if service == "dynamodb":
        for table in ("customers", "webordinary-edit-sessions-backup"):
            yield Request(action, f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}")
    if service == "sqs" and action not in UNBOUNDED:
        queues = ["acme-orders"]
        if action not in LOOKING:
            queues += [f"webordinary-{kind}-acme-site-jane" for kind in ("input", "output", "dlq")]
            queues += [f"webordinary-input-acme-{mark}1a2b3c4d" for mark in OWN_MARK]
        for queue in queues:
            yield Request(action, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
        if action not in LOOKING | {"sqs:SendMessage"}:
            yield Request(action, f"arn:aws:sqs:{REGION}:{ACCOUNT}:webordinary-email-queue")
    if "ecs:cluster" in context:
        moved = {key: value.replace("webordinary-edit-cluster", "payments") for key, value in context.items()}
        place = resource.replace("webordinary-edit-cluster", "payments")
        yield Request(action, place, tuple(moved.items()))
    if service == "ecs" and ":service/" in resource:
        yield Request(action, f"{resource.rpartition('/')[0]}/billing", request.context)
    if action == "ecs:UpdateService":
        yield Request(action, f"{resource.rpartition('/')[0]}/webordinary-hermes-service", request.context)
    if ":task-definition/" in resource:
        yield Request(action, f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/payroll:1", request.context)
    for tag in TAGS:
        # On an isolated platform there is nobody whose tasks could be stopped.
        if tag in context and not (platform == "isolated" and action == "ecs:StopTask"):
            yield Request(action, resource, tuple((context | {tag: "acme"}).items()))
            yield Request(action, resource, tuple((key, it) for key, it in context.items() if key != tag))
    if action == "ecs:TagResource":
        yield Request(action, resource, (("ecs:CreateAction", "CreateService"),))
        yield Request(action, resource)
