"""Hermes' session routes against contract §2.3, §2.4, §3 and §7.2."""

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx
import pytest

from tests.sandbox.visitor import INSTRUCTION, Visitor, measured, millis
from tests.support.sandbox import RunningSandbox, StartSandbox, until

UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")


@pytest.fixture
def visitor(sandbox: RunningSandbox) -> Iterator[Visitor]:
    with Visitor(sandbox) as someone:
        yield someone
    sandbox.clear_faults()


def test_activate_answers_at_once_and_writes_the_row(visitor: Visitor) -> None:
    told = visitor.activate()

    assert UUID.fullmatch(told["sessionId"])
    assert told["status"] == "initializing"
    assert told["previewUrl"] == f"{visitor.settings.alb_url}/session/{told['sessionId']}"
    assert told["containerId"] == f"{visitor.client}-site-TESTann"
    assert told["threadId"] == told["gitBranch"] == f"thread-{told['chatThreadId']}"
    row = visitor.session(told["sessionId"])
    assert row["status"] == "initializing"
    assert (row["clientId"], row["userId"]) == (visitor.client, "TEST_ann@x.org")
    assert row["editBranch"] == row["threadId"] == told["threadId"]
    assert row["createdAt"].endswith("Z")
    assert isinstance(row["lastActivity"], Decimal)
    assert 1790 <= row["ttl"] - int(time.time()) <= 1800


def test_a_session_becomes_active_and_its_instruction_is_carried_out(visitor: Visitor) -> None:
    told = visitor.active()

    row = visitor.session(told["sessionId"])
    container = visitor.container(told["containerId"])
    assert row["previewUrl"] == told["previewUrl"]
    assert row["fargateTaskArn"] == container["taskArn"]
    assert row["containerIp"] == container["containerIp"]
    assert container["status"] == "running"
    assert container["sessionCount"] == 1
    assert container["lastStarted"] <= millis()
    visitor.running.wait_for("command.finished", session=told["sessionId"])
    answer = visitor.running.sqs.receive_message(QueueUrl=told["outputQueueUrl"], WaitTimeSeconds=5)
    response = json.loads(answer["Messages"][0]["Body"])
    assert response["success"] is True
    assert response["sessionId"] == told["sessionId"]
    listed = visitor.http.get(f"/hermes/api/sessions/client/{visitor.client}").json()
    assert [each["sessionId"] for each in listed] == [told["sessionId"]]
    assert listed[0]["status"] == "active"


def test_the_count_of_active_sessions_is_published(visitor: Visitor) -> None:
    visitor.active()
    until(lambda: measured(visitor.running, "ActiveSessionCount", Environment="production"), 10, "the count")


def test_a_queue_set_is_as_the_contract_has_it(visitor: Visitor) -> None:
    told = visitor.activate(projectId="shop")
    sqs = visitor.running.sqs
    container = f"{visitor.client}-shop-TESTann"

    assert told["containerId"] == container
    assert sorted(visitor.queue_names()) == [
        f"webordinary-{kind}-{container}" for kind in ("dlq", "input", "output")
    ]
    attributes = {
        kind: sqs.get_queue_attributes(
            QueueUrl=told[f"{kind}QueueUrl" if kind != "dlq" else "dlqUrl"], AttributeNames=["All"]
        )["Attributes"]
        for kind in ("input", "output", "dlq")
    }
    assert {kind: each["VisibilityTimeout"] for kind, each in attributes.items()} == {
        "input": "300",
        "output": "300",
        "dlq": "60",
    }
    assert {each["MessageRetentionPeriod"] for each in attributes.values()} == {"345600"}
    assert {each["ReceiveMessageWaitTimeSeconds"] for each in attributes.values()} == {"20"}
    redrive = json.loads(attributes["input"]["RedrivePolicy"])
    assert redrive == {"deadLetterTargetArn": attributes["dlq"]["QueueArn"], "maxReceiveCount": 3}
    tags = sqs.list_queue_tags(QueueUrl=told["dlqUrl"])["Tags"]
    assert tags["ManagedBy"] == "Hermes"
    assert (tags["Type"], tags["type"], tags["clientId"]) == ("DLQ", "dlq", visitor.client)
    (tracking,) = visitor.tracking(container)
    assert (tracking["inputQueueUrl"], tracking["dlqQueueUrl"]) == (told["inputQueueUrl"], told["dlqUrl"])
    assert tracking["clientProjectId"] == f"{visitor.client}-shop"
    assert tracking["status"] == "active"


