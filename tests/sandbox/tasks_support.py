"""What tests about tasks share: an owner of its own for each test, and a container launched for it."""

import contextlib
import json
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.support.sandbox import RunningSandbox, until


def new_client() -> str:
    """A client id that no other test uses."""
    return f"syn-{uuid.uuid4().hex[:10]}"


@dataclass
class Container:
    """A container launched as Hermes launches one, and its two ends of the queue."""

    sandbox: RunningSandbox
    client: str = field(default_factory=new_client)
    extra: dict[str, str] = field(default_factory=dict)
    arn: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{self.client}-site-jane"

    @cached_property
    def input(self) -> str:
        return self._queue("input")

    @cached_property
    def output(self) -> str:
        return self._queue("output")

    @property
    def workspace(self) -> Path:
        return self.sandbox.settings.workspace_root / self.client / "jane" / "project"

    def launch(self) -> "Container":
        """Start the task; a second launch is a restart of the same container."""
        environment = {
            "CLIENT_ID": self.client,
            "USER_ID": "jane@example.com",
            "PROJECT_ID": "site",
            "CONTAINER_ID": self.id,
            "INPUT_QUEUE_URL": self.input,
            "OUTPUT_QUEUE_URL": self.output,
        }
        self.arn = self.sandbox.run_task(environment | self.extra)
        return self

    def ready(self) -> "Container":
        """Return once the site is served."""
        self.sandbox.wait_for("preview.serving", task=self.arn)
        return self

    @property
    def url(self) -> str:
        details = self.sandbox.task(self.arn)["attachments"][0]["details"]
        address = next(detail["value"] for detail in details if detail["name"] == "privateIPv4Address")
        return f"http://{address}:8080"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False)

    def post(self, path: str, body: dict[str, str]) -> httpx.Response:
        return httpx.post(self.url + path, json=body, trust_env=False)

    def send(
        self, command: str, instruction: str, *, session: str = "s1", thread: str = "t1", **more: str
    ) -> None:
        """Put a command on the input queue."""
        body = {
            "sessionId": session,
            "commandId": command,
            "chatThreadId": thread,
            "instruction": instruction,
            "type": "edit",
            **more,
        }
        self.sandbox.sqs.send_message(QueueUrl=self.input, MessageBody=json.dumps(body))

    def answer(self, command: str) -> dict[str, Any]:
        """The response to a command; those to others are kept."""
        gone = self.sandbox.sqs.exceptions.QueueDoesNotExist

        def found() -> list[dict[str, Any]]:
            received = self.sandbox.sqs.receive_message(
                QueueUrl=self.output, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            for message in received.get("Messages", []):
                self.answers.append(json.loads(message["Body"]))
                with contextlib.suppress(gone):  # it may have gone to sleep since, and its queues with it
                    self.sandbox.sqs.delete_message(
                        QueueUrl=self.output, ReceiptHandle=message["ReceiptHandle"]
                    )
            return [answer for answer in self.answers if answer["commandId"] == command]

        return until(found, 20, f"a response to {command}")[0]

    def row(self) -> dict[str, Any]:
        """The container's row, as DynamoDB tells it."""
        answer = self.sandbox.dynamodb.get_item(
            TableName=self.sandbox.settings.container_table, Key={"containerId": {"S": self.id}}
        )
        row: dict[str, Any] = answer.get("Item", {})
        return row

    def pid(self) -> int:
        """The pid of the process that listens on the container's address."""
        log = self.sandbox.settings.logs_root / f"{self.arn.rpartition('/')[2]}.log"
        return int(log.read_text().partition("Started server process [")[2].partition("]")[0])

    def _queue(self, kind: str) -> str:
        answer = self.sandbox.sqs.create_queue(
            QueueName=f"webordinary-{kind}-{self.id}", Attributes={"ReceiveMessageWaitTimeSeconds": "20"}
        )
        url: str = answer["QueueUrl"]
        return url
