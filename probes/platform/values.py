"""What comes back from the platform, as values: replies, rows, tasks, queues, commands and responses."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import uuid4

from synthetics.errors import Unexpected

LONGEST_BODY = 1024 * 1024
_SHORT = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whatever it says; `status` is 0 and `failure` tells why where none came.

    `text` is cut at 1 MiB (`cut` says so). `took` runs from the request's start to its last byte read.
    """

    request: str
    status: int
    took: timedelta
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    cut: bool = False
    failure: str | None = None

    @property
    def ok(self) -> bool:
        """Any 2xx."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """A header's value, the name in any case."""
        return self.headers.get(name.lower())

    def json(self) -> dict[str, object]:
        """The body as a JSON object. Raises Unexpected naming what came instead."""
        value = self._parsed()
        if not isinstance(value, dict):
            raise self._unreadable("a JSON object", f"a JSON {_json_kind(value)}")
        return value

    def json_list(self) -> list[dict[str, object]]:
        """The body as a JSON array of objects. Raises Unexpected naming what came instead."""
        value = self._parsed()
        if not isinstance(value, list):
            raise self._unreadable("a JSON array", f"a JSON {_json_kind(value)}")
        for entry in value:
            if not isinstance(entry, dict):
                raise self._unreadable("a JSON array of objects", f"an array with a JSON {_json_kind(entry)}")
        return value

    def text_field(self, name: str) -> str:
        """A member of the JSON object that must be a text with something in it. Raises Unexpected."""
        value = self.json().get(name)
        if not isinstance(value, str) or not value:
            raise Unexpected(
                f"unexpected: {self.request}: wanted {name!r} as a text, got {_short(repr(value))}",
                **self.evidence(),
            )
        return value

    def message(self) -> str:
        """What an error says: the `message` of a JSON body, else the start of the body, else the failure."""
        if self.failure is not None:
            return self.failure
        try:
            value = json.loads(self.text)
        except ValueError:
            return _short(self.text.strip())
        said = value.get("message") if isinstance(value, dict) else None
        return said if isinstance(said, str) else _short(self.text)

    def told(self) -> str:
        """The outcome in a few words, for reasons: `500: Failed to …`, `no answer: connection refused`."""
        if self.failure is not None:
            return f"no answer ({self.failure})"
        said = self.message()
        return f"{self.status}: {said}" if said else f"{self.status} with an empty body"

    def evidence(self) -> dict[str, object]:
        """The reply for a check's evidence, short."""
        if self.failure is not None:
            return {"request": self.request, "failure": self.failure, "took": self.took}
        return {"request": self.request, "status": self.status, "body": _short(self.text), "took": self.took}

    def __str__(self) -> str:
        return self.told()

    def _parsed(self) -> object:
        if self.failure is not None:
            raise self._unreadable("JSON", f"no answer ({self.failure})")
        if self.cut:
            raise self._unreadable("JSON", f"a body of more than {LONGEST_BODY // 1024} KiB")
        body = self.text.strip()
        if not body:
            raise self._unreadable("JSON", "an empty body")
        try:
            parsed: object = json.loads(body)
        except (ValueError, RecursionError):
            raise self._unreadable("JSON", _not_json(body)) from None
        return parsed

    def _unreadable(self, wanted: str, got: str) -> Unexpected:
        return Unexpected(f"unexpected: {self.request}: wanted {wanted}, got {got}", **self.evidence())


def _not_json(body: str) -> str:
    if body[0] == "<":
        return f"HTML: {_short(body)!r}"
    if body[0] in '{["':
        return f"a broken or half JSON: {_short(body)!r}"
    return f"a text: {_short(body)!r}"


def _json_kind(value: object) -> str:
    kinds = {dict: "object", list: "array", str: "text", bool: "boolean", int: "number", float: "number"}
    return "null" if value is None else kinds[type(value)]


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What a socket said to a request sent byte for byte; `failure` where it said nothing."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    failure: str | None = None

    @property
    def refused(self) -> bool:
        """Nobody answered, or the connection was shut without a word: an answer too."""
        return self.status == 0


