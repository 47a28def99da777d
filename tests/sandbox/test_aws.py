"""The AWS endpoint: half a request, and messages that nobody deletes (contract §4.1, §4.6)."""

from typing import Any

from sandbox.aws import AwsEndpoint
from sandbox.hermes.queues import Owner
from sandbox.hermes.service import Hermes
from tests.sandbox.tasks_support import new_client
from tests.support.sandbox import RunningSandbox


async def test_half_a_request_of_a_caller_that_was_killed_asks_for_nothing() -> None:
    """A container may be killed while it sends; the endpoint must neither act on the half nor fall over it."""
    endpoint = AwsEndpoint({})
    half = iter(
        [
            {"type": "http.request", "body": b'{"TableNa', "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    sent: list[Any] = []

    async def receive() -> Any:
        return next(half)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "server": ("127.0.0.1", 80),
        "headers": [(b"x-amz-target", b"DynamoDB_20120810.UpdateItem"), (b"host", b"aws")],
    }
    try:
        await endpoint(scope, receive, send)
    finally:
        endpoint.close()

    assert sent == []


async def test_what_nobody_deletes_ends_among_the_dead_letters(sandbox: RunningSandbox, hermes: Hermes) -> None:
    sqs, client = sandbox.sqs, new_client()
    queues = await hermes.queues.ensure(f"{client}-site-ann", Owner(client, "site", "ann"))

    def depths(queue: str) -> tuple[int, int]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return int(told[names[0]]), int(told[names[1]])

    def receive(queue: str, visible_after: int) -> list[Any]:
        asked = {"VisibilityTimeout": visible_after, "WaitTimeSeconds": 0, "MaxNumberOfMessages": 10}
        told = sqs.receive_message(QueueUrl=queue, AttributeNames=["ApproximateReceiveCount"], **asked)
        messages: list[Any] = told.get("Messages", [])
        return messages

    sent = sqs.send_message(QueueUrl=queues.input, MessageBody="no command")["MessageId"]
    for count in "123":
        (message,) = receive(queues.input, 0)
        assert message["Attributes"]["ApproximateReceiveCount"] == count
        assert (depths(queues.input), depths(queues.dlq)) == ((1, 0), (0, 0))

    assert receive(queues.input, 0) == []

    assert (depths(queues.input), depths(queues.dlq)) == ((0, 0), (1, 0))
    assert sqs.list_dead_letter_source_queues(QueueUrl=queues.dlq)["queueUrls"] == [queues.input]
    (letter,) = receive(queues.dlq, 60)
    assert (letter["MessageId"], letter["Body"]) == (sent, "no command")
    assert depths(queues.dlq) == (0, 1)
    sqs.purge_queue(QueueUrl=queues.dlq)
    assert depths(queues.dlq) == (0, 0)
    await hermes.queues.remove(f"{client}-site-ann")
