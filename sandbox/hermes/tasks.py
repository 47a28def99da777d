"""Edit tasks on ECS, as Hermes starts, watches and stops them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.faults import Faults
from sandbox.hermes.cloud import Cloud, CloudError
from sandbox.hermes.queues import Owner, QueueSet
from sandbox.settings import CONTAINER_NAME, REGION, SandboxSettings

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskTypeDef

STOPPED_BY_HERMES = "Container stopped by Hermes"
IDLE_TIMEOUT = "Idle timeout"
EXITED = "Essential container in task exited"
AUTO_SHUTDOWN_MINUTES = "20"
Ending = Literal["idle", "error", "manual"]
_BY_THE_PLATFORM = (STOPPED_BY_HERMES, IDLE_TIMEOUT)


class StartFailed(Exception):
    """A container did not come up; the text says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A container, and on whose behalf it is started."""

    container: str
    owner: Owner
    session: str
    thread: str


@dataclass(frozen=True, slots=True)
class EcsTask:
    """As much of a task as Hermes looks at."""

    arn: str
    last_status: str
    ip: str
    stopped_reason: str
    exit_code: int | None = None

    @property
    def crashed(self) -> bool:
        """Whether it ended without having gone to sleep and without having been told to by the platform."""
        if self.last_status != "STOPPED" or self.stopped_reason in _BY_THE_PLATFORM:
            return False
        return self.stopped_reason != EXITED or self.exit_code != 0

    @property
    def ended(self) -> Ending:
        """How a stopped task came to its end: asleep, by an error of its own, or by somebody's hand."""
        if self.stopped_reason == IDLE_TIMEOUT:
            return "idle"
        if self.stopped_reason != EXITED:
            return "manual"
        return "idle" if self.exit_code == 0 else "error"


class EcsTasks:
    """RunTask, DescribeTasks and StopTask for edit containers."""

    def __init__(self, cloud: Cloud, settings: SandboxSettings, faults: Faults) -> None:
        self._cloud = cloud
        self._ecs = cloud.ecs
        self._settings = settings
        self._faults = faults

    async def run(self, identity: Identity, queues: QueueSet) -> EcsTask:
        """Start one task; raises StartFailed with the reason if ECS will not."""
        environment = self._environment(identity, queues)
        tags = {
            "ContainerId": identity.container,
            "ClientId": identity.owner.client,
            "ProjectId": identity.owner.project,
            "UserId": identity.owner.user,
            "ManagedBy": "Hermes",
        }
        if missing := self._faults.strikes("task-tag-missing", client=identity.owner.client):
            tags.pop(str(missing["tag"]), None)
        try:
            answer = await self._cloud.call(
                self._ecs.run_task,
                cluster=self._settings.cluster_name,
                taskDefinition=self._settings.edit_family,
                count=1,
                launchType="FARGATE",
                networkConfiguration={
                    "awsvpcConfiguration": {"subnets": ["subnet-sandbox"], "assignPublicIp": "ENABLED"}
                },
                overrides={
                    "containerOverrides": [
                        {
                            "name": CONTAINER_NAME,
                            "environment": [{"name": k, "value": v} for k, v in environment.items()],
                        }
                    ]
                },
                tags=[{"key": key, "value": value} for key, value in tags.items()],
            )
        except CloudError as error:
            raise StartFailed(str(error)) from error
        if not answer["tasks"]:
            reasons = [failure.get("reason", "unknown") for failure in answer.get("failures", [])]
            raise StartFailed(", ".join(reasons) or "no task was started")
        return _task(answer["tasks"][0])

    async def describe(self, arn: str) -> EcsTask | None:
        """The task as ECS tells it; None if ECS does not know it."""
        if not arn.startswith("arn:"):
            return None  # `unknown` is a legal value in a container's row
        try:
            answer = await self._cloud.call(
                self._ecs.describe_tasks, cluster=self._settings.cluster_name, tasks=[arn]
            )
        except CloudError as error:
            if error.code in ("InvalidParameterException", "ClusterNotFoundException"):
                return None
            raise
        return _task(answer["tasks"][0]) if answer["tasks"] else None

    async def stop(self, arn: str, reason: str) -> bool:
        """Ask ECS to stop the task; False if there is nothing to stop."""
        task = await self.describe(arn)
        if task is None or task.last_status == "STOPPED":
            return False
        await self._cloud.call(
            self._ecs.stop_task, cluster=self._settings.cluster_name, task=arn, reason=reason
        )
        return True

    async def stop_all_but(self, arn: str, reason: str, *, older: float) -> None:
        """Stop every other edit task older than so many platform seconds: what a broken platform does."""
        cluster = self._settings.cluster_name
        told = await self._cloud.call(self._ecs.list_tasks, cluster=cluster, family=self._settings.edit_family)
        others = [other for other in told["taskArns"] if other != arn]
        if not others:
            return
        described = await self._cloud.call(self._ecs.describe_tasks, cluster=cluster, tasks=others)
        born_before = time.time() - self._settings.seconds(older)
        for task in described["tasks"]:
            if task["createdAt"].timestamp() < born_before:
                await self.stop(task["taskArn"], reason)

    def _environment(self, identity: Identity, queues: QueueSet) -> Mapping[str, str]:
        owner = identity.owner
        return {
            "INPUT_QUEUE_URL": queues.input,
            "OUTPUT_QUEUE_URL": queues.output,
            "DLQ_URL": queues.dlq,
            "CLIENT_ID": owner.client,
            "PROJECT_ID": owner.project,
            "USER_ID": owner.user,
            "CONTAINER_ID": identity.container,
            "SESSION_ID": identity.session,
            "THREAD_ID": identity.thread,
            "WORKSPACE_PATH": f"/workspace/{owner.client}/{owner.project}",
            "AUTO_SHUTDOWN_MINUTES": AUTO_SHUTDOWN_MINUTES,
            "AWS_REGION": REGION,
        }


def _task(told: "TaskTypeDef") -> EcsTask:
    return EcsTask(
        arn=told.get("taskArn", ""),
        last_status=told.get("lastStatus", ""),
        ip=_address(told),
        stopped_reason=told.get("stoppedReason", ""),
        exit_code=next((part["exitCode"] for part in told.get("containers", []) if "exitCode" in part), None),
    )


def _address(told: "TaskTypeDef") -> str:
    """The task's address: attached, or reserved while there is no network yet; empty if neither is told."""
    details = [detail for part in told.get("attachments", []) for detail in part.get("details", [])]
    attached = [part.get("value", "") for part in details if part.get("name") == "privateIPv4Address"]
    interfaces = [each for part in told.get("containers", []) for each in part.get("networkInterfaces", [])]
    reserved = [each.get("privateIpv4Address", "") for each in interfaces]
    return next(iter([*attached, *reserved]), "")
