"""Tasks and services as boto3 sees them (contract §5)."""

import os
import signal

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.tasks_support import Container, new_client
from tests.support.sandbox import RunningSandbox, alive, until

INSTANTS = ["createdAt", "connectivityAt", "pullStartedAt", "pullStoppedAt", "startedAt"]
ENDING = ["stoppingAt", "executionStoppedAt", "stoppedAt"]


def test_a_task_tells_its_timeline_and_the_truth_log_agrees(sandbox: RunningSandbox) -> None:
    container = Container(sandbox).launch()
    sandbox.wait_for_status(container.arn, "RUNNING")
    container.ready()

    task = sandbox.task(container.arn)

    instants = [task[name].timestamp() for name in INSTANTS]
    assert instants == sorted(instants)
    told = {event.event: event.at for event in sandbox.truth() if event.fields.get("task") == container.arn}
    for name, event in zip(
        INSTANTS,
        ["task.created", "task.connected", "task.pull_started", "task.pull_stopped", "task.started"],
        strict=True,
    ):
        assert task[name].timestamp() == pytest.approx(told[event], abs=0.002), name
    assert told["task.started"] < told["container.serving"] < told["preview.serving"]
    assert task["healthStatus"] == "HEALTHY"
    assert task["group"] == f"family:{sandbox.settings.edit_family}"
    assert task["containers"][0]["imageDigest"].startswith("sha256:")


def test_the_scaled_timeline_is_the_contracts(sandbox: RunningSandbox) -> None:
    container = Container(sandbox).launch().ready()
    task = sandbox.task(container.arn)
    created = task["createdAt"].timestamp()
    speed = sandbox.settings.speed
    for name, seconds in (("connectivityAt", 1), ("pullStoppedAt", 6), ("startedAt", 8)):
        took = (task[name].timestamp() - created) / speed
        assert seconds * 0.6 < took < seconds * 1.6 + 2, name


def test_statuses_come_in_order(sandbox: RunningSandbox) -> None:
    container = Container(sandbox).launch()
    seen: list[str] = []

    def look() -> bool:
        status = sandbox.task(container.arn)["lastStatus"]
        if status not in seen:
            seen.append(status)
        if status == "RUNNING":
            sandbox.ecs.stop_task(cluster=sandbox.settings.cluster_name, task=container.arn, reason="enough")
        return status == "STOPPED"

    until(look, 20, "STOPPED")

    order = [
        "PROVISIONING",
        "PENDING",
        "ACTIVATING",
        "RUNNING",
        "DEACTIVATING",
        "STOPPING",
        "DEPROVISIONING",
        "STOPPED",
    ]
    assert seen == [status for status in order if status in seen]
    assert {"RUNNING", "STOPPED"} <= set(seen)
    assert len(seen) >= 4


def test_stopping_a_task_ends_its_process_and_keeps_it_describable(sandbox: RunningSandbox) -> None:
    container = Container(sandbox).launch().ready()
    pid = container.pid()
    assert alive(pid)

    sandbox.ecs.stop_task(
        cluster=sandbox.settings.cluster_name, task=container.arn, reason="Container stopped by Hermes"
    )
    task = sandbox.wait_for_status(container.arn, "STOPPED")

    assert not alive(pid)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "Container stopped by Hermes")
    assert task["desiredStatus"] == "STOPPED"
    assert task["containers"][0]["exitCode"] == 0
    instants = [task[name] for name in ENDING]
    assert instants == sorted(instants)


def test_a_killed_process_stops_its_task(sandbox: RunningSandbox) -> None:
    container = Container(sandbox).launch().ready()
    os.kill(container.pid(), signal.SIGKILL)
    task = sandbox.wait_for_status(container.arn, "STOPPED")
    assert task["stoppedReason"] == "Essential container in task exited"
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["containers"][0]["exitCode"] == 137


def test_a_task_can_be_stopped_before_it_runs(sandbox: RunningSandbox) -> None:
    container = Container(sandbox).launch()
    sandbox.ecs.stop_task(cluster=sandbox.settings.cluster_name, task=container.arn)
    task = sandbox.wait_for_status(container.arn, "STOPPED")
    assert "startedAt" not in task
    assert not sandbox.truth("container.serving", task=container.arn)


