"""Queue sets: three queues per container and the row that remembers them (contract §3.4, §4.1)."""

import asyncio
import contextlib
import json
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.faults import Faults, Value
from sandbox.hermes.cloud import Cloud, CloudError, Row, text
from sandbox.hermes.tables import Table, Tables
from sandbox.settings import SandboxSettings

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

FOUR_DAYS = "345600"
ABSENT = frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"})
RECEIVES_BEFORE_DLQ = 3
MOST_TRIES = 20
BETWEEN_TRIES = 0.05  # real seconds


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a container belongs to."""

    client: str
    project: str
    user: str


@dataclass(frozen=True, slots=True)
class QueueSet:
    """The addresses of a container's three queues."""

    input: str
    output: str
    dlq: str


class Queues:
    """Makes, finds, uses and removes queue sets."""

    def __init__(self, cloud: Cloud, tables: Tables, settings: SandboxSettings, faults: Faults) -> None:
        self._cloud = cloud
        self._sqs = cloud.sqs
        self._tracking: Table = tables.tracking
        self._prefix = settings.queue_prefix
        self._faults = faults

    def name(self, kind: str, container: str) -> str:
        return f"{self._prefix}-{kind}-{container}"

    async def ensure(self, container: str, owner: Owner) -> QueueSet:
        """The container's queue set: what is known or exists is used again, what is missing is made.

        An older task of the container may end this moment, and its queues with it: then they are made anew.
        """
        for _ in range(MOST_TRIES - 1):
            try:
                return await self._ensured(container, owner)
            except CloudError as error:
                if error.code not in ABSENT:
                    raise
                await asyncio.sleep(BETWEEN_TRIES)
        return await self._ensured(container, owner)

    async def _ensured(self, container: str, owner: Owner) -> QueueSet:
        known = await self._tracking.rows(container)
        if known and self._faults.is_on("queue-missing", client=owner.client):
            return _told(known[-1])  # it trusts what is written down
        dlq = await self._create(self.name("dlq", container), owner, visibility="60", dlq=True)
        arn = await self._arn(dlq)
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES_BEFORE_DLQ})
        made = QueueSet(
            input=await self._create(self.name("input", container), owner, visibility="300", redrive=redrive),
            output=await self._create(self.name("output", container), owner, visibility="300"),
            dlq=dlq,
        )
        if not known and not self._struck("queues-not-written-down", owner):
            await self._track(container, owner, made)
        if missing := self._struck("queue-missing", owner):
            await self.remove_queue(self.name(str(missing["kind"]), container))
        return made

    def _struck(self, fault: str, owner: Owner) -> dict[str, Value] | None:
        return self._faults.strikes(fault, client=owner.client)

    async def _create(
        self, name: str, owner: Owner, *, visibility: str, redrive: str = "", dlq: bool = False
    ) -> str:
        attributes: dict[QueueAttributeNameType, str] = {
            "VisibilityTimeout": visibility,
            "MessageRetentionPeriod": FOUR_DAYS,
            "ReceiveMessageWaitTimeSeconds": "20",
        }
        if redrive:
            attributes["RedrivePolicy"] = redrive
        if wrong := self._struck("queue-attribute-wrong", owner):
            attributes[str(wrong["attribute"])] = str(wrong["value"])  # type: ignore[index]
        tags = {
            "Project": "Webordinary",
            "ManagedBy": "Hermes",
            "Type": "DLQ" if dlq else "Standard",
            "clientId": owner.client,
            "projectId": owner.project,
            "userId": owner.user,
            **({"type": "dlq"} if dlq else {}),
        }
        try:
            answer = await self._cloud.call(
                self._sqs.create_queue, QueueName=name, Attributes=attributes, tags=tags
            )
        except CloudError as error:
            if error.code not in ("QueueAlreadyExists", "QueueNameExists"):
                raise
            found = await self._cloud.call(
                self._sqs.get_queue_url, QueueName=name
            )  # made by someone else's hand
            return found["QueueUrl"]
        return answer["QueueUrl"]

    async def _arn(self, url: str) -> str:
        answer = await self._cloud.call(
            self._sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["QueueArn"]
        )
        return answer["Attributes"]["QueueArn"]

    async def _track(self, container: str, owner: Owner, queues: QueueSet) -> None:
        now = int(time.time() * 1000)
        await self._tracking.put(
            {
                "containerId": container,
                "createdAt": now,
                "lastActivity": now,
                "clientId": owner.client,
                "projectId": owner.project,
                "userId": owner.user,
                "clientProjectId": f"{owner.client}-{owner.project}",
                "inputQueueUrl": queues.input,
                "outputQueueUrl": queues.output,
                "dlqQueueUrl": queues.dlq,
                "status": "active",
            }
        )

    async def send(self, url: str, body: Row, attributes: dict[str, str]) -> None:
        """Put one message on a queue."""
        await self._cloud.call(
            self._sqs.send_message,
            QueueUrl=url,
            MessageBody=json.dumps(body),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )

    async def wake(self, url: str) -> None:
        """Tell an idle container that somebody is back (contract §4.5)."""
        now = int(time.time() * 1000)
        await self.send(url, {"type": "wake", "timestamp": now, "reason": "session_resumed"}, {})

    async def remove(self, container: str) -> int:
        """Delete the container's queues and tracking rows, and return how many queues there were."""
        gone = 0
        for kind in ("input", "output", "dlq"):
            gone += await self.remove_queue(self.name(kind, container))
        for row in await self._tracking.rows(container):
            await self._tracking.delete(row)
        return gone

    async def remove_queue(self, name: str) -> bool:
        """Delete one queue; False if there was none."""
        try:
            url = (await self._cloud.call(self._sqs.get_queue_url, QueueName=name))["QueueUrl"]
            await self._cloud.call(self._sqs.delete_queue, QueueUrl=url)
        except CloudError as error:
            if error.code not in ABSENT:
                raise
            return False
        return True

    async def empty(self, name: str) -> None:
        """Delete every message of a queue, if it is there."""
        with contextlib.suppress(CloudError):
            url = (await self._cloud.call(self._sqs.get_queue_url, QueueName=name))["QueueUrl"]
            await self._cloud.call(self._sqs.purge_queue, QueueUrl=url)

    async def make_bare(self, name: str) -> None:
        """Make a queue as SQS makes it when nothing is asked for, and write it down nowhere."""
        await self._cloud.call(self._sqs.create_queue, QueueName=name)

    async def names(self) -> list[str]:
        """The names of all queues of containers."""
        paginator = self._sqs.get_paginator("list_queues")

        def listing() -> list[str]:
            pages = paginator.paginate(QueueNamePrefix=f"{self._prefix}-")
            return [url.rpartition("/")[2] for page in pages for url in page.get("QueueUrls", [])]

        return await self._cloud.call(listing)

    async def age_seconds(self, name: str) -> float:
        """How long ago a queue was made; 0 if it is gone."""
        try:
            url = (await self._cloud.call(self._sqs.get_queue_url, QueueName=name))["QueueUrl"]
            answer = await self._cloud.call(
                self._sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["CreatedTimestamp"]
            )
        except CloudError as error:
            if error.code not in ABSENT:
                raise
            return 0.0
        return time.time() - float(answer["Attributes"]["CreatedTimestamp"])


def _told(row: Row) -> QueueSet:
    return QueueSet(text(row, "inputQueueUrl"), text(row, "outputQueueUrl"), text(row, "dlqQueueUrl"))


def command(
    *,
    session: str,
    chat_thread: str,
    instruction: str,
    user: str,
    branch: str,
    owner: Owner,
    kind: str = "edit",
) -> Row:
    """An edit command's body (contract §4.2) with a fresh commandId."""
    return {
        "sessionId": session,
        "commandId": str(uuid.uuid4()),
        "chatThreadId": chat_thread,
        "timestamp": int(time.time() * 1000),
        "type": kind,
        "instruction": instruction,
        "userEmail": user,
        "context": {
            "branch": branch,
            "clientId": owner.client,
            "projectId": owner.project,
            "userId": owner.user,
        },
        "priority": "normal",
    }


def command_attributes(body: Row) -> dict[str, str]:
    """The message attributes that go with a command."""
    return {
        "CommandId": text(body, "commandId"),
        "SessionId": text(body, "sessionId"),
        "Type": text(body, "type"),
        "Priority": text(body, "priority"),
    }
