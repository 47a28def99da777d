"""The cleanup jobs of contract §4.6 and §5.6."""

import asyncio
import time

from sandbox.faults import Faults
from sandbox.hermes.queues import Owner
from sandbox.hermes.service import Hermes
from sandbox.jobs import FORGOTTEN, Jobs
from sandbox.truth import Truth
from tests.sandbox.visitor import Visitor, millis
from tests.support.sandbox import RunningSandbox, StartSandbox, until


def test_a_stopped_task_takes_row_sessions_and_queues_with_it(sandbox: RunningSandbox) -> None:
    with Visitor(sandbox) as visitor:
        told = visitor.active()
        task = visitor.session(told["sessionId"])["fargateTaskArn"]
        sandbox.ecs.stop_task(cluster=sandbox.settings.cluster_name, task=task, reason="crash")
        sandbox.wait_for_status(task, "STOPPED")

        until(lambda: visitor.queue_names() == [], 5, "queues gone")

        row = visitor.container(told["containerId"])
        assert (row["status"], row["sessionCount"]) == ("stopped", 0)
        assert row["stoppedAt"] <= millis()
        session = visitor.session(told["sessionId"])
        assert session["status"] == "expired"
        assert not {"fargateTaskArn", "containerIp"} & set(session)
        assert visitor.tracking(told["containerId"]) == []


def test_what_another_task_has_taken_over_is_left_alone(sandbox: RunningSandbox) -> None:
    with Visitor(sandbox) as visitor:
        container = visitor.sleeping(status="stopped")
        sandbox.set_fault("wake-starts-two-tasks", for_=visitor.client)
        visitor.resume("chat-1")
        sandbox.clear_faults()
        tasks = visitor.tasks_of(container)
        for task in tasks:
            sandbox.wait_for("container.registered", task=task)
        owner = visitor.container(container)["taskArn"]
        (other,) = set(tasks) - {owner}

        sandbox.ecs.stop_task(cluster=sandbox.settings.cluster_name, task=other)
        sandbox.wait_for_status(other, "STOPPED")
        time.sleep(0.3)

        assert visitor.container(container)["status"] == "running"
        assert len(visitor.queue_names()) == 3
        sandbox.ecs.stop_task(cluster=sandbox.settings.cluster_name, task=owner)


def test_queues_can_go_with_the_session(start_sandbox: StartSandbox) -> None:
    running = start_sandbox(queue_cleanup_on="session-close")
    with Visitor(running) as visitor:
        told = visitor.active()
        visitor.deactivate(told["sessionId"])
        until(lambda: visitor.queue_names() == [], 5, "queues gone")
        until(lambda: visitor.session(told["sessionId"])["status"] == "expired", 5, "expired")


def jobs_of(hermes: Hermes, running: RunningSandbox, *, speed: float) -> Jobs:
    """The jobs, in a platform so much faster that what is a second old is stale."""
    settings = running.settings.model_copy(update={"speed": speed})
    truth = Truth(running.settings.truth_path)
    faults = Faults(settings.directory)
    return Jobs(
        settings,
        hermes.tables,
        hermes.queues,
        hermes.tasks,
        hermes.sessions,
        hermes.locks,
        faults,
        truth,
    )


async def test_idle_containers_are_reaped_unless_a_chat_is_mapped(
    sandbox: RunningSandbox, hermes: Hermes
) -> None:
    with Visitor(sandbox) as visitor:
        table, long_ago = sandbox.settings.container_table, millis() - 3_600_000
        tasks = {}
        for name in ("lonely", "mapped"):
            container = f"{visitor.client}-{name}"
            tasks[name] = sandbox.run_task({"CLIENT_ID": visitor.client, "CONTAINER_ID": container})
        visitor.put(
            sandbox.settings.thread_mapping_table,
            threadId=visitor.client,
            containerId=f"{visitor.client}-mapped",
        )
        for name, task in tasks.items():
            container = f"{visitor.client}-{name}"
            await asyncio.to_thread(sandbox.wait_for, "container.registered", task=task)
            visitor.put(table, containerId=container, status="running", taskArn=task, lastActivity=long_ago)
        visitor.put(table, containerId=f"{visitor.client}-stale", status="running", lastActivity=long_ago)
        visitor.put(table, containerId=f"{visitor.client}-fresh", status="running", lastActivity=millis())

        await jobs_of(hermes, sandbox, speed=0.05).clean_containers()

        states = {name: visitor.container(f"{visitor.client}-{name}")["status"] for name in ("stale", "fresh")}
        assert states == {"stale": "stopped", "fresh": "running"}
        stopped = await asyncio.to_thread(sandbox.wait_for_status, tasks["lonely"], "STOPPED")
        assert stopped["stoppedReason"] == "Idle timeout"
        assert sandbox.task(tasks["mapped"])["lastStatus"] == "RUNNING"
        sandbox.ecs.stop_task(cluster=sandbox.settings.cluster_name, task=tasks["mapped"])


async def test_forgotten_queues_are_deleted_when_they_are_a_day_old(
    sandbox: RunningSandbox, hermes: Hermes
) -> None:
    with Visitor(sandbox) as visitor:
        used, stale, orphan = (f"{visitor.client}-{name}" for name in ("used", "stale", "orphan"))
        for container in (used, stale, orphan):
            await hermes.queues.ensure(container, Owner(visitor.client, "site", "ann"))
        now, table = millis(), sandbox.settings.container_table
        visitor.put(table, containerId=used, status="running", lastActivity=now)
        visitor.put(table, containerId=stale, status="stopped", lastActivity=now - 90_000_000)

        await jobs_of(hermes, sandbox, speed=1.0).clean_queues()

        assert visitor.container(stale) == {}
        assert {name.rpartition("-")[2] for name in visitor.queue_names()} == {"used", "orphan"}
        assert visitor.tracking(stale) == []
        await asyncio.sleep(1.5)  # the orphan comes of age
        visitor.put(table, containerId=used, status="running", lastActivity=millis())

        await jobs_of(hermes, sandbox, speed=0.00001).clean_queues()

        assert {name.rpartition("-")[2] for name in visitor.queue_names()} == {"used"}
        sandbox.sqs.get_queue_url(QueueName=sandbox.settings.email_queue_name)


async def test_a_forgotten_queue_lies_about_only_while_it_is_to_be_forgotten(
    sandbox: RunningSandbox, hermes: Hermes
) -> None:
    jobs = jobs_of(hermes, sandbox, speed=1e-6)
    name = hermes.queues.name("input", FORGOTTEN)
    await jobs.forget_a_queue()
    assert name not in await hermes.queues.names()

    sandbox.set_fault("orphans-kept")
    try:
        await jobs.forget_a_queue()
        await asyncio.sleep(0.1)  # older than the job lets orphans become at that speed
        await jobs.clean_queues()
        assert name in await hermes.queues.names()
    finally:
        sandbox.clear_faults()
    await jobs.forget_a_queue()
    assert name not in await hermes.queues.names()