@dataclass(frozen=True, slots=True)
class UpgradeAnswer:
    """How a WebSocket handshake was answered."""

    status: int
    body: str = ""
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Activation:
    """A session asked for. `looked_up` tells that no usable answer came and its row was found instead.

    `sent` and `answered` are monotonic instants of the run's clock, `sent_at` the wall clock at `sent`.
    """

    session_id: str
    preview_url: str | None
    status: str
    client_id: str
    user_id: str
    sent: float
    sent_at: datetime
    answered: float
    reply: Reply
    looked_up: bool = False

    @property
    def took(self) -> timedelta:
        """From sending activate to having its answer (or having given up on it)."""
        return timedelta(seconds=self.answered - self.sent)


class _Needs:
    """Rows whose optional attributes a case may insist on."""

    __slots__ = ()

    def need(self, name: str) -> str:
        """The row's attribute `name` as a text. Raises Unexpected if the row lacks it."""
        value = getattr(self, name)
        if not isinstance(value, str) or not value:
            raise Unexpected(
                f"unexpected: {self}: wanted attribute {name!r} as a text, got {value!r}",
                row=str(self),
                attribute=name,
            )
        return value


@dataclass(frozen=True, slots=True)
class SessionRow(_Needs):
    """A row of the sessions table (contract §3.1), of either generation; `key` is its own primary key."""

    session_id: str
    status: str
    key: Mapping[str, str]
    user_id: str | None = None
    client_id: str | None = None
    thread_id: str | None = None
    edit_branch: str | None = None
    preview_url: str | None = None
    task_arn: str | None = None
    container_ip: str | None = None
    container_id: str | None = None
    input_queue_url: str | None = None
    output_queue_url: str | None = None
    last_activity: datetime | None = None
    created_at: datetime | None = None
    ttl: datetime | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)

    #: States from which nothing more is to be expected; `inactive`, `error` and `terminated` are older words.
    TERMINAL = frozenset({"expired", "inactive", "error", "terminated"})

    @property
    def terminal(self) -> bool:
        return self.status in SessionRow.TERMINAL

    def __str__(self) -> str:
        return f"session row {self.session_id} ({self.status})"


@dataclass(frozen=True, slots=True)
class ContainerRow(_Needs):
    """A row of the containers table (contract §3.3)."""

    container_id: str
    status: str
    task_arn: str | None = None
    container_ip: str | None = None
    client_id: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    input_queue_url: str | None = None
    output_queue_url: str | None = None
    dlq_url: str | None = None
    management_queue_url: str | None = None
    session_count: int = 0
    created_at: datetime | None = None
    last_activity: datetime | None = None
    last_started: datetime | None = None
    stopped_at: datetime | None = None

    def __str__(self) -> str:
        return f"container row {self.container_id} ({self.status})"


@dataclass(frozen=True, slots=True)
class MappingRow(_Needs):
    """A row of the thread-mappings table (contract §3.2)."""

    thread_id: str
    session_id: str | None = None
    container_id: str | None = None
    client_id: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    status: str | None = None
    source: str | None = None
    message_count: int | None = None
    created_at: datetime | None = None
    last_activity: datetime | None = None

    def __str__(self) -> str:
        return f"mapping row {self.thread_id}"


@dataclass(frozen=True, slots=True)
class TrackingRow(_Needs):
    """A row of the queue-tracking table (contract §3.4); `key` is its own primary key, as stored."""

    container_id: str
    created_at: datetime
    key: Mapping[str, Mapping[str, str]]
    input_queue_url: str | None = None
    output_queue_url: str | None = None
    dlq_url: str | None = None
    status: str | None = None
    client_id: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    last_activity: datetime | None = None

    def __str__(self) -> str:
        return f"queue-tracking row {self.container_id}"


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as DescribeTasks tells it; any timestamp may be missing (contract §5.5)."""

    arn: str
    last_status: str
    desired_status: str
    health: str | None = None
    created_at: datetime | None = None
    connectivity_at: datetime | None = None
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    execution_stopped_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    exit_code: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    image_digest: str | None = None
    task_definition: str | None = None
    private_ip: str | None = None

    @property
    def running(self) -> bool:
        return self.last_status == "RUNNING"

    @property
    def stopped(self) -> bool:
        return self.last_status == "STOPPED"

    @property
    def leaving(self) -> bool:
        """Stopped, or told to stop: nothing starts it again."""
        return self.desired_status == "STOPPED" or self.stopped

    @property
    def client_id(self) -> str | None:
        """Whose task it is, by tag or by the environment it was launched with."""
        return self.tags.get("ClientId") or self.environment.get("CLIENT_ID")

    @property
    def container_id(self) -> str | None:
        return self.tags.get("ContainerId") or self.environment.get("CONTAINER_ID")

    @property
    def session_id(self) -> str | None:
        return self.environment.get("SESSION_ID")

    def of_service(self, service: str) -> bool:
        """Whether a service keeps this task up (RunTask tasks belong to a family instead)."""
        return self.group == f"service:{service}"

    def __str__(self) -> str:
        return f"task {self.arn.rsplit('/', 1)[-1]} ({self.last_status})"


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service's own counts; they lag behind the tasks by seconds."""

    name: str
    status: str
    desired: int
    running: int
    pending: int
    task_definition: str | None = None

    @property
    def stable(self) -> bool:
        return self.running == self.desired and self.pending == 0


