"""The three queues of a container: made, filled, read and removed (contract §4)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from probes.platform.aws import Aws, AwsClients, AwsError, a_text
from probes.platform.commands import Command
from probes.platform.guard import Guard
from probes.platform.responses import Responses, queue_name, received
from probes.platform.settings import PlatformSettings
from probes.platform.values import QueueDepth, QueueSet
from synthetics.clock import Clock
from synthetics.errors import ProbeBroken, Unexpected

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

ABSENT = frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"})
_ALLOWED = re.compile(r"[A-Za-z0-9_-]{1,80}")
_MOST_PAGES = 10
_RETENTION = "345600"
_RECEIVE_WAIT = "20"
_VISIBILITY = {"input": "300", "output": "300", "dlq": "60"}


@dataclass(frozen=True, slots=True)
class QueueNames:
    """What a container's queues are called."""

    input: str
    output: str
    dlq: str


class Queues:
    """SQS, as this run may see and change it."""

    def __init__(self, *, aws: Aws, settings: PlatformSettings, guard: Guard, clock: Clock) -> None:
        self._aws = aws
        self._settings = settings
        self._guard = guard
        self._clock = clock

    def names(self, container_id: str) -> QueueNames:
        """The names of the container's queues. Raises ProbeBroken where SQS would not take them."""
        prefix = self._settings.queue_prefix
        named = QueueNames(*(f"{prefix}{kind}-{container_id}" for kind in ("input", "output", "dlq")))
        for name in (named.input, named.output, named.dlq):
            if not _ALLOWED.fullmatch(name):
                raise ProbeBroken(f"queue name {name!r}: wanted letters, digits, '-' and '_', at most 80")
        return named

    def can_name(self, container_id: str) -> bool:
        """Whether queues can be named by this container's id."""
        return bool(_ALLOWED.fullmatch(f"{self._settings.queue_prefix}output-{container_id}"))

    def container_of(self, url: str) -> str:
        """The id of the container that a queue's address names."""
        return queue_name(url).removeprefix(self._settings.queue_prefix).partition("-")[2]

    # -- looking -----------------------------------------------------------------------------------------

    async def url(self, name: str) -> str | None:
        """The queue's address; None if there is no such queue."""
        try:
            return await self._aws.call(
                "sqs:GetQueueUrl", name, lambda c: a_text(c.sqs.get_queue_url(QueueName=name)["QueueUrl"])
            )
        except AwsError as error:
            if error.code in ABSENT:
                return None
            raise

    async def exists(self, name: str) -> bool:
        """Whether the queue is there. AWS may go on saying so for a minute after it was deleted."""
        return await self.url(name) is not None

    async def find(self, container_id: str) -> QueueSet | None:
        """The container's queue set; None unless all three are there."""
        named = self.names(container_id)
        urls = [await self.url(name) for name in (named.input, named.output, named.dlq)]
        if None in urls:
            return None
        return QueueSet(container_id, *(url for url in urls if url is not None))

    async def listed(self, name_prefix: str) -> list[str]:
        """The names of all queues that begin so, for a prefix of our own."""
        token: str | None = None
        found: list[str] = []
        for _ in range(_MOST_PAGES):
            more = {"NextToken": token} if token else {}

            def ask(clients: AwsClients, more: dict[str, str] = more) -> tuple[list[str], str | None]:
                page = clients.sqs.list_queues(QueueNamePrefix=name_prefix, MaxResults=1000, **more)
                return [a_text(url) for url in page.get("QueueUrls", [])], page.get("NextToken")

            urls, token = await self._aws.call("sqs:ListQueues", f"{name_prefix}*", ask)
            found += [queue_name(url) for url in urls]
            if token is None:
                break
        return found

    async def containers_with_queues(self, client_id: str) -> set[str]:
        """The containers of a client that have any queue left, told by the queues' names."""
        prefix, found = self._settings.queue_prefix, set[str]()
        for kind in ("input", "output", "dlq"):
            head = f"{prefix}{kind}-"
            listed = await self.listed(head + client_id)
            ids = (name.removeprefix(head) for name in listed)
            found |= {it for it in ids if it == client_id or it.startswith(f"{client_id}-")}
        return found

    async def bearing(self, mark: str) -> list[str]:
        """The names of all queues of the platform with `mark` in them, however wrong they are otherwise."""
        return sorted(name for name in await self.listed(self._settings.queue_prefix) if mark in name)

    async def of_containers(self) -> dict[str, list[str]]:
        """The queues of all containers there are, whoever made them: the containers' ids and their queues."""
        pattern = re.compile(rf"{re.escape(self._settings.queue_prefix)}(?:input|output|dlq)-(.+)")
        found: dict[str, list[str]] = {}
        for name in await self.listed(self._settings.queue_prefix):
            if told := pattern.fullmatch(name):
                found.setdefault(told[1], []).append(name)
        return found

    async def made(self, name: str) -> datetime | None:
        """When the queue was made, as SQS says; None if it is gone."""
        url = await self.url(name)
        if url is None:
            return None
        try:
            told = await self.attributes(url)
        except AwsError as error:
            if error.code in ABSENT:
                return None
            raise
        try:
            return datetime.fromtimestamp(float(told["CreatedTimestamp"]), UTC)
        except (KeyError, ValueError, OverflowError, OSError):
            raise _no_number(name, "CreatedTimestamp", "seconds since 1970", told) from None

    async def attributes(self, url: str) -> dict[str, str]:
        """Everything SQS tells about a queue (contract §4.1), as SQS spells it."""
        every: list[QueueAttributeNameType] = ["All"]
        answer = await self._aws.call(
            "sqs:GetQueueAttributes",
            queue_name(url),
            lambda c: c.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=every),
        )
        return {str(name): str(value) for name, value in answer.get("Attributes", {}).items()}

    async def tags(self, url: str) -> dict[str, str]:
        answer = await self._aws.call(
            "sqs:ListQueueTags", queue_name(url), lambda c: c.sqs.list_queue_tags(QueueUrl=url)
        )
        return dict(answer.get("Tags", {}))

    async def depth(self, url: str) -> QueueDepth:
        """How many messages a queue holds."""
        told = await self.attributes(url)

        def count(name: str) -> int:
            try:
                return int(told.get(name, 0))
            except ValueError:
                raise _no_number(queue_name(url), name, "a number", told) from None

        return QueueDepth(
            count("ApproximateNumberOfMessages"),
            count("ApproximateNumberOfMessagesNotVisible"),
            count("ApproximateNumberOfMessagesDelayed"),
        )

    # -- changing ----------------------------------------------------------------------------------------

    async def create(self, container_id: str, tags: Mapping[str, str] | None = None) -> QueueSet:
        """A queue set for an own container, with the platform's attributes; what exists is used."""
        self._guard.own("container", container_id)
        named = self.names(container_id)
        entry = await self._guard.belongings.intend("queue_set", container_id)
        common = {"Project": "Webordinary", "ManagedBy": "Hermes", **(tags or {})}
        dlq = await self._created(named.dlq, "dlq", {}, common | {"Type": "DLQ"})
        arn = (await self.attributes(dlq))["QueueArn"]
        redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})}
        taking = await self._created(named.input, "input", redrive, common | {"Type": "Standard"})
        giving = await self._created(named.output, "output", {}, common | {"Type": "Standard"})
        await self._guard.belongings.created(entry, "queue_set", container_id)
        return QueueSet(container_id, taking, giving, dlq)

    async def delete(self, container_id: str) -> None:
        """Delete the container's queues; those that are not there are as good."""
        if not self._guard.owns("session", container_id):
            self._guard.own("container", container_id)
        named = self.names(container_id)
        for name in (named.input, named.output, named.dlq):
            url = await self.url(name)
            if url is not None:
                await self._deleted(url)

    async def send(self, queue_url: str, command: Command) -> str:
        """Put a command on an own container's input queue; the message's id."""
        self._own_queue(queue_url)
        body = command.body(self._clock.now())
        return await self._aws.call(
            "sqs:SendMessage",
            queue_name(queue_url),
            lambda c: c.sqs.send_message(QueueUrl=queue_url, MessageBody=body)["MessageId"],
        )

    def responses(self, queue_url: str) -> "Responses":
        """A reader of an own container's output queue: it deletes what it reads."""
        self._own_queue(queue_url)
        return Responses(self._aws, queue_url, self._settings.response_wait)

    async def taken(self, queue_url: str, wait: timedelta) -> str | None:
        """The body of a message on an own queue, which is deleted; None if a long poll of `wait` saw none."""
        self._own_queue(queue_url)
        name, seconds = queue_name(queue_url), max(1, min(20, round(wait.total_seconds())))
        messages = await self._aws.call(
            "sqs:ReceiveMessage",
            name,
            lambda c: received(c.polling.receive_message(QueueUrl=queue_url, WaitTimeSeconds=seconds)),
            polls=True,
        )
        if not messages:
            return None
        message = messages[0]
        await self._aws.call(
            "sqs:DeleteMessage",
            name,
            lambda c: c.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message.handle),
        )
        return message.body

    # -- inside ------------------------------------------------------------------------------------------

    def _own_queue(self, url: str) -> None:
        """Raises GuardRefused unless the queue is one of an own container, whose id may be a session's."""
        if not self._guard.owns("session", self.container_of(url)):
            self._guard.own("queue", queue_name(url))

    async def _created(self, name: str, kind: str, extra: Mapping[str, str], tags: Mapping[str, str]) -> str:
        attributes: dict[QueueAttributeNameType, str] = {
            "VisibilityTimeout": _VISIBILITY[kind],
            "MessageRetentionPeriod": _RETENTION,
            "ReceiveMessageWaitTimeSeconds": _RECEIVE_WAIT,
        }
        if "RedrivePolicy" in extra:
            attributes["RedrivePolicy"] = extra["RedrivePolicy"]
        return await self._aws.call(
            "sqs:CreateQueue",
            name,
            lambda c: a_text(
                c.sqs.create_queue(QueueName=name, Attributes=attributes, tags=dict(tags))["QueueUrl"]
            ),
        )

    async def _deleted(self, url: str) -> None:
        try:
            await self._aws.call("sqs:DeleteQueue", queue_name(url), lambda c: c.sqs.delete_queue(QueueUrl=url))
        except AwsError as error:
            if error.code not in ABSENT:
                raise


def _no_number(queue: str, name: str, wanted: str, told: Mapping[str, str]) -> Unexpected:
    return Unexpected(
        f"unexpected: attribute {name} of queue {queue}: wanted {wanted}, got {told.get(name)!r}",
        queue=queue,
        attribute=name,
    )