def test_tags_are_told_only_when_asked_for(sandbox: RunningSandbox) -> None:
    cluster = sandbox.settings.cluster_name
    arn = sandbox.run_task({"CLIENT_ID": new_client()}, tags=[{"key": "ContainerId", "value": "c"}])
    assert sandbox.task(arn)["tags"] == [{"key": "ContainerId", "value": "c"}]
    plain = sandbox.ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]
    assert plain["tags"] == []
    overrides = plain["overrides"]["containerOverrides"][0]["environment"]
    assert overrides[0]["name"] == "CLIENT_ID"
    sandbox.ecs.stop_task(cluster=cluster, task=arn)


def test_tasks_are_listed_by_page_and_status(sandbox: RunningSandbox) -> None:
    cluster, mark = sandbox.settings.cluster_name, new_client()
    arns = {sandbox.run_task({"CLIENT_ID": mark}, startedBy=mark) for _ in range(3)}
    pages = sandbox.ecs.get_paginator("list_tasks").paginate(
        cluster=cluster, startedBy=mark, PaginationConfig={"PageSize": 2}
    )
    found = [page["taskArns"] for page in pages]
    assert [len(page) for page in found] == [2, 1]
    assert {arn for page in found for arn in page} == arns
    for arn in arns:
        sandbox.ecs.stop_task(cluster=cluster, task=arn)
    assert sandbox.ecs.list_tasks(cluster=cluster, startedBy=mark)["taskArns"] == []
    stopped = sandbox.ecs.list_tasks(cluster=cluster, startedBy=mark, desiredStatus="STOPPED")["taskArns"]
    assert set(stopped) == arns


def test_unknown_things_get_ecs_own_errors(sandbox: RunningSandbox) -> None:
    ecs, cluster = sandbox.ecs, sandbox.settings.cluster_name
    answer = ecs.describe_tasks(cluster=cluster, tasks=["nothing"])
    assert answer["failures"] == [{"arn": "nothing", "reason": "MISSING"}]
    assert ecs.describe_services(cluster=cluster, services=["no"])["failures"][0]["reason"] == "MISSING"
    latest = f"{sandbox.settings.edit_family}:latest"  # no revision, though the platform's own default says so
    for error, call in (
        ("ClusterNotFoundException", lambda: ecs.list_tasks(cluster="other")),
        ("ServiceNotFoundException", lambda: ecs.update_service(cluster=cluster, service="no", desiredCount=1)),
        ("InvalidParameterException", lambda: ecs.stop_task(cluster=cluster, task="nothing")),
        ("ClientException", lambda: ecs.run_task(cluster=cluster, taskDefinition="no-such-family")),
        ("ClientException", lambda: ecs.describe_task_definition(taskDefinition=latest)),
    ):
        with pytest.raises(ClientError) as told:
            call()
        assert told.value.response["Error"]["Code"] == error


def test_the_edit_task_is_as_small_as_the_test_stack_s(sandbox: RunningSandbox) -> None:
    told = sandbox.ecs.describe_task_definition(taskDefinition=sandbox.settings.edit_family)["taskDefinition"]
    assert (told["cpu"], told["memory"], told["networkMode"]) == ("256", "512", "awsvpc")
    assert [(each["name"], each["image"]) for each in told["containerDefinitions"]] == [
        ("claude-code-astro", "claude-code-astro:test")
    ]


def test_a_launched_task_lets_nobody_in(sandbox: RunningSandbox) -> None:
    arn = sandbox.run_task({"CLIENT_ID": new_client()})
    with pytest.raises(ClientError, match="execute command was not enabled when the task was run"):
        sandbox.ecs.execute_command(
            cluster=sandbox.settings.cluster_name, task=arn, command="ls", interactive=True
        )
    sandbox.ecs.stop_task(cluster=sandbox.settings.cluster_name, task=arn)


