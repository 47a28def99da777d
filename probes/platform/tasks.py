"""ECS tasks and services, as this run may see and stop them (contract §5)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from probes.platform.aws import Aws, AwsClients, AwsError, a_text
from probes.platform.dialects import TaskCountSource
from probes.platform.guard import Guard, sanitised
from probes.platform.settings import PlatformSettings
from probes.platform.values import ServiceView, TaskCount, TaskView, family_of
from synthetics.errors import GuardRefused, PlatformError, ProbeBroken

if TYPE_CHECKING:
    from mypy_boto3_ecs.literals import DesiredStatusType
    from mypy_boto3_ecs.type_defs import (
        AwsVpcConfigurationTypeDef,
        ContainerOverrideTypeDef,
        FailureTypeDef,
        KeyValuePairTypeDef,
        ServiceTypeDef,
        TaskTypeDef,
    )

T = TypeVar("T")

#: What the ledger calls an edit service that was given a size.
SCALE = "scale"
_PAGE = 100
_MOST_PAGES = 20
_HOUR = timedelta(hours=1)
_LEAST_BILLED = timedelta(minutes=1)


class Tasks:
    """The edit tasks. RunTask tasks are not in the service's counts; tags and overrides tell whose they are."""

    def __init__(self, *, aws: Aws, settings: PlatformSettings, guard: Guard) -> None:
        self._aws = aws
        self._settings = settings
        self._guard = guard
        self._families: frozenset[str] | None = None
        self._met: dict[str, TaskView] = {}

    # -- counting ----------------------------------------------------------------------------------------

    async def count(self) -> TaskCount:
        """How many edit tasks there are, in the views that TASK_COUNT_SOURCE names; zero is zero in all."""
        source = self._settings.task_count_source
        service = cluster = None
        if source is not TaskCountSource.CLUSTER:
            service = (await self.edit_service()).running
        if source is not TaskCountSource.SERVICE:
            cluster = len(await self.edit_tasks())
        return TaskCount(max(service or 0, cluster or 0), service, cluster)

    async def edit_tasks(self) -> list[TaskView]:
        """Every edit task of the cluster that is meant to run, whoever launched it.

        Told by its service, by its task definition's family, or by the tags and overrides that Hermes gives it;
        the cluster's other tasks are other people's.
        """
        families = await self._edit_families()
        return [task for task in await self._listed("RUNNING") if self._is_edit(task, families)]

    async def unseen(self) -> list[TaskView]:
        """This run's own running tasks that TASK_COUNT_SOURCE cannot see: those that RunTask launched."""
        if self._settings.task_count_source is not TaskCountSource.SERVICE:
            return []
        service = self._settings.edit_service
        return [task for task in await self.own() if task.running and not task.of_service(service)]

    async def edit_service(self) -> ServiceView:
        """The edit service's own counts. Raises PlatformError if ECS does not know it."""
        return await self._service(self._settings.edit_service)

    async def hermes_service(self) -> ServiceView:
        """Hermes' own counts. Raises PlatformError if ECS does not know it."""
        return await self._service(self._settings.hermes_service)

    # -- own tasks ---------------------------------------------------------------------------------------

    async def own(
        self,
        *,
        client_id: str | None = None,
        container_id: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        stopped: bool = False,
    ) -> list[TaskView]:
        """The tasks of a client, container, session or user (this run's client if none is named), newest first.

        With `stopped`, also those that ended within the last hour or so.
        """
        if client_id is container_id is session_id is user_id is None:
            client_id = self._guard.client_id
        found = await self._listed("RUNNING")
        if stopped:
            known = {task.arn for task in found}
            found += [task for task in await self._listed("STOPPED") if task.arn not in known]
        matching = [
            task
            for task in found
            if (client_id is not None and self._of_client(task, client_id))
            or (container_id is not None and task.container_id == container_id)
            or (session_id is not None and task.session_id == session_id)
            or (user_id is not None and task.user_id in (user_id, sanitised(user_id)))
        ]
        return sorted(matching, key=lambda task: str(task.created_at or ""), reverse=True)

    async def every_own(self) -> list[TaskView]:
        """Every task meant to run that bears this run's mark, also one that was started for somebody else."""
        return [task for task in await self._listed("RUNNING") if self._is_own(task)]

    async def describe(self, arn: str) -> TaskView | None:
        """A task by its ARN; None if ECS does not know it (any more)."""
        described = await self._described([arn])
        return described[0] if described else None

    async def stop(self, task: TaskView | str, reason: str = "Integration test cleanup") -> None:
        """Stop an own task. What is stopped or unknown already is as good."""
        view = await self.describe(task) if isinstance(task, str) else task
        if view is None or view.stopped:
            return
        if not self._is_own(view):
            raise GuardRefused(f"refused to stop {view}: the run {self._guard.client_id} did not start it")
        try:
            await self._aws.call(
                "ecs:StopTask",
                view.arn,
                lambda c: c.ecs.stop_task(cluster=self._settings.ecs_cluster_arn, task=view.arn, reason=reason),
            )
        except AwsError as error:
            if error.code != "InvalidParameterException" or await self.describe(view.arn) is not None:
                raise

    async def run(
        self, container_id: str, *, environment: Mapping[str, str], tags: Mapping[str, str]
    ) -> TaskView:
        """Start an edit task for an own container, as the platform's own manager does (contract §5.2, §5.3).

        On an isolated platform only. Raises PlatformError with ECS's reason where it starts none.
        """
        self._guard.alone("start an edit task")
        self._guard.own("container", container_id)
        settings = self._settings
        variables: list[KeyValuePairTypeDef] = [{"name": n, "value": v} for n, v in environment.items()]
        override: ContainerOverrideTypeDef = {
            "name": settings.edit_container_name,
            "environment": variables,
        }
        network: AwsVpcConfigurationTypeDef = {
            "subnets": [*settings.subnets],
            "securityGroups": [*settings.security_groups],
            "assignPublicIp": "ENABLED",
        }
        entry = await self._guard.belongings.intend("task", container_id, client=self._guard.client_id)
        answer = await self._aws.call(
            "ecs:RunTask",
            settings.task_definition_arn,
            lambda c: c.ecs.run_task(
                cluster=settings.ecs_cluster_arn,
                taskDefinition=settings.task_definition_arn,
                launchType="FARGATE",
                networkConfiguration={"awsvpcConfiguration": network},
                overrides={"containerOverrides": [override]},
                tags=[{"key": key, "value": value} for key, value in tags.items()],
            ),
        )
        if not answer["tasks"]:
            reasons = ", ".join(failure.get("reason", "") for failure in answer.get("failures", []))
            raise PlatformError(
                f"ecs:RunTask of {settings.task_definition_arn}: {reasons or 'no task started'}"
            )
        task = task_view(answer["tasks"][0])
        await self._guard.belongings.created(entry, "task", task.arn, client=self._guard.client_id)
        return task

    async def scale_edit(self, desired: int) -> None:
        """Set the edit service's desired count, on an isolated platform only.

        What is not zero is written down: should we be killed, the sweep scales the service down again.
        """
        self._guard.alone(f"scale the edit service to {desired}")
        if not 0 <= desired <= self._settings.max_tasks:
            raise ProbeBroken(f"edit tasks: wanted 0 to {self._settings.max_tasks}, got {desired}")
        service, belongings = self._settings.edit_service, self._guard.belongings
        if desired and (SCALE, service) not in belongings.entered():
            await belongings.intend(SCALE, service)
        await self._aws.call(
            "ecs:UpdateService",
            service,
            lambda c: c.ecs.update_service(
                cluster=self._settings.ecs_cluster_arn, service=service, desiredCount=desired
            ),
        )
        if not desired:
            await belongings.gone(SCALE, service)

    def used(self, now: datetime) -> dict[str, float]:
        """What this run's own tasks have used until `now`, by the names of the price list.

        As far as they were met: Fargate counts from the beginning of the pull to the end, a minute at least.
        """
        used = {"fargate.vcpu_hours": 0.0, "fargate.gb_hours": 0.0}
        for task in self._met.values():
            if task.pull_started_at is None:
                continue
            hours = max(_LEAST_BILLED, (task.stopped_at or now) - task.pull_started_at) / _HOUR
            used["fargate.vcpu_hours"] += hours * task.vcpus
            used["fargate.gb_hours"] += hours * task.memory_gb
        return {what: quantity for what, quantity in used.items() if quantity}

    # -- inside ------------------------------------------------------------------------------------------

    def _is_own(self, task: TaskView) -> bool:
        return self._guard.owns("task", task.arn) or (
            self._guard.owns("client", task.client_id)
            or self._guard.owns("container", task.container_id)
            or self._guard.owns("session", task.session_id)
            or self._guard.owns("user", task.user_id, task.environment.get("USER_ID"))
        )

    def _is_edit(self, task: TaskView, families: Collection[str]) -> bool:
        if task.of_service(self._settings.hermes_service):
            return False
        by_launch = task.container_id or task.session_id or (task.client_id and task.user_id)
        return task.of_service(self._settings.edit_service) or task.family in families or bool(by_launch)

    async def _edit_families(self) -> frozenset[str]:
        """The families of edit tasks: the one that is set, and the one that the service runs (§5.1)."""
        if self._families is None:
            names = {self._settings.task_definition_arn}
            try:
                names.add((await self.edit_service()).task_definition or "")
            except AwsError:
                raise
            except PlatformError:  # a deployment that launches every task by itself may do without the service
                pass
            self._families = frozenset(family_of(name) for name in names if name)
        return self._families

    @staticmethod
    def _of_client(task: TaskView, client_id: str) -> bool:
        container = task.container_id or ""
        return task.client_id == client_id or container.startswith(f"{client_id}-")

    async def _listed(self, desired: "DesiredStatusType") -> list[TaskView]:
        cluster, token = self._settings.ecs_cluster_arn, None
        arns: list[str] = []
        for _ in range(_MOST_PAGES):
            more: dict[str, Any] = {"nextToken": token} if token else {}

            def ask(clients: AwsClients, more: dict[str, Any] = more) -> tuple[list[str], str | None]:
                page = clients.ecs.list_tasks(cluster=cluster, desiredStatus=desired, maxResults=_PAGE, **more)
                return [a_text(arn) for arn in page["taskArns"]], page.get("nextToken")

            page, token = await self._aws.call("ecs:ListTasks", cluster, ask)
            arns += page
            if token is None:
                break
        return await self._described(arns)

    async def _described(self, arns: Sequence[str]) -> list[TaskView]:
        cluster = self._settings.ecs_cluster_arn
        found: list[TaskView] = []
        for start in range(0, len(arns), _PAGE):
            some = list(arns[start : start + _PAGE])

            def ask(clients: AwsClients, some: list[str] = some) -> list[TaskView]:
                told = clients.ecs.describe_tasks(cluster=cluster, tasks=some, include=["TAGS"])["tasks"]
                return [task_view(task) for task in told]

            found += await self._aws.call("ecs:DescribeTasks", cluster, ask)
        self._met |= {task.arn: task for task in found if self._is_own(task)}
        return found

    async def _service(self, name: str) -> ServiceView:
        cluster = self._settings.ecs_cluster_arn

        def ask(clients: AwsClients) -> tuple[list["ServiceTypeDef"], list["FailureTypeDef"]]:
            answer = clients.ecs.describe_services(cluster=cluster, services=[name])
            return answer["services"], answer.get("failures", [])

        services, failures = await self._aws.call("ecs:DescribeServices", f"{cluster}/{name}", ask)
        for told in services:
            return ServiceView(
                name,
                told.get("status", ""),
                told.get("desiredCount", 0),
                told.get("runningCount", 0),
                told.get("pendingCount", 0),
                told.get("taskDefinition"),
            )
        reasons = [failure.get("reason", "") for failure in failures]
        raise PlatformError(f"service {name} in cluster {cluster}: {', '.join(reasons) or 'not there'}")


