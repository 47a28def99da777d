"""ECS' tasks and services in AWS' own words: what RunTask, DescribeTasks and their like answer."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.ecs.models import ecs_backends

from sandbox.aws import AwsError
from sandbox.faults import Faults
from sandbox.settings import ACCOUNT, CONTAINER_NAME, REGION, SandboxSettings
from sandbox.tasks import Task, Tasks

Request = dict[str, Any]
Answer = dict[str, Any]

TARGET = "AmazonEC2ContainerServiceV20141113"
PAGE = 100
MAX_COUNT = 10
SOON = 20.0  # platform seconds within which one count follows another too soon
CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"


@dataclass(slots=True)
class Service:
    """One ECS service: keeps `desired` tasks, never more than `most`."""

    name: str
    family: str
    desired: int
    most: int
    real: bool
    tasks: list[Task] = field(default_factory=list)
    asked_at: float = float("-inf")  # when a count was last asked for, on the monotonic clock

    @property
    def group(self) -> str:
        return f"service:{self.name}"

    @property
    def running(self) -> int:
        return sum(task.running and task.desired_status == "RUNNING" for task in self.tasks)

    @property
    def pending(self) -> int:
        return sum(not task.running and task.desired_status == "RUNNING" for task in self.tasks)


class Ecs:
    """Answers the ECS actions that have to do with tasks and services."""

    def __init__(self, settings: SandboxSettings, tasks: Tasks, faults: Faults) -> None:
        self._settings = settings
        self._tasks = tasks
        self._faults = faults
        self._services = {
            service.name: service
            for service in (
                Service(settings.edit_service, settings.edit_family, 0, 3, real=True),
                Service(
                    settings.hermes_service, settings.hermes_family, settings.hermes_desired, 2, real=False
                ),
            )
        }
        self._actions: dict[str, Callable[[Request], Answer]] = {
            "RunTask": self.run_task,
            "StopTask": self.stop_task,
            "ListTasks": self.list_tasks,
            "DescribeTasks": self.describe_tasks,
            "ListServices": self.list_services,
            "DescribeServices": self.describe_services,
            "UpdateService": self.update_service,
            "TagResource": self.tag_resource,
            "ExecuteCommand": self.execute_command,
            "DescribeTaskDefinition": self.describe_task_definition,
        }
        tasks.on_stopped.append(self._replace)

    def owns(self, action: str) -> bool:
        return action in self._actions

    async def answer(self, action: str, request: Request) -> Answer:
        """The answer to one of these actions; raises AwsError."""
        await asyncio.sleep(0)
        return self._actions[action](request)

    def start_services(self) -> None:
        """The services come up; what does not need a process has always been there."""
        for service in self._services.values():
            while not service.real and len(service.tasks) < service.desired:
                definition = self._definition(service.family)
                service.tasks.append(self._tasks.adopt_running(definition, group=service.group))
            self._reconcile(service)

    def running_count(self, service: str) -> int:
        """How many tasks of a service run now."""
        return self._services[service].running

    def run_task(self, request: Request) -> Answer:
        self._need_cluster(request)
        count = request.get("count", 1)
        if not 1 <= count <= MAX_COUNT:
            raise AwsError("InvalidParameterException", f"count must be between 1 and {MAX_COUNT}.")
        definition = self._definition(str(request.get("taskDefinition", "")))
        overrides = request.get("overrides") or {}
        environment = _environment(overrides)
        client = environment.get("CLIENT_ID", "")
        if self._faults.strikes("capacity-refused", client=client) is not None:
            return {"tasks": [], "failures": [{"reason": CAPACITY}]}
        family = definition.rpartition("/")[2].partition(":")[0]
        made = [
            self._tasks.run(
                definition,
                group=request.get("group") or f"family:{family}",
                environment=environment,
                overrides=overrides,
                tags={tag["key"]: tag.get("value", "") for tag in request.get("tags", [])},
                started_by=request.get("startedBy", ""),
            )
            for _ in range(count)
        ]
        return {"tasks": [self._described(task, tags=True) for task in made], "failures": []}

    def stop_task(self, request: Request) -> Answer:
        self._need_cluster(request)
        task = self._tasks.get(str(request.get("task", "")))
        if task is None:
            raise AwsError("InvalidParameterException", "The referenced task was not found.")
        self._tasks.stop(task, request.get("reason") or "Task stopped by user")
        return {"task": self._described(task, tags=False)}

    def list_tasks(self, request: Request) -> Answer:
        self._need_cluster(request)
        desired = request.get("desiredStatus", "RUNNING")
        service, family = request.get("serviceName"), request.get("family")
        if service is not None:
            service = self._service(service).name
        found = [
            task
            for task in self._tasks
            if task.desired_status == desired
            and (service is None or task.group == f"service:{service}")
            and (family is None or _family(task) == family)
            and (not request.get("startedBy") or task.started_by == request["startedBy"])
        ]
        arns = [task.arn for task in found]
        return _page("taskArns", arns, request)

    def describe_tasks(self, request: Request) -> Answer:
        self._need_cluster(request)
        asked = request.get("tasks") or []
        if not 1 <= len(asked) <= PAGE:
            raise AwsError("InvalidParameterException", f"Tasks must be between 1 and {PAGE}.")
        tags = "TAGS" in (request.get("include") or [])
        known = [(name, self._tasks.get(name)) for name in asked]
        return {
            "tasks": [self._described(task, tags=tags) for _, task in known if task is not None],
            "failures": [{"arn": name, "reason": "MISSING"} for name, task in known if task is None],
        }

    def list_services(self, request: Request) -> Answer:
        self._need_cluster(request)
        return _page("serviceArns", [_service_arn(self._settings, name) for name in self._services], request)

    def describe_services(self, request: Request) -> Answer:
        self._need_cluster(request)
        asked = [str(name) for name in request.get("services") or []]
        if not 1 <= len(asked) <= 10:
            raise AwsError("InvalidParameterException", "Services must be between 1 and 10.")
        self._overshoot()
        known = [(name, self._services.get(name.rpartition("/")[2])) for name in asked]
        return {
            "services": [self._described_service(service) for _, service in known if service is not None],
            "failures": [{"arn": name, "reason": "MISSING"} for name, service in known if service is None],
        }

    def update_service(self, request: Request) -> Answer:
        self._need_cluster(request)
        service = self._service(str(request.get("service", "")))
        desired = request.get("desiredCount")
        if desired is not None:
            if not isinstance(desired, int) or desired < 0:
                raise AwsError("InvalidParameterException", "desiredCount must be 0 or greater.")
            if not self._unheard(service):
                over = self._faults.strikes("autoscaler-over-max") is not None
                service.desired = desired if over else min(desired, service.most)
                self._reconcile(service)
        return {"service": self._described_service(service)}

    def tag_resource(self, request: Request) -> Answer:
        task = self._tasks.get(str(request.get("resourceArn", "")))
        if task is None:
            raise AwsError("InvalidParameterException", "The specified resource was not found.")
        task.tags.update({tag["key"]: tag.get("value", "") for tag in request.get("tags", [])})
        return {}

    def execute_command(self, request: Request) -> Answer:
        """No task here has an agent that could open a session; ECS says so in these words (contract §5.1)."""
        self._need_cluster(request)
        task = self._tasks.get(str(request.get("task", "")))
        if task is None:
            raise AwsError("InvalidParameterException", "The specified task was not found.")
        raise AwsError(
            "InvalidParameterException",
            "The execute command failed because execute command was not enabled when the task was run or the "
            "execute command agent isn't running. Wait and try again or run a new task with execute command "
            "enabled and try again.",
        )

    def describe_task_definition(self, request: Request) -> Answer:
        arn = self._definition(str(request.get("taskDefinition", "")))
        found = ecs_backends[ACCOUNT][REGION].describe_task_definition(arn)
        told = {
            "taskDefinitionArn": arn,
            "family": found.family,
            "revision": found.revision,
            "status": "ACTIVE",
            "containerDefinitions": found.container_definitions,
            "networkMode": found.network_mode,
            "compatibilities": found.compatibilities,
            "requiresCompatibilities": ["FARGATE"],
            "cpu": found.cpu,
            "memory": found.memory,
            "volumes": found.volumes,
        }
        return {"taskDefinition": told, "tags": []}

    def _unheard(self, service: Service) -> bool:
        """Whether a count comes too soon after another to be heard, because that fault strikes."""
        now, before = time.monotonic(), service.asked_at
        service.asked_at = now
        soon = now - before < self._settings.seconds(SOON)
        return service.real and soon and self._faults.strikes("scaling-race-lost") is not None

    def _overshoot(self) -> None:
        """Let the edit service follow the number of containers past its capacity, while that fault strikes."""
        service = self._services[self._settings.edit_service]
        alive = sum(task.desired_status == "RUNNING" and bool(task.client) for task in self._tasks)
        if alive > service.most and self._faults.strikes("capacity-not-held") is not None:
            service.desired = min(alive, service.most + 2)
            self._reconcile(service)
        elif service.desired > service.most and not self._faults.is_on("autoscaler-over-max"):
            service.desired = 0
            self._reconcile(service)

    def _reconcile(self, service: Service) -> None:
        """Start or stop tasks until the service has what it wants."""
        service.tasks = [task for task in service.tasks if task.desired_status == "RUNNING"]
        reason = f"Scaling activity initiated by (deployment ecs-svc/{abs(hash(service.name)) % 10**16:016d})"
        while len(service.tasks) > service.desired:
            self._tasks.stop(service.tasks.pop(), reason, code="ServiceSchedulerInitiated")
        while len(service.tasks) < service.desired:
            definition = self._definition(service.family)
            service.tasks.append(
                self._tasks.run(
                    definition,
                    group=service.group,
                    environment={},
                    overrides={},
                    tags={},
                    started_by=f"ecs-svc/{service.name}",
                    real=service.real,
                )
            )

    def _replace(self, stopped: Task) -> None:
        """ECS starts a service's task again; a RunTask task stays down."""
        for service in self._services.values():
            if stopped.group == service.group:
                self._reconcile(service)

    def _need_cluster(self, request: Request) -> None:
        name = str(request.get("cluster", "default")).rpartition("/")[2]
        if name != self._settings.cluster_name:
            raise AwsError("ClusterNotFoundException", "Cluster not found.")

    def _service(self, name: str) -> Service:
        service = self._services.get(name.rpartition("/")[2])
        if service is None:
            raise AwsError("ServiceNotFoundException", "Service not found.")
        return service

    def _definition(self, name: str) -> str:
        """The ARN of a task definition: of a family alone, of family:revision, or of an ARN."""
        short = name.rpartition("/")[2]
        family, _, revision = short.partition(":")
        revisions = ecs_backends[ACCOUNT][REGION].task_definitions.get(family, {})
        if not revisions or (revision and revision not in {str(number) for number in revisions}):
            raise AwsError("ClientException", "Unable to describe task definition.")
        chosen = int(revision) if revision else max(revisions)
        return f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{family}:{chosen}"

    def _described(self, task: Task, *, tags: bool) -> Answer:
        described: Answer = {
            "taskArn": task.arn,
            "clusterArn": self._settings.cluster_arn,
            "taskDefinitionArn": task.definition,
            "group": task.group,
            "startedBy": task.started_by,
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "availabilityZone": f"{REGION}a",
            "cpu": "256",
            "memory": "512",
            "connectivity": "CONNECTED" if task.connectivity_at else "DISCONNECTED",
            "lastStatus": task.last_status,
            "desiredStatus": task.desired_status,
            "healthStatus": task.health,
            "version": task.version,
            "overrides": task.overrides,
            "attachments": [_attachment(task)],
            "containers": [_container(task)],
            "enableExecuteCommand": False,
            "tags": [{"key": key, "value": value} for key, value in task.tags.items()] if tags else [],
        }
        known = {
            "createdAt": task.created_at,
            "connectivityAt": task.connectivity_at,
            "pullStartedAt": task.pull_started_at,
            "pullStoppedAt": task.pull_stopped_at,
            "startedAt": task.started_at,
            "stoppingAt": task.stopping_at,
            "executionStoppedAt": task.execution_stopped_at,
            "stoppedAt": task.stopped_at,
            "stopCode": task.stop_code,
            "stoppedReason": task.stopped_reason,
        }
        return described | {name: value for name, value in known.items() if value is not None}

    def _state(self, service: Service) -> str:
        fault = "edit-service-inactive" if service.real else "hermes-service-inactive"
        return "ACTIVE" if self._faults.strikes(fault) is None else "DRAINING"

    def _described_service(self, service: Service) -> Answer:
        definition = self._definition(service.family)
        return {
            "serviceArn": _service_arn(self._settings, service.name),
            "serviceName": service.name,
            "clusterArn": self._settings.cluster_arn,
            "status": self._state(service),
            "desiredCount": service.desired,
            "runningCount": service.running,
            "pendingCount": service.pending,
            "launchType": "FARGATE",
            "taskDefinition": definition,
            "enableExecuteCommand": True,
            "deployments": [
                {
                    "id": f"ecs-svc/{service.name}",
                    "status": "PRIMARY",
                    "taskDefinition": definition,
                    "desiredCount": service.desired,
                    "runningCount": service.running,
                    "pendingCount": service.pending,
                    "rolloutState": "COMPLETED" if service.running == service.desired else "IN_PROGRESS",
                }
            ],
            "events": [],
        }


