"""Responses of containers, read from their output queues and kept until they are asked for."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from probes.platform.aws import Aws, a_text
from probes.platform.commands import Response
from synthetics.errors import Unexpected

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import ReceiveMessageResultTypeDef

_LONGEST_SHOWN = 200


class Responses:
    """Reads one output queue by long polls, keeps what was not asked for yet, and deletes what it read.

    A poll that its caller gives up on goes on, and its messages are kept for the next look: received
    messages would otherwise stay invisible for five minutes (contract §4.6).
    """

    def __init__(self, aws: Aws, queue_url: str, wait: timedelta) -> None:
        self._aws = aws
        self._url = queue_url
        self._wait = max(1, min(20, round(wait.total_seconds())))
        self._kept: dict[str, list[Response]] = {}
        self._unreadable: list[Unexpected] = []
        self._broken: dict[str, Unexpected] = {}  # those that name their command all the same
        self._seen: set[str] = set()  # SQS may deliver one message twice: it is one response all the same
        self._polling: asyncio.Task[None] | None = None

    async def look(self, command_id: str) -> Response | None:
        """The response to this command, after at most one long poll; None if it is not there yet.

        Raises Unexpected for a response to this command that cannot be read. Other messages that are no
        responses are kept in `unreadable`: they may be anyone's.
        """
        if command_id not in self._kept and command_id not in self._broken:
            await self._poll()
        waiting = self._kept.get(command_id)
        if not waiting:
            if command_id in self._broken:
                raise self._broken[command_id]
            return None
        first = waiting.pop(0)
        if not waiting:
            del self._kept[command_id]
        return first

    @property
    def others(self) -> tuple[Response, ...]:
        """What was read and not asked for (responses to interrupts, of other sessions)."""
        return tuple(response for kept in self._kept.values() for response in kept)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """What is wrong with each message that came and is no response."""
        return tuple(map(str, self._unreadable))

    async def _poll(self) -> None:
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._receive(), name="responses")
            self._polling.add_done_callback(_told)
        await asyncio.shield(self._polling)

    async def _receive(self) -> None:
        name = queue_name(self._url)
        messages = await self._aws.call(
            "sqs:ReceiveMessage",
            name,
            lambda c: received(
                c.polling.receive_message(
                    QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=self._wait
                )
            ),
            polls=True,
        )
        self._received(name, messages)  # before any is deleted: what cannot be was received all the same
        for message in messages:
            handle = message.handle
            await self._aws.call(
                "sqs:DeleteMessage",
                name,
                lambda c, handle=handle: c.sqs.delete_message(QueueUrl=self._url, ReceiptHandle=handle),  # type: ignore[misc]
            )

    def _received(self, queue: str, messages: Sequence["Message"]) -> None:
        for message in messages:
            if message.id not in self._seen:
                self._seen.add(message.id)
                self._keep(queue, message.body)

    def _keep(self, queue: str, body: str) -> None:
        try:
            response = read_response(queue, body)
        except Unexpected as problem:
            self._unreadable.append(problem)
            command = _command_of(body)
            if command is not None:
                self._broken[command] = problem
        else:
            self._kept.setdefault(response.command_id, []).append(response)


def _told(poll: asyncio.Task[None]) -> None:
    """Take note of a poll's failure: whoever waits is told, and nobody has to."""
    if not poll.cancelled():
        poll.exception()


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came from a queue; by `handle` it is deleted."""

    id: str
    handle: str
    body: str


def received(answer: "ReceiveMessageResultTypeDef") -> list[Message]:
    """The messages of an answer to ReceiveMessage, picked where what is missing is AWS's fault."""
    return [
        Message(
            a_text(message.get("MessageId", message["ReceiptHandle"])),
            a_text(message["ReceiptHandle"]),
            a_text(message.get("Body", "")),
        )
        for message in answer.get("Messages", [])
    ]


def _command_of(body: str) -> str | None:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    named = told.get("commandId") if isinstance(told, dict) else None
    return named if isinstance(named, str) else None


def queue_name(url: str) -> str:
    """The last part of a queue's address."""
    return url.rsplit("/", 1)[-1]


def read_response(queue: str, body: str) -> Response:
    """A message of an output queue (contract §4.4). Raises Unexpected naming the member that is wrong."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Unexpected(f"unexpected: message on {queue}: wanted a JSON object, got {body[:200]!r}", body=body)

    def member(name: str, kind: type | tuple[type, ...], wanted: str, *, needed: bool = True) -> object:
        value = told.get(name)
        if value is None and not needed:
            return None
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise Unexpected(
                f"unexpected: message on {queue}: wanted {name!r} as {wanted}, got {_shown(value)}", body=body
            )
        return value

    files = member("filesChanged", list, "a list", needed=False) or []
    assert isinstance(files, list)
    texts = {
        name: member(name, str, "a text", needed=False)
        for name in ("summary", "error", "previewUrl", "gitCommit", "branch")
    }
    return Response(
        session_id=str(member("sessionId", str, "a text")),
        command_id=str(member("commandId", str, "a text")),
        success=bool(member("success", bool, "true or false")),
        timestamp=_instant(queue, member("timestamp", (int, float), "epoch milliseconds")),
        summary=str(texts["summary"] or ""),
        error=str(texts["error"] or ""),
        interrupted=bool(member("interrupted", bool, "true or false", needed=False)),
        files_changed=tuple(str(file) for file in files),
        preview_url=_maybe(texts["previewUrl"]),
        git_commit=_maybe(texts["gitCommit"]),
        branch=_maybe(texts["branch"]),
    )


def _maybe(value: object) -> str | None:
    return None if value is None else str(value)


def _instant(queue: str, value: object) -> datetime:
    try:
        return datetime.fromtimestamp(float(str(value)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise Unexpected(
            f"unexpected: message on {queue}: wanted 'timestamp' as epoch milliseconds, got {_shown(value)}"
        ) from None


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "…"
