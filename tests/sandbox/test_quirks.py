"""The quirks of today's platform: Hermes finds no session by its id (Q2), a woken row has another key (Q7)."""

from tests.sandbox.visitor import Visitor
from tests.support.sandbox import StartSandbox, until

CLOSED = {"status": "draining", "message": "Session deactivation initiated"}


def test_a_session_that_is_there_is_not_found(start_sandbox: StartSandbox) -> None:
    with Visitor(start_sandbox(session_reads="placeholder")) as quirky:
        told = quirky.active()
        session = told["sessionId"]

        assert quirky.http.get(f"/hermes/api/sessions/{session}/status").status_code == 404
        assert quirky.post(f"/api/sessions/{session}/keepalive").status_code == 500
        closed = quirky.post(f"/api/sessions/{session}/deactivate")
        assert (closed.status_code, closed.json()) == (201, CLOSED)
        woken = quirky.resume(told["chatThreadId"])
        assert (woken.status_code, woken.json()["message"]) == (
            500,
            f"Failed to resume session: Session {session} not found",
        )

        rows = quirky.running.dynamodb.query(
            TableName=quirky.settings.session_table,
            KeyConditionExpression="sessionId = :s",
            ExpressionAttributeValues={":s": {"S": session}},
        )["Items"]
        stub, row = sorted(rows, key=len)
        assert stub == {"sessionId": {"S": session}, "userId": {"S": "*"}}
        assert row["status"] == {"S": "active"}
        assert quirky.resume("nobody").status_code == 404


def test_on_a_table_without_users_in_its_key_the_read_itself_is_refused(start_sandbox: StartSandbox) -> None:
    with Visitor(start_sandbox(session_reads="placeholder", session_key="simple")) as visitor:
        session = visitor.activate()["sessionId"]

        answers = [
            visitor.http.get(f"/hermes/api/sessions/{session}/status"),
            visitor.post(f"/api/sessions/{session}/keepalive"),
            visitor.post(f"/api/sessions/{session}/deactivate"),
        ]

    assert [answer.status_code for answer in answers] == [500, 500, 500]


def test_a_woken_container_is_written_down_under_its_session(start_sandbox: StartSandbox) -> None:
    with Visitor(start_sandbox(woken_row_key="sessionId", idle_seconds=10.0)) as visitor:
        container, session = visitor.sleeping(status="stopped"), f"{visitor.client}-chat-1"

        first = visitor.resume("chat-1").json()
        assert (first["containerId"], first["status"]) == (container, "starting")
        until(lambda: visitor.container(session).get("status") == "running", 20, "running")
        assert visitor.container(container)["status"] == "stopped"
        assert visitor.container(session)["taskArn"] == first["taskArn"]

        again = visitor.resume("chat-1").json()
        assert again["status"] == "starting"
        assert set(visitor.tasks_of(session)) == {first["taskArn"], again["taskArn"]}
        until(lambda: visitor.session(session)["status"] == "active", 10, "the session is active again")
