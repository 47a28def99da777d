"""The size of the edit service: steps, cooldown, and tasks of RunTask beside it (contract §5.4)."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from sandbox import autoscaling
from sandbox.autoscaling import Autoscaler
from sandbox.faults import Faults
from sandbox.hermes.cloud import Cloud
from sandbox.truth import Truth
from tests.sandbox.tasks_support import new_client
from tests.sandbox.visitor import METRICS
from tests.support.sandbox import RunningSandbox, until

Scaler = Callable[[float], Autoscaler]


@pytest.fixture
async def scaler(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scaler]:
    """Makes autoscalers with so many real seconds of cooldown, who hear a metric of this test alone."""
    monkeypatch.setattr(autoscaling, "METRICS_ENVIRONMENT", new_client())
    cloud, faults = Cloud(sandbox.settings), Faults(sandbox.settings.directory)
    truth = Truth(sandbox.settings.truth_path)

    def make(cooldown: float) -> Autoscaler:
        settings = sandbox.settings.model_copy(update={"speed": cooldown / autoscaling.COOLDOWN})
        return Autoscaler(settings, cloud, faults, truth)

    yield make
    await cloud.close()
    truth.close()


def publish(sandbox: RunningSandbox, sessions: int, *, ago: int) -> None:
    """Say that so many sessions were active so many seconds ago."""
    sandbox.client("cloudwatch").put_metric_data(
        Namespace=METRICS,
        MetricData=[
            {
                "MetricName": "ActiveSessionCount",
                "Value": sessions,
                "Unit": "Count",
                "Timestamp": datetime.now(UTC) - timedelta(seconds=ago),
                "Dimensions": [{"Name": "Environment", "Value": autoscaling.METRICS_ENVIRONMENT}],
            }
        ],
    )


def counts(sandbox: RunningSandbox) -> tuple[int, int]:
    """How many tasks the edit service wants, and how many run."""
    told = sandbox.ecs.describe_services(
        cluster=sandbox.settings.cluster_name, services=[sandbox.settings.edit_service]
    )["services"][0]
    return told["desiredCount"], told["runningCount"]


async def test_the_service_follows_the_active_sessions_from_none_to_three(
    sandbox: RunningSandbox, scaler: Scaler
) -> None:
    cluster, service = sandbox.settings.cluster_name, sandbox.settings.edit_service
    launched = sandbox.run_task({"CLIENT_ID": new_client()})
    sandbox.wait_for_status(launched, "RUNNING")
    assert counts(sandbox) == (0, 0), "a task of RunTask is none of the service"
    autoscaler = scaler(0.0)

    steps = ((0, 0), (1, 1), (2, 1), (3, 3), (9, 3))
    for number, (sessions, tasks) in enumerate(steps):
        publish(sandbox, sessions, ago=90 - number)
        await autoscaler.look()
        assert counts(sandbox)[0] == tasks, sessions

    until(lambda: counts(sandbox) == (3, 3), 15, "three tasks")
    family = sandbox.settings.edit_family
    of_service = sandbox.ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]
    everything = sandbox.ecs.list_tasks(cluster=cluster, family=family, desiredStatus="RUNNING")["taskArns"]
    assert len(of_service) == 3
    assert launched not in of_service
    assert {launched, *of_service} <= set(everything)

    publish(sandbox, 0, ago=1)
    await autoscaler.look()
    until(lambda: counts(sandbox) == (0, 0), 15, "no task")
    assert sandbox.task(launched)["lastStatus"] == "RUNNING"
    sandbox.ecs.stop_task(cluster=cluster, task=launched)


async def test_nothing_changes_during_the_cooldown_or_while_nobody_tells(
    sandbox: RunningSandbox, scaler: Scaler
) -> None:
    autoscaler = scaler(600.0)
    await autoscaler.look()
    assert counts(sandbox)[0] == 0
    publish(sandbox, 1, ago=20)
    await autoscaler.look()
    assert counts(sandbox)[0] == 1
    publish(sandbox, 0, ago=10)
    await autoscaler.look()
    assert counts(sandbox)[0] == 1
    await scaler(0.0).look()
    until(lambda: counts(sandbox) == (0, 0), 15, "no task")
