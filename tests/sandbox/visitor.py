"""What the tests of the front half share: a visitor of one sandbox, who looks into its tables."""

import socket
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from tests.support.sandbox import RunningSandbox, until

METRICS = "Webordinary/EditSessions"
INSTRUCTION = 'Create page.txt with content "hello"'


class Visitor:
    """One client of the platform, with an id of its own."""

    def __init__(self, running: RunningSandbox) -> None:
        self.running = running
        self.settings = running.settings
        self.client = f"t{uuid.uuid4().hex[:8]}"
        self.http = httpx.Client(base_url=running.settings.alb_url, timeout=30, trust_env=False)

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(self, path: str, body: object = None) -> httpx.Response:
        return self.http.post(f"/hermes{path}", json=body)

    def activate(self, **more: object) -> dict[str, Any]:
        """Open a session and return what Hermes answered."""
        body = {"clientId": self.client, "userId": "TEST_ann@x.org", "instruction": INSTRUCTION, **more}
        answer = self.post("/api/sessions/activate", body)
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def active(self, **more: object) -> dict[str, Any]:
        """Open a session and wait until it is active."""
        told = self.activate(**more)
        until(lambda: self.session(told["sessionId"])["status"] == "active", 20, "active")
        return told

    def resume(self, thread: str) -> httpx.Response:
        body = {"chatThreadId": thread, "clientId": self.client}
        return self.post("/api/sessions/resume-preview", body)

    def deactivate(self, session: str) -> None:
        assert self.post(f"/api/sessions/{session}/deactivate").status_code == 201

    def session(self, session: str) -> dict[str, Any]:
        """The session's row, empty if there is none."""
        return newest(self._query(self.settings.session_table, "sessionId", session))

    def container(self, container: str) -> dict[str, Any]:
        return newest(self._query(self.settings.container_table, "containerId", container))

    def tracking(self, container: str) -> list[dict[str, Any]]:
        return self._query(self.settings.queue_tracking_table, "containerId", container)

    def put(self, table: str, **row: object) -> None:
        serialize = TypeSerializer().serialize
        item = {name: serialize(value) for name, value in row.items()}
        self.running.dynamodb.put_item(TableName=table, Item=item)

    def rows_of(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table that is this client's."""
        items = self.running.dynamodb.scan(TableName=table)["Items"]
        return [row for row in map(_plain, items) if row.get("clientId") == self.client]

    def sleeping(self, thread: str = "chat-1", **container: object) -> str:
        """A session with its mapping and its container's row, written by hand; return the containerId."""
        session, container_id, now = f"{self.client}-{thread}", f"{self.client}-site-ann", millis()
        self.put(
            self.settings.session_table,
            sessionId=session,
            userId="ann@x.org",
            clientId=self.client,
            chatThreadId=thread,
            status="expired",
            containerId=container_id,
            lastActivity=now,
            createdAt=now,
        )
        self.put(
            self.settings.thread_mapping_table,
            threadId=thread,
            sessionId=session,
            containerId=container_id,
            status="active",
            createdAt=now,
        )
        if container:
            self.put(self.settings.container_table, containerId=container_id, lastActivity=now, **container)
        return container_id

    def tasks_of(self, container: str) -> list[str]:
        """The ARNs of the tasks ever created for a container."""
        return [str(event.fields["task"]) for event in self.running.truth("task.created", container=container)]

    def queue_names(self) -> list[str]:
        urls = self.running.sqs.list_queues(QueueNamePrefix="webordinary-").get("QueueUrls", [])
        return [name for url in urls if self.client in (name := url.rpartition("/")[2])]

    def raw(self, request: bytes) -> bytes:
        """What comes back for these bytes until the other side hangs up."""
        with socket.create_connection((self.settings.host, self.settings.alb_port), timeout=20) as connection:
            connection.sendall(request)
            answer = bytearray()
            while part := connection.recv(65536):
                answer += part
        return bytes(answer)

    def _query(self, table: str, key: str, value: str) -> list[dict[str, Any]]:
        found = self.running.dynamodb.query(
            TableName=table,
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": key},
            ExpressionAttributeValues={":value": {"S": value}},
            ConsistentRead=True,
        )
        return [_plain(item) for item in found["Items"]]


def newest(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return rows[-1] if rows else {}


def measured(
    running: RunningSandbox, name: str, namespace: str = METRICS, **dimensions: str
) -> list[tuple[float, str]]:
    """Sum and unit of every point of a metric within this hour."""
    now = datetime.now(UTC)
    answer = running.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=pairs(dimensions),
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(seconds=2),
        Period=3600,
        Statistics=["Sum"],
    )
    return [(point["Sum"], point["Unit"]) for point in answer["Datapoints"]]


def pairs(dimensions: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def millis() -> int:
    return int(time.time() * 1000)


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}