def test_a_service_keeps_as_many_tasks_as_it_wants_and_no_more_than_three(sandbox: RunningSandbox) -> None:
    ecs, cluster, service = sandbox.ecs, sandbox.settings.cluster_name, sandbox.settings.edit_service

    def counts() -> tuple[int, int]:
        told = ecs.describe_services(cluster=cluster, services=[service])["services"][0]
        return told["runningCount"], told["pendingCount"]

    assert counts() == (0, 0)
    ecs.update_service(cluster=cluster, service=service, desiredCount=5)
    until(lambda: counts() == (3, 0), 15, "three tasks")
    arns = ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]
    assert {sandbox.task(arn)["group"] for arn in arns} == {f"service:{service}"}

    ecs.stop_task(cluster=cluster, task=arns[0])
    sandbox.wait_for_status(arns[0], "STOPPED")
    until(lambda: counts() == (3, 0), 15, "the service starts its task again")

    ecs.update_service(cluster=cluster, service=service, desiredCount=0)
    until(lambda: counts() == (0, 0), 15, "no task")
    reason = sandbox.wait_for_status(arns[1], "STOPPED")["stoppedReason"]
    assert reason.startswith("Scaling activity initiated by")


def test_hermes_is_a_service_that_runs_from_the_start(sandbox: RunningSandbox) -> None:
    told = sandbox.ecs.describe_services(
        cluster=sandbox.settings.cluster_name, services=[sandbox.settings.hermes_service]
    )["services"][0]
    assert (told["runningCount"], told["desiredCount"], told["status"]) == (1, 1, "ACTIVE")


def test_refused_capacity_is_a_failure_in_the_answer(sandbox: RunningSandbox) -> None:
    client = new_client()
    sandbox.set_fault("capacity-refused", for_=client, times=1)
    definition = sandbox.settings.edit_family
    environment = [{"name": "CLIENT_ID", "value": client}]
    overrides = {"containerOverrides": [{"name": "claude-code-astro", "environment": environment}]}

    def run() -> dict[str, list[object]]:
        answer: dict[str, list[object]] = sandbox.ecs.run_task(
            cluster=sandbox.settings.cluster_name, taskDefinition=definition, overrides=overrides
        )
        return answer

    refused = run()
    assert refused["tasks"] == []
    assert "Capacity is unavailable" in str(refused["failures"])
    assert len(run()["tasks"]) == 1


def test_a_task_that_never_starts_stays_pending_until_stopped(sandbox: RunningSandbox) -> None:
    client = new_client()
    sandbox.set_fault("task-never-starts", for_=client)
    stuck = Container(sandbox, client).launch()
    other = Container(sandbox).launch().ready()
    assert sandbox.task(other.arn)["lastStatus"] == "RUNNING"
    assert sandbox.task(stuck.arn)["lastStatus"] == "PENDING"
    assert "pullStartedAt" not in sandbox.task(stuck.arn)
    sandbox.ecs.stop_task(cluster=sandbox.settings.cluster_name, task=stuck.arn)
    sandbox.wait_for_status(stuck.arn, "STOPPED")


def test_a_slow_pull_and_a_slow_boot_slow_their_own_phase(sandbox: RunningSandbox) -> None:
    pulling, booting = Container(sandbox), Container(sandbox)
    sandbox.set_fault("slow-image-pull", for_=pulling.client, amount=20)
    sandbox.set_fault("slow-boot", for_=booting.client, amount=20)
    pulling.launch()
    booting.launch()
    pulling.ready()
    booting.ready()

    extra = sandbox.settings.seconds(20)
    slow_pull, slow_boot = sandbox.task(pulling.arn), sandbox.task(booting.arn)
    pull = [(task["pullStoppedAt"] - task["pullStartedAt"]).total_seconds() for task in (slow_pull, slow_boot)]
    assert pull[0] > extra > pull[1]
    served = [sandbox.truth("container.serving", task=container.arn)[0].at for container in (pulling, booting)]
    boot = [at - task["startedAt"].timestamp() for at, task in zip(served, (slow_pull, slow_boot), strict=True)]
    assert boot[1] > extra > boot[0]
