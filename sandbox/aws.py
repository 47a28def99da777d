"""The AWS endpoint: moto behind one address, with the parts that the sandbox owns in front of it.

moto answers DynamoDB, SQS, CloudWatch, STS and ECS' definitions. The sandbox itself answers ECS tasks,
services and logs, and waits for SQS messages: moto's own long poll looks a hundred times a second, ours sleeps
until a message comes. moto's models are not made for two threads at once, so exactly one thread runs them.
"""

import asyncio
import io
import json
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sqs.models import sqs_backends
from werkzeug.test import run_wsgi_app

from sandbox import cloudwatch
from sandbox.ailing import Ailing
from sandbox.serving import Message, Receive, Send
from sandbox.settings import ACCOUNT, REGION

RECHECK_SECONDS = 1.0  # how late a message that became visible again by time alone may be seen
LONGEST_POLL_SECONDS = 20.0
WAKES_POLLS = frozenset({"SendMessage", "SendMessageBatch", "ChangeMessageVisibility", "DeleteQueue"})


class AwsError(Exception):
    """An error in AWS' own form."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Actions(Protocol):
    """Actions of one service that the sandbox answers itself."""

    def owns(self, action: str) -> bool: ...

    async def answer(self, action: str, request: dict[str, Any]) -> dict[str, Any]:
        """The response body; raises AwsError."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class AwsEndpoint:
    """An ASGI application that boto3 talks to as if it were AWS."""

    def __init__(self, own: Mapping[str, Actions], ailing: Ailing | None = None) -> None:
        assert DEFAULT_ACCOUNT_ID == ACCOUNT, "moto plays another account than the sandbox"
        self._own = own
        self._ailing = ailing
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="moto")
        self._arrivals: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._hung_up = False
        moto_api_backend.reset()
        cloudwatch.install()

    def hang_up(self) -> None:
        """From now on nobody waits for messages: the sandbox ends, and shall not wait for long polls."""
        self._hung_up = True
        for arrival in self._arrivals.values():
            arrival.set()

    def close(self) -> None:
        """Give the thread back; what it was doing is finished first."""
        self._thread.shutdown(wait=True)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _whole_body(receive)
        if body is None:
            return  # the caller was killed in the middle of asking: half a request asks for nothing
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        action = _action(headers)
        service, _, name = action.partition(".")
        own = self._own.get(service)
        unwell = await self._unwell(action, scope["path"], body)
        if unwell is not None:
            reply = unwell
        elif own is not None and own.owns(name):
            reply = await self._answer(own, name, body)
        elif action == "AmazonSQS.ReceiveMessage":
            reply = await self._receive_messages(scope, headers, body, receive)
        else:
            reply = await self._ask_moto(scope, headers, body)
            if service == "AmazonSQS" and name in WAKES_POLLS:
                self._announce(body)
            if self._ailing is not None and self._ailing.spreads_end(action, body):
                table = str(json.loads(body)["TableName"])
                await asyncio.get_running_loop().run_in_executor(self._thread, _expire_active, table)
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers],
            }
        )
        await send({"type": "http.response.body", "body": reply.body})

    async def query(self, table: str, attribute: str, value: str, index: str | None) -> list[dict[str, Any]]:
        """The items that a Query for this text would answer, for parts that live in the same process.

        What ails the endpoint ails this too. It leaves out the wire and moto's way of writing an answer, which
        take ten times as long as the look itself: a load balancer must not be slower than what is behind it.
        Raises AwsError.
        """
        unwell = await self._unwell("DynamoDB_20120810.Query", "/", json.dumps({"TableName": table}).encode())
        if unwell is not None:
            raise AwsError("InternalServerError", "The request could not be served.", status=unwell.status)
        look = partial(_items, table, attribute, value, index)
        return await asyncio.get_running_loop().run_in_executor(self._thread, look)

    async def _unwell(self, action: str, path: str, body: bytes) -> Reply | None:
        """What AWS answers while a fault has it; None if the request is to be answered as ever."""
        if self._ailing is None:
            return None
        await self._ailing.hold_up()
        if self._ailing.refuses(action, path, body):
            error = "InternalServerError"
            return _json_reply({"__type": error, "message": "The request could not be served."}, 500, error)
        if self._ailing.throttles(action, body):
            error = "ProvisionedThroughputExceededException"
            return _json_reply({"__type": error, "message": "The request rate is too high."}, 400, error)
        return _json_reply({}) if self._ailing.forgets(action, body) else None

    async def _answer(self, own: Actions, action: str, body: bytes) -> Reply:
        try:
            answer: dict[str, Any] = await own.answer(action, json.loads(body or b"{}"))
        except AwsError as error:
            return _json_reply({"__type": error.code, "message": str(error)}, error.status, error.code)
        return _json_reply(answer)

    async def _receive_messages(
        self, scope: Message, headers: list[tuple[str, str]], body: bytes, receive: Receive
    ) -> Reply:
        """What ReceiveMessage answers, after waiting as long as was asked, or until the caller is gone."""
        request = json.loads(body)
        queue = _queue_name(request)
        wait = _asked_wait(request, queue)
        at_once = json.dumps({**request, "WaitTimeSeconds": 0}).encode()
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        gone = asyncio.ensure_future(receive())
        try:
            while True:
                arrival = self._arrivals[queue]
                reply = await self._ask_moto(scope, headers, at_once)
                left = until - loop.time()
                if left <= 0 or reply.status != 200 or json.loads(reply.body or b"{}").get("Messages"):
                    return reply
                await _first((arrival.wait(), gone), timeout=min(left, RECHECK_SECONDS))
                if gone.done() or self._hung_up:
                    return reply  # a message must not be handed to a caller that has hung up
        finally:
            gone.cancel()

    def _announce(self, body: bytes) -> None:
        arrival = self._arrivals.pop(_queue_name(json.loads(body)), None)
        if arrival is not None:
            arrival.set()

    async def _ask_moto(self, scope: Message, headers: list[tuple[str, str]], body: bytes) -> Reply:
        environ = _environ(scope, headers, body)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run_moto, environ)

    def _run_moto(self, environ: dict[str, Any]) -> Reply:
        chunks, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        body = b"".join(chunks)
        kept = [(name.lower(), value) for name, value in headers if name.lower() != "content-length"]
        return Reply(int(status.split()[0]), [*kept, ("content-length", str(len(body)))], body)


