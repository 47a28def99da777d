"""What the platform is made of, as values: sessions, rows, tasks, queues."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from probes.platform.replies import Reply as Reply
from synthetics.errors import Unexpected


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
    lapsed: bool = False

    #: States from which nothing more is to be expected; `inactive`, `error` and `terminated` are older words.
    TERMINAL: ClassVar = frozenset({"expired", "inactive", "error", "terminated"})
    STATES: ClassVar = TERMINAL | {"initializing", "active", "draining", "idle"}

    @property
    def terminal(self) -> bool:
        """Whether it is over: by its state, or because its `ttl` was past when it was read (`lapsed`)."""
        return self.lapsed or self.status in SessionRow.TERMINAL

    @property
    def generation_b(self) -> bool:
        """Whether it is a row of the multi-session platform, which deletes it on release (contract §3.1)."""
        return self.client_id is None

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

    STATES: ClassVar = frozenset({"starting", "running", "idle", "stopping", "stopped"})

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
    vcpus: float = 0.0
    memory_gb: float = 0.0

    @property
    def id(self) -> str:
        """The last part of its ARN, which names its log stream."""
        return self.arn.rsplit("/", 1)[-1]

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

    @property
    def user_id(self) -> str | None:
        return self.tags.get("UserId") or self.environment.get("USER_ID")

    @property
    def family(self) -> str | None:
        """The family of its task definition."""
        told = self.task_definition or (self.group or "").partition("family:")[2]
        return family_of(told) if told else None

    def of_service(self, service: str) -> bool:
        """Whether a service keeps this task up (RunTask tasks belong to a family instead)."""
        return self.group == f"service:{service}"

    def __str__(self) -> str:
        return f"task {self.id} ({self.last_status})"


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

    def __str__(self) -> str:
        return f"service {self.name} (desired {self.desired}, running {self.running}, pending {self.pending})"


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


@dataclass(frozen=True, slots=True)
class WorkspaceStatus:
    """A workspace's git state: its branch, and what is not committed."""

    branch: str
    changes: tuple[str, ...] = ()

    @property
    def dirty(self) -> bool:
        return bool(self.changes)


def family_of(task_definition: str) -> str:
    """The family in a task definition's ARN or name, without its revision."""
    return task_definition.rsplit("/", 1)[-1].partition(":")[0]


def newest(rows: Iterable[SessionRow]) -> SessionRow | None:
    """The row made last; rows without a creation time count as oldest."""
    return max(rows, key=lambda row: row.created_at.timestamp() if row.created_at else 0.0, default=None)
