"""The AWS endpoint: what was never fully asked is not answered, and changes nothing."""

from typing import Any

from sandbox.aws import AwsEndpoint


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