def _items(table: str, attribute: str, value: str, index: str | None) -> list[dict[str, Any]]:
    """What moto's DynamoDB holds under this key, as it would be on the wire."""
    wanted = {"S": value}
    found, _, _ = dynamodb_backends[ACCOUNT][REGION].query(
        table,
        wanted,
        None,
        [],
        1_000_000,
        None,  # type: ignore[arg-type]  # "from the start", as moto itself says it
        True,
        None,
        index,
        hash_key_conditions=[(attribute, wanted)],
    )
    return [item.to_json()["Attributes"] for item in found]


def _expire_active(table: str) -> None:
    """Let every active session of this table be expired."""
    for item in dynamodb_backends[ACCOUNT][REGION].get_table(table).all_items():
        if item.attrs.get("status") == DynamoType({"S": "active"}):
            item.attrs["status"] = DynamoType({"S": "expired"})


async def _first(waits: Iterable[Awaitable[Any]], *, timeout: float) -> None:
    """Return when one of these has happened; those of them that are futures live on."""
    own = [asyncio.ensure_future(wait) for wait in waits if not isinstance(wait, asyncio.Future)]
    others = [wait for wait in waits if isinstance(wait, asyncio.Future)]
    try:
        await asyncio.wait([*own, *others], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in own:
            wait.cancel()


async def _whole_body(receive: Receive) -> bytes | None:
    """The request's body; None if the caller hung up before its end."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _action(headers: list[tuple[str, str]]) -> str:
    return next((value for name, value in headers if name == "x-amz-target"), "")


def _queue_name(request: dict[str, Any]) -> str:
    return urlsplit(str(request.get("QueueUrl", ""))).path.rpartition("/")[2]


def _asked_wait(request: dict[str, Any], queue: str) -> float:
    """Seconds that the caller wants to wait: its own figure, else the queue's."""
    wait = request.get("WaitTimeSeconds")
    if wait is None:
        known = sqs_backends[ACCOUNT][REGION].queues.get(queue)
        wait = 0 if known is None else known.receive_message_wait_time_seconds  # type: ignore[attr-defined]
    return min(float(wait or 0), LONGEST_POLL_SECONDS)


def _environ(scope: Message, headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    host, port = scope["server"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"],
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": scope["client"][0] if scope.get("client") else "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value
        elif key != "CONTENT_LENGTH":
            environ[f"HTTP_{key}"] = value
    return environ


def _json_reply(answer: dict[str, Any], status: int = 200, error: str = "") -> Reply:
    body = json.dumps(answer).encode()
    headers = [("content-type", "application/x-amz-json-1.1"), ("content-length", str(len(body)))]
    if error:
        headers.append(("x-amzn-errortype", error))
    return Reply(status, headers, body)