def _environment(overrides: Request) -> dict[str, str]:
    pairs = [
        pair
        for container in overrides.get("containerOverrides", [])
        for pair in container.get("environment", [])
    ]
    return {pair["name"]: pair["value"] for pair in pairs}


def _family(task: Task) -> str:
    return task.definition.rpartition("/")[2].partition(":")[0]


def _service_arn(settings: SandboxSettings, name: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{settings.cluster_name}/{name}"


def _attachment(task: Task) -> Answer:
    """The network interface; its address is reserved, and told, from the beginning (contract §2.3)."""
    details = [
        {"name": "networkInterfaceId", "value": f"eni-{task.id[:17]}"},
        {"name": "privateIPv4Address", "value": task.address},
    ]
    status = "DELETED" if task.stopped else "ATTACHED" if task.connectivity_at else "PRECREATED"
    return {"id": task.id, "type": "ElasticNetworkInterface", "status": status, "details": details}


def _container(task: Task) -> Answer:
    container: Answer = {
        "containerArn": task.arn.replace(":task/", ":container/"),
        "taskArn": task.arn,
        "name": CONTAINER_NAME,
        "image": f"{CONTAINER_NAME}:test",
        "imageDigest": f"sha256:{task.definition.rpartition(':')[2]:0>64}",
        "lastStatus": task.last_status,
        "healthStatus": task.health,
        "networkInterfaces": [{"attachmentId": task.id, "privateIpv4Address": task.address}],
    }
    if task.exit_code is not None:
        container["exitCode"] = task.exit_code
    return container


def _page(name: str, items: list[str], request: Request) -> Answer:
    """One page of a list; the token is the place where the next one starts."""
    size = request.get("maxResults") or PAGE
    token = request.get("nextToken") or "0"
    if not token.isdigit() or not 1 <= size <= PAGE:
        raise AwsError("InvalidParameterException", "Invalid token or page size.")
    start = int(token)
    answer: Answer = {name: items[start : start + size]}
    if start + size < len(items):
        answer["nextToken"] = str(start + size)
    return answer
