"""resume-preview, row by row of the decision table of contract §2.3."""

import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.sandbox.visitor import Visitor, millis
from tests.support.sandbox import RunningSandbox, until


@pytest.fixture
def visitor(sandbox: RunningSandbox) -> Iterator[Visitor]:
    with Visitor(sandbox) as someone:
        yield someone
    sandbox.clear_faults()


def test_running_is_left_alone_and_its_activity_refreshed(visitor: Visitor) -> None:
    container = visitor.sleeping(
        status="running", taskArn="arn:aws:ecs:us-west-2:1:task/c/1", containerIp="127.9.9.9"
    )
    before = visitor.container(container)["lastActivity"]
    time.sleep(0.01)

    answer = visitor.resume("chat-1")

    assert answer.status_code == 201
    assert answer.json() == {
        "sessionId": f"{visitor.client}-chat-1",
        "containerId": container,
        "containerIp": "127.9.9.9",
        "status": "running",
        "taskArn": "arn:aws:ecs:us-west-2:1:task/c/1",
    }
    assert visitor.container(container)["lastActivity"] > before
    assert visitor.tasks_of(container) == []


def test_idle_is_told_and_runs_again(visitor: Visitor) -> None:
    queue = visitor.running.sqs.create_queue(QueueName=f"management-{visitor.client}")["QueueUrl"]
    container = visitor.sleeping(status="idle", containerIp="127.9.9.9", managementQueueUrl=queue)

    assert visitor.resume("chat-1").json()["status"] == "running"

    assert visitor.container(container)["status"] == "running"
    (message,) = visitor.running.sqs.receive_message(QueueUrl=queue)["Messages"]
    told = json.loads(message["Body"])
    assert (told["type"], told["reason"]) == ("wake", "session_resumed")
    assert abs(told["timestamp"] - millis()) < 10_000


@pytest.mark.parametrize("row", [{"status": "stopped"}, {}], ids=["stopped", "no row"])
def test_stopped_or_absent_is_started(visitor: Visitor, row: dict[str, str]) -> None:
    container = visitor.sleeping(**row)

    answer = visitor.resume("chat-1").json()

    assert answer["status"] == "starting"
    assert isinstance(answer["containerIp"], str)
    until(lambda: visitor.container(container)["status"] == "running", 20, "running")
    woken = visitor.container(container)
    assert woken["taskArn"] == answer["taskArn"]
    assert woken["containerIp"] == answer["containerIp"]
    assert woken["lastStarted"] <= millis()
    session = f"{visitor.client}-chat-1"
    until(lambda: visitor.session(session)["status"] == "active", 10, "the session is active again")
    assert visitor.session(session)["fargateTaskArn"] == answer["taskArn"]
    visitor.deactivate(session)


def test_starting_is_joined(visitor: Visitor) -> None:
    container = visitor.sleeping(status="starting", containerIp="127.9.9.9")

    answer = visitor.resume("chat-1")

    assert (answer.status_code, answer.json()["status"]) == (201, "starting")
    assert answer.json()["containerIp"] == "127.9.9.9"
    assert visitor.tasks_of(container) == []


def test_any_other_state_is_an_error(visitor: Visitor) -> None:
    container = visitor.sleeping(status="upside-down")

    answer = visitor.resume("chat-1")

    assert answer.status_code == 500
    assert answer.json() == {
        "statusCode": 500,
        "message": f"Failed to resume session: container {container} is upside-down",
    }


def test_an_unknown_thread(visitor: Visitor) -> None:
    answer = visitor.resume("nobody")
    assert answer.status_code == 404
    assert answer.json() == {"statusCode": 404, "message": "Session for thread nobody not found"}


def test_another_clients_thread_is_unknown(visitor: Visitor) -> None:
    visitor.sleeping(status="stopped")
    body = {"chatThreadId": "chat-1", "clientId": "somebody-else"}
    assert visitor.post("/api/sessions/resume-preview", body).status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"chatThreadId": "x"}, {"clientId": "y"}, {"chatThreadId": "", "clientId": "y"}]
)
def test_missing_fields(visitor: Visitor, body: dict[str, str]) -> None:
    assert visitor.post("/api/sessions/resume-preview", body).status_code == 400


def test_a_session_that_fell_asleep_is_found_by_its_thread_and_wakes_up(visitor: Visitor) -> None:
    told = visitor.active()
    first = visitor.session(told["sessionId"])["fargateTaskArn"]
    visitor.running.wait_for_status(first, "STOPPED")  # nobody uses it: it goes to sleep by itself
    until(lambda: visitor.session(told["sessionId"])["status"] == "expired", 5, "expired")
    assert visitor.http.get(told["previewUrl"]).status_code == 503

    answer = visitor.resume(told["chatThreadId"]).json()

    assert (answer["sessionId"], answer["containerId"]) == (told["sessionId"], told["containerId"])
    until(lambda: visitor.http.get(told["previewUrl"]).status_code == 200, 20, "the preview is back")
    assert visitor.container(told["containerId"])["taskArn"] not in ("", first)