@dataclass(frozen=True, slots=True)
class TaskCount:
    """How many edit tasks there are, in the views that were asked for; `total` is what counts."""

    total: int
    service: int | None = None
    cluster: int | None = None


@dataclass(frozen=True, slots=True)
class QueueSet:
    """The three queues of one container (contract §4.1)."""

    container_id: str
    input_url: str
    output_url: str
    dlq_url: str

    def urls(self) -> tuple[str, str, str]:
        return (self.input_url, self.output_url, self.dlq_url)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many messages a queue holds, approximately, as SQS says."""

    visible: int
    in_flight: int
    delayed: int = 0

    @property
    def total(self) -> int:
        return self.visible + self.in_flight + self.delayed


class CommandType(StrEnum):
    """What a command asks of a container."""

    EDIT = "edit"
    BUILD = "build"
    COMMIT = "commit"
    PUSH = "push"
    PREVIEW = "preview"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One message for a container's input queue (contract §4.2)."""

    session_id: str
    thread_id: str
    instruction: str
    client_id: str
    project_id: str = ""
    user_id: str = ""
    user_email: str = "synthetics@example.com"
    type: CommandType = CommandType.EDIT
    priority: str = "normal"
    command_id: str = field(default_factory=lambda: str(uuid4()))

    @classmethod
    def interrupt(cls, of: "Command", reason: str = "newer request") -> "Command":
        """The interrupt that is sent ahead of a newer command of the same session (contract §4.3)."""
        return cls(
            session_id=of.session_id,
            thread_id=of.thread_id,
            instruction=f"INTERRUPT: {reason}",
            client_id="",
            user_email="system@webordinary.com",
            type=CommandType.INTERRUPT,
            priority="high",
        )

    def body(self, at: datetime) -> str:
        """The message as JSON; `at` is its timestamp."""
        return json.dumps(
            {
                "sessionId": self.session_id,
                "commandId": self.command_id,
                "chatThreadId": self.thread_id,
                "timestamp": int(at.timestamp() * 1000),
                "type": self.type.value,
                "instruction": self.instruction,
                "userEmail": self.user_email,
                "context": {
                    "branch": f"thread-{self.thread_id}",
                    "clientId": self.client_id,
                    "projectId": self.project_id,
                    "userId": self.user_id,
                },
                "priority": self.priority,
            }
        )


@dataclass(frozen=True, slots=True)
class Response:
    """One message of a container's output queue (contract §4.4)."""

    session_id: str
    command_id: str
    success: bool
    timestamp: datetime
    summary: str = ""
    error: str = ""
    interrupted: bool = False
    files_changed: tuple[str, ...] = ()
    preview_url: str | None = None
    git_commit: str | None = None
    branch: str | None = None

    @property
    def told_interrupted(self) -> bool:
        """By flag or by words: the platform's two halves say it differently."""
        words = f"{self.summary} {self.error}".casefold()
        return self.interrupted or (not self.success and "interrupted" in words)


@dataclass(frozen=True, slots=True)
class WorkspaceStatus:
    """A workspace's git state: its branch, and what is not committed."""

    branch: str
    changes: tuple[str, ...] = ()

    @property
    def dirty(self) -> bool:
        return bool(self.changes)


def newest(rows: Iterable[SessionRow]) -> SessionRow | None:
    """The row made last; rows without a creation time count as oldest."""
    return max(rows, key=lambda row: row.created_at.timestamp() if row.created_at else 0.0, default=None)