def task_view(told: "TaskTypeDef") -> TaskView:
    """A task as a value, from DescribeTasks."""
    containers = told.get("containers", [])
    return TaskView(
        arn=a_text(told.get("taskArn", "")),
        last_status=a_text(told.get("lastStatus", "UNKNOWN")),
        desired_status=a_text(told.get("desiredStatus", "UNKNOWN")),
        health=told.get("healthStatus"),
        created_at=told.get("createdAt"),
        connectivity_at=told.get("connectivityAt"),
        pull_started_at=told.get("pullStartedAt"),
        pull_stopped_at=told.get("pullStoppedAt"),
        started_at=told.get("startedAt"),
        stopping_at=told.get("stoppingAt"),
        execution_stopped_at=told.get("executionStoppedAt"),
        stopped_at=told.get("stoppedAt"),
        stop_code=told.get("stopCode"),
        stopped_reason=told.get("stoppedReason"),
        exit_code=_first(container.get("exitCode") for container in containers),
        tags={tag.get("key", ""): tag.get("value", "") for tag in told.get("tags", [])},
        group=told.get("group"),
        environment=_environment(told),
        image_digest=_first(container.get("imageDigest") for container in containers),
        task_definition=told.get("taskDefinitionArn"),
        private_ip=_private_ip(told),
        vcpus=_share(told.get("cpu"), of=1024),
        memory_gb=_share(told.get("memory"), of=1024),
    )


def _environment(told: "TaskTypeDef") -> dict[str, str]:
    overrides = told.get("overrides", {}).get("containerOverrides", [])
    return {
        pair.get("name", ""): pair.get("value", "")
        for override in overrides
        for pair in override.get("environment", [])
    }


def _private_ip(told: "TaskTypeDef") -> str | None:
    return _first(
        detail.get("value")
        for attachment in told.get("attachments", [])
        if attachment.get("type") == "ElasticNetworkInterface"
        for detail in attachment.get("details", [])
        if detail.get("name") == "privateIPv4Address"
    )


def _share(told: str | None, *, of: int) -> float:
    """What ECS tells in 1,024ths of a vCPU or in MB; 0 where it tells nothing."""
    return int(told) / of if told and told.isdecimal() else 0.0


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