def test_concurrent_wakes_share_one_task(visitor: Visitor) -> None:
    container = visitor.sleeping(status="stopped")
    answers: list[httpx.Response] = []
    callers = [threading.Thread(target=lambda: answers.append(visitor.resume("chat-1"))) for _ in range(5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert [answer.status_code for answer in answers] == [201] * 5
    until(lambda: visitor.container(container)["status"] == "running", 20, "running")
    assert len(visitor.tasks_of(container)) == 1
    assert {answer.json()["taskArn"] for answer in answers} == set(visitor.tasks_of(container))


def test_wake_fails(visitor: Visitor) -> None:
    container = visitor.sleeping(status="stopped")
    visitor.running.set_fault("wake-fails", for_=visitor.client, times=1)

    failed = visitor.resume("chat-1")

    assert failed.status_code == 500
    assert failed.json()["message"].startswith("Failed to resume session: ")
    assert visitor.container(container)["status"] == "stopped"
    assert visitor.resume("chat-1").status_code == 201


def test_capacity_refused_leaves_the_row_stopped(visitor: Visitor) -> None:
    container = visitor.sleeping(status="stopped")
    visitor.running.set_fault("capacity-refused", for_=visitor.client, times=1)

    assert visitor.resume("chat-1").status_code == 500
    assert visitor.container(container)["status"] == "stopped"
    assert visitor.resume("chat-1").status_code == 201


def test_wake_starts_two_tasks(visitor: Visitor) -> None:
    container = visitor.sleeping(status="stopped")
    visitor.running.set_fault("wake-starts-two-tasks", for_=visitor.client)

    assert visitor.resume("chat-1").status_code == 201

    assert len(visitor.tasks_of(container)) == 2


def test_stuck_starting(visitor: Visitor) -> None:
    container = visitor.sleeping(status="stopped")
    visitor.running.set_fault("stuck-starting", for_=visitor.client, times=1)

    task = visitor.resume("chat-1").json()["taskArn"]

    visitor.running.wait_for("preview.serving", task=task)
    time.sleep(0.5)
    assert visitor.container(container)["status"] == "starting"
    assert visitor.running.task(task)["lastStatus"] == "RUNNING"
    visitor.running.ecs.stop_task(cluster=visitor.settings.cluster_name, task=task)
    until(lambda: visitor.container(container)["status"] == "stopped", 10, "stopped")


def test_a_task_that_never_starts_is_given_up(visitor: Visitor) -> None:
    container = visitor.sleeping(status="stopped")
    visitor.running.set_fault("task-never-starts", for_=visitor.client)

    task = visitor.resume("chat-1").json()["taskArn"]

    until(lambda: visitor.container(container)["status"] == "stopped", 20, "given up")
    assert visitor.running.wait_for_status(task, "STOPPED")["stoppedReason"] == "Container stopped by Hermes"


def test_a_fault_of_a_running_container_changes_that_one_thing(visitor: Visitor) -> None:
    queue = visitor.running.sqs.create_queue(QueueName=f"unheard-{visitor.client}")["QueueUrl"]
    visitor.sleeping(status="idle", containerIp="127.9.9.9", clientId=visitor.client, managementQueueUrl=queue)
    for fault in ("idle-wake-lost", "resume-body-wrong"):
        visitor.running.set_fault(fault, for_=visitor.client)

    told = visitor.resume("chat-1").json()

    assert (told["status"], told["internalHost"]) == ("running", "ip-10-0-1-17")
    assert "Messages" not in visitor.running.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0)


def test_a_fault_of_strangers_leaves_a_session_or_loses_its_words(visitor: Visitor) -> None:
    visitor.running.set_fault("stranger-gets-session", for_=visitor.client)
    refused = visitor.resume("nobody")
    visitor.running.set_fault("unknown-thread-crashes", for_=visitor.client)

    assert (refused.status_code, visitor.resume("nobody-else").status_code) == (404, 500)
    assert [row["threadId"] for row in visitor.rows_of(visitor.settings.session_table)] == ["nobody"]


def test_a_fault_of_threads_wakes_the_customers_other_session(visitor: Visitor) -> None:
    for thread in ("chat-1", "chat-2"):
        visitor.sleeping(thread, status="running", containerIp="127.9.9.9")
    visitor.running.set_fault("thread-ignored", for_=visitor.client)

    assert visitor.resume("chat-2").json()["sessionId"] == f"{visitor.client}-chat-1"