def test_optional_fields_are_honoured(visitor: Visitor) -> None:
    told = visitor.activate(projectId="shop", chatThreadId="thread-1", metadata={"customField": "kept", "n": 1})

    assert told["gitBranch"] == "thread-thread-1"
    row = visitor.session(told["sessionId"])
    assert row["metadata"] == {"customField": "kept", "n": 1}
    assert (row["chatThreadId"], row["projectId"]) == ("thread-1", "shop")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"clientId": ""}, "clientId must be a non-empty string"),
        ({"clientId": 7}, "clientId must be a non-empty string"),
        ({"userId": None}, "userId must be a non-empty string"),
        ({"instruction": "  "}, "instruction must be a non-empty string"),
        ({"projectId": ""}, "projectId must be a non-empty string"),
        ({"metadata": "text"}, "metadata must be an object"),
    ],
)
def test_invalid_input_is_refused_and_leaves_nothing(
    visitor: Visitor, change: dict[str, object], reason: str
) -> None:
    body = {"clientId": visitor.client, "userId": "TEST_ann@x.org", "instruction": INSTRUCTION, **change}

    answer = visitor.post("/api/sessions/activate", body)

    assert answer.status_code == 400
    assert answer.json() == {"statusCode": 400, "message": reason}
    assert visitor.rows_of(visitor.settings.session_table) == []
    assert visitor.running.truth("task.created", client=visitor.client) == []


@pytest.mark.parametrize("body", [b"{half", b"[1]", b'"text"'])
def test_what_is_no_json_object_is_refused(visitor: Visitor, body: bytes) -> None:
    answer = visitor.http.post("/hermes/api/sessions/activate", content=body)
    assert answer.status_code == 400
    assert answer.json()["statusCode"] == 400


def test_routes_that_need_no_session(visitor: Visitor) -> None:
    def get(path: str) -> httpx.Response:
        return visitor.http.get(f"/hermes{path}")

    health = get("/health").json()
    assert set(health) == {"status", "timestamp"}
    assert health["status"] == "healthy"
    assert get("/health/ready").json() == {"ready": True}
    assert get("/health/live").json() == {"alive": True}
    assert get("/").text == "Hello World!"
    assert get("/email/health").json()["service"] == "email-processor"
    assert get("/status").status_code == 404
    assert get("/nope?x=1").json() == {
        "message": "Cannot GET /hermes/nope",
        "error": "Not Found",
        "statusCode": 404,
    }
    assert get("/api/sessions/activate").status_code == 404, "a wrong method is an unknown route"
    page = get("/email/approve/nobody/token")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    empty = visitor.post("/email/process", {"Records": []})
    assert (empty.status_code, set(empty.json())) == (201, {"message"})


def test_unknown_sessions(visitor: Visitor) -> None:
    status = visitor.http.get("/hermes/api/sessions/nobody/status")
    assert (status.status_code, status.json()) == (404, {"statusCode": 404, "message": "Session not found"})
    keepalive = visitor.post("/api/sessions/nobody/keepalive")
    assert (keepalive.status_code, keepalive.json()) == (201, {"ttl": 0, "status": "expired"})
    closed = visitor.post("/api/sessions/nobody/deactivate")
    assert (closed.status_code, closed.json()) == (
        201,
        {"status": "draining", "message": "Session deactivation initiated"},
    )
    assert visitor.session("nobody") == {}


def test_keepalive_pushes_the_ttl_and_status_tells_it(visitor: Visitor) -> None:
    told = visitor.active()
    before = visitor.session(told["sessionId"])
    time.sleep(0.01)

    kept = visitor.post(f"/api/sessions/{told['sessionId']}/keepalive").json()

    after = visitor.session(told["sessionId"])
    assert kept == {"ttl": int(after["ttl"]), "status": "active"}
    assert after["ttl"] >= before["ttl"]
    assert after["lastActivity"] > before["lastActivity"]
    status = visitor.http.get(f"/hermes/api/sessions/{told['sessionId']}/status").json()
    assert set(status) == {"status", "containerIp", "lastActivity", "previewUrl"}
    assert status["lastActivity"].endswith("Z")


