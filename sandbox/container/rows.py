"""What a container reads and writes in AWS: its own row, its queues, the mappings that keep it awake."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.container.launch import Launch
from sandbox.provision import client_config, session
from sandbox.settings import SandboxSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

LONG_POLL_SECONDS = 20


class Clients:
    """The AWS clients of a container."""

    def __init__(self, settings: SandboxSettings) -> None:
        aws = session()
        url, config = settings.aws_url, client_config(read_timeout=LONG_POLL_SECONDS + 15)
        self.dynamodb: DynamoDBClient = aws.client("dynamodb", endpoint_url=url, config=config)
        self.sqs: SQSClient = aws.client("sqs", endpoint_url=url, config=config)


class ContainerRow:
    """The container's own row. All calls block; nothing here catches anything."""

    def __init__(self, dynamodb: "DynamoDBClient", settings: SandboxSettings, launch: Launch) -> None:
        self._dynamodb = dynamodb
        self._settings = settings
        self._key = {"containerId": {"S": launch.container_id}}
        self._launch = launch

    def register(self) -> None:
        """Say that this container runs, under which task and address."""
        now = _millis()
        self._update(
            status="running",
            taskArn=self._launch.task_arn,
            containerIp=self._launch.get("CONTAINER_IP", "unknown"),
            lastActivity=now,
            lastStarted=now,
        )

    def touch(self) -> None:
        """Write down that there was activity."""
        self._update(lastActivity=_millis(), only_if_there=True)

    def stopping(self) -> None:
        """Say that this container is about to sleep."""
        self._update(status="stopping", stoppedAt=_millis(), only_if_there=True)

    def starting(self) -> None:
        """Say that this container starts, which it does not."""
        self._update(status="starting", only_if_there=True)

    def mappings(self) -> int:
        """How many chats are mapped to this container."""
        container = self._launch.container_id
        names = {":c": {"S": container}}
        table = self._settings.thread_mapping_table
        try:
            counted = self._dynamodb.query(
                TableName=table,
                IndexName="container-index",
                KeyConditionExpression="containerId = :c",
                ExpressionAttributeValues=names,
                Select="COUNT",
            )
        except self._dynamodb.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":  # that one means: no such index
                raise
            return self._dynamodb.scan(
                TableName=table,
                FilterExpression="containerId = :c",
                ExpressionAttributeValues=names,
                Select="COUNT",
            )["Count"]
        return counted["Count"]

    def _update(self, *, only_if_there: bool = False, **values: str | int) -> None:
        condition = {"ConditionExpression": "attribute_exists(containerId)"} if only_if_there else {}
        self._dynamodb.update_item(
            **condition,  # type: ignore[arg-type]
            TableName=self._settings.container_table,
            Key=self._key,
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": _attribute(value) for name, value in values.items()},
        )


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the input queue; `sent` is the epoch second when SQS took it."""

    body: str
    receipt: str
    sent: float


class Queues:
    """The container's queues. All calls block."""

    def __init__(self, sqs: "SQSClient", launch: Launch) -> None:
        self._sqs = sqs
        self._input = launch.get("INPUT_QUEUE_URL")
        self._output = launch.get("OUTPUT_QUEUE_URL")
        self._dlq = launch.get("DLQ_URL")

    def waiting(self) -> int:
        """How many messages there are to receive, about."""
        answer = self._sqs.get_queue_attributes(
            QueueUrl=self._input, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def receive(self, *, wait: int) -> Message | None:
        """The next message, or None."""
        answer = self._sqs.receive_message(
            QueueUrl=self._input, MaxNumberOfMessages=1, WaitTimeSeconds=wait, AttributeNames=["SentTimestamp"]
        )
        for message in answer.get("Messages", []):
            sent = float(message["Attributes"]["SentTimestamp"]) / 1000
            return Message(message["Body"], message["ReceiptHandle"], sent)
        return None

    def delete(self, message: Message) -> None:
        self._sqs.delete_message(QueueUrl=self._input, ReceiptHandle=message.receipt)

    def give_back(self, message: Message) -> None:
        """Let the message be seen again at once."""
        self._sqs.change_message_visibility(
            QueueUrl=self._input, ReceiptHandle=message.receipt, VisibilityTimeout=0
        )

    def bury(self, message: Message) -> None:
        """Move the message to the dead letters."""
        self._sqs.send_message(QueueUrl=self._dlq, MessageBody=message.body)
        self.delete(message)

    def respond(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._output, MessageBody=body)


def _attribute(value: str | int) -> Any:
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def _millis() -> int:
    return int(time.time() * 1000)