def test_deactivate_drains_stops_and_expires(visitor: Visitor) -> None:
    told = visitor.active()
    task = visitor.session(told["sessionId"])["fargateTaskArn"]

    visitor.deactivate(told["sessionId"])

    until(lambda: visitor.session(told["sessionId"])["status"] == "expired", 10, "expired")
    row = visitor.session(told["sessionId"])
    assert "fargateTaskArn" not in row
    assert "containerIp" not in row
    stopped = visitor.running.wait_for_status(task, "STOPPED")
    assert stopped["stoppedReason"] == "Container stopped by Hermes"
    until(lambda: visitor.container(told["containerId"])["status"] == "stopped", 10, "stopped")
    until(lambda: visitor.queue_names() == [], 5, "queues gone")
    assert visitor.http.get(f"/hermes/api/sessions/client/{visitor.client}").json() == []


def test_sessions_share_a_container_by_client_project_and_user(visitor: Visitor) -> None:
    first = visitor.active(chatThreadId="one")
    second = visitor.active(chatThreadId="two")
    other = visitor.activate(userId="TEST_bob@x.org")
    elsewhere = visitor.activate(projectId="shop")

    assert first["containerId"] == second["containerId"]
    assert len({each["containerId"] for each in (first, other, elsewhere)}) == 3
    assert len(visitor.tasks_of(first["containerId"])) == 1
    assert visitor.container(first["containerId"])["sessionCount"] == 2
    assert len(visitor.tracking(first["containerId"])) == 1
    assert len([name for name in visitor.queue_names() if name.endswith(first["containerId"])]) == 3
    visitor.deactivate(first["sessionId"])
    until(lambda: visitor.session(first["sessionId"])["status"] == "expired", 10, "expired")
    shared = visitor.container(first["containerId"])
    assert (shared["status"], shared["sessionCount"]) == ("running", 1)
    assert visitor.session(second["sessionId"])["status"] == "active"
    for told in (second, other, elsewhere):
        visitor.deactivate(told["sessionId"])


def test_activates_at_the_same_moment_start_one_task(visitor: Visitor) -> None:
    answers: list[dict[str, object]] = []
    callers = [
        threading.Thread(target=lambda n=number: answers.append(visitor.activate(chatThreadId=f"c{n}")))
        for number in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    (container,) = {str(answer["containerId"]) for answer in answers}
    for answer in answers:
        session = str(answer["sessionId"])
        until(lambda session=session: visitor.session(session)["status"] == "active", 20, "active")  # type: ignore[misc]
    assert len(visitor.tasks_of(container)) == 1
    assert visitor.container(container)["sessionCount"] == 4


def test_a_container_restarts_under_its_id(visitor: Visitor) -> None:
    first = visitor.active()
    task = visitor.session(first["sessionId"])["fargateTaskArn"]
    visitor.running.ecs.stop_task(cluster=visitor.settings.cluster_name, task=task)

    second = visitor.active(chatThreadId="again")

    assert second["containerId"] == first["containerId"]
    assert visitor.container(second["containerId"])["taskArn"] != task
    visitor.running.wait_for("command.finished", session=second["sessionId"])


def test_a_session_closed_while_it_starts_leaves_nothing(visitor: Visitor) -> None:
    told = visitor.activate()

    visitor.deactivate(told["sessionId"])

    until(lambda: visitor.session(told["sessionId"])["status"] == "expired", 10, "expired")
    for task in visitor.tasks_of(told["containerId"]):
        visitor.running.wait_for_status(task, "STOPPED")
    time.sleep(0.5)  # whatever the start had still in hand would show by now
    assert visitor.session(told["sessionId"])["status"] == "expired"
    assert visitor.container(told["containerId"]).get("status", "stopped") == "stopped"


def test_activate_error_makes_nothing(visitor: Visitor) -> None:
    visitor.running.set_fault("activate-error", for_=visitor.client)

    answer = visitor.post(
        "/api/sessions/activate", {"clientId": visitor.client, "userId": "u", "instruction": "x"}
    )

    assert answer.status_code == 500
    assert answer.json()["message"].startswith("Failed to activate session: ")
    assert visitor.rows_of(visitor.settings.session_table) == []


def test_a_throttled_table_refuses_some_cleanly(visitor: Visitor) -> None:
    visitor.running.set_fault("sessions-throttled", amount=1.0, for_=visitor.client)
    body = {"clientId": visitor.client, "userId": "TEST_ann@x.org", "instruction": INSTRUCTION}
    with ThreadPoolExecutor(4) as people:
        answers = list(people.map(lambda _: visitor.post("/api/sessions/activate", body), range(4)))
    visitor.running.clear_faults()

    made = [answer.json()["sessionId"] for answer in answers if answer.status_code == 201]
    refused = [answer.json() for answer in answers if answer.status_code == 500]
    assert made
    assert len(made) + len(refused) == 4
    assert refused
    for told in refused:
        assert told["statusCode"] == 500
        assert told["message"].startswith("Failed to activate session: ProvisionedThroughputExceededException")
    rows = visitor.rows_of(visitor.settings.session_table)
    assert {row["sessionId"] for row in rows} == set(made)
    for session in made:
        visitor.deactivate(session)


def test_activate_that_hangs_has_made_the_session(visitor: Visitor) -> None:
    visitor.running.set_fault("activate-hangs", for_=visitor.client)

    with pytest.raises(httpx.ReadTimeout):
        visitor.http.post(
            "/hermes/api/sessions/activate",
            json={"clientId": visitor.client, "userId": "u", "instruction": INSTRUCTION},
            timeout=1.0,
        )

    (row,) = visitor.rows_of(visitor.settings.session_table)
    until(lambda: visitor.session(row["sessionId"])["status"] == "active", 20, "active")
    visitor.deactivate(row["sessionId"])


def test_capacity_refused_expires_the_session(visitor: Visitor) -> None:
    visitor.running.set_fault("capacity-refused", for_=visitor.client)

    told = visitor.activate()

    until(lambda: visitor.session(told["sessionId"])["status"] == "expired", 10, "expired")
    assert visitor.container(told["containerId"])["status"] == "stopped"


def test_in_sync_mode_activate_waits_and_tells_why_it_failed(start_sandbox: StartSandbox) -> None:
    running = start_sandbox(activate_mode="sync", session_key="simple", hermes_health="long")
    with Visitor(running) as visitor:
        told = visitor.activate()
        assert told["status"] == "active"
        assert visitor.session(told["sessionId"])["status"] == "active"

        running.set_fault("capacity-refused")
        refused = visitor.post(
            "/api/sessions/activate", {"clientId": visitor.client, "userId": "bob", "instruction": "x"}
        )
        assert refused.status_code == 500
        assert refused.json()["message"].startswith("Failed to activate session: Capacity is unavailable")
        visitor.sleeping("waker", status="stopped")
        asleep = visitor.resume("waker")
        assert asleep.status_code == 500
        assert asleep.json()["message"].startswith("Failed to resume session: Capacity is unavailable")
        running.clear_faults()
        woken = visitor.resume("waker")
        assert (woken.status_code, woken.json()["status"]) == (201, "running")

        health = visitor.http.get("/hermes/health").json()
        names = [check["name"] for check in health["checks"] if check["healthy"]]
        assert names == ["sqs_connectivity", "dynamodb_connectivity", "cloudwatch_metrics"]


def test_without_a_task_hermes_does_not_answer(start_sandbox: StartSandbox) -> None:
    running = start_sandbox(hermes_desired=0)
    with Visitor(running) as visitor:
        away = visitor.http.get("/hermes/health")
        assert (away.status_code, away.headers["content-type"]) == (503, "text/html")
        running.ecs.update_service(
            cluster=running.settings.cluster_name, service=running.settings.hermes_service, desiredCount=1
        )
        until(lambda: visitor.http.get("/hermes/health").status_code == 200, 10, "Hermes is back")
        running.set_fault("hermes-down")
        assert visitor.http.get("/hermes/health").status_code == 503
        assert visitor.http.get("/health").status_code == 200, "the load balancer's own answer"
