"""Rows of the platform's tables, read strictly: a wrongly typed attribute is named, not guessed around.

Attributes that nobody promised are ignored; both spellings of an attribute are accepted where the platform
itself uses both (contract Q13), and `createdAt` as text or number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import structlog
from boto3.dynamodb.types import TypeDeserializer

from probes.platform.values import ContainerRow, MappingRow, SessionRow, TrackingRow
from synthetics.errors import Unexpected

log: structlog.stdlib.BoundLogger = structlog.get_logger()

Stored = Mapping[str, Any]
"""An item as DynamoDB's wire format has it: `{"status": {"S": "active"}}`."""

_KINDS = {
    "S": "a text (S)",
    "N": "a number (N)",
    "M": "a map (M)",
    "L": "a list (L)",
    "BOOL": "a truth value (BOOL)",
    "NULL": "null",
}
_LONGEST_SHOWN = 120
#: DynamoDB's numbers reach from 1E-130 to 9.9E+125.
_MOST_DIGITS = 130
#: What reading a value raises that is not what its type says.
_UNREADABLE = (AttributeError, TypeError, ValueError, ArithmeticError, RecursionError)
#: Older words for a container's states (contract §3.3).
_OLDER_STATES = {"terminating": "stopping", "terminated": "stopped"}


class Attributes:
    """The attributes of one item, read by name and type."""

    def __init__(self, table: str, key: str, item: Stored) -> None:
        self._table = table
        self._key = key
        self._item = item

    def text(self, *names: str) -> str:
        """The first of these attributes that is there. Raises Unexpected if none is, or it is no text."""
        found = self.maybe_text(*names)
        if found is None:
            raise self.wrong(" or ".join(names), "a text (S)", "no such attribute")
        return found

    def maybe_text(self, *names: str) -> str | None:
        """Like `text`, None if none of them is there."""
        name, kind, value = self._first(names)
        if kind in ("", "NULL"):
            return None
        if kind != "S":
            raise self.wrong(name, "a text (S)", self._shown(kind, value))
        return str(value)

    def maybe_number(self, name: str) -> Decimal | None:
        """A number, None if it is not there. Raises Unexpected for any other type."""
        name, kind, value = self._first((name,))
        if kind in ("", "NULL"):
            return None
        number = _number(value) if kind == "N" else None
        if number is None:
            raise self.wrong(name, "a number (N)", self._shown(kind, value))
        return number

    def maybe_instant(self, name: str, *, unit: int = 1000) -> datetime | None:
        """An instant in epoch milliseconds (`unit=1`: seconds), None if it is not there."""
        number = self.maybe_number(name)
        return None if number is None else self._instant(name, number, unit)

    def maybe_either_instant(self, name: str) -> datetime | None:
        """An instant in epoch milliseconds or as an ISO 8601 text: the platform writes both."""
        _, kind, value = self._first((name,))
        if kind != "S":
            return self.maybe_instant(name)
        try:
            instant = datetime.fromisoformat(str(value))
            return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise self.wrong(name, "an ISO 8601 time (S) or a number (N)", self._shown(kind, value)) from None

    def maybe_map(self, name: str) -> dict[str, object]:
        """A map, empty if it is not there. Raises Unexpected for any other type."""
        name, kind, value = self._first((name,))
        if kind in ("", "NULL"):
            return {}
        try:
            if kind == "M":
                read = TypeDeserializer()
                return {str(inner): read.deserialize(typed) for inner, typed in value.items()}
        except _UNREADABLE:
            pass  # a map of what no map can hold
        raise self.wrong(name, "a map (M)", self._shown(kind, value))

    def _first(self, names: tuple[str, ...]) -> tuple[str, str, Any]:
        for name in names:
            if name in self._item:
                kind, value = _typed(self._item[name])
                return name, kind, value
        return names[0], "", None

    def _instant(self, name: str, number: Decimal, unit: int) -> datetime:
        try:
            return datetime.fromtimestamp(float(number / unit), UTC)
        except (ValueError, ArithmeticError, OSError):
            wanted = "epoch milliseconds" if unit == 1000 else "epoch seconds"
            raise self.wrong(name, f"{wanted} (N)", str(number)) from None

    def _shown(self, kind: str, value: object) -> str:
        shown = repr(value)
        cut = shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "…"
        return f"{_KINDS.get(kind, kind)}: {cut}"

    def wrong(self, name: str, wanted: str, got: str) -> Unexpected:
        return Unexpected(
            f"unexpected: table {self._table}, row {self._key}: attribute {name!r}: wanted {wanted}, got {got}",
            table=self._table,
            row=self._key,
            attribute=name,
            wanted=wanted,
            got=got,
        )


@dataclass(frozen=True, slots=True)
class Marks:
    """The ids that a row of any table bears: enough to know whose it is, and to remove it."""

    session_id: str | None
    thread_id: str | None
    container_id: str | None
    client_id: str | None
    user_id: str | None = None
    queue_urls: tuple[str, ...] = ()


def marks(item: Stored) -> Marks:
    """The row's ids. What is no text counts as not there: those who remove a row must be able to read any."""

    def text(*names: str) -> str | None:
        found = (_typed(item[name]) for name in names if name in item)
        return next((value for kind, value in found if kind == "S" and isinstance(value, str) and value), None)

    urls = (text(name) for name in ("inputQueueUrl", "outputQueueUrl", "dlqUrl", "dlqQueueUrl"))
    return Marks(
        text("sessionId"),
        text("chatThreadId", "threadId"),
        text("containerId"),
        text("clientId"),
        text("userId"),
        tuple(url for url in urls if url),
    )


def is_stub(item: Stored) -> bool:
    """A session row without a state, which a keepalive on a composite table may leave behind (Q2)."""
    return "status" not in item and _typed(item.get("userId")) == ("S", "*")


def session(table: str, key_names: tuple[str, ...], item: Stored, *, now: datetime | None = None) -> SessionRow:
    """A session row of either generation, as it is at `now`. Raises Unexpected."""
    read = Attributes(table, _key(item, "sessionId"), item)
    return SessionRow(
        session_id=read.text("sessionId"),
        status=_known("session", SessionRow.STATES, read.text("status")),
        key={name: read.text(name) for name in key_names},
        user_id=read.maybe_text("userId"),
        client_id=read.maybe_text("clientId"),
        thread_id=read.maybe_text("chatThreadId", "threadId"),
        edit_branch=read.maybe_text("editBranch"),
        preview_url=read.maybe_text("previewUrl"),
        task_arn=read.maybe_text("fargateTaskArn", "taskArn"),
        container_ip=read.maybe_text("containerIp"),
        container_id=read.maybe_text("containerId"),
        input_queue_url=read.maybe_text("inputQueueUrl"),
        output_queue_url=read.maybe_text("outputQueueUrl"),
        last_activity=read.maybe_instant("lastActivity"),
        created_at=read.maybe_either_instant("createdAt"),
        ttl=read.maybe_instant("ttl", unit=1),
        metadata=read.maybe_map("metadata"),
        lapsed=now is not None and lapsed(item, now),
    )


def container(table: str, item: Stored) -> ContainerRow:
    """A container row. Raises Unexpected."""
    read = Attributes(table, _key(item, "containerId"), item)
    return ContainerRow(
        container_id=read.text("containerId"),
        status=_known("container", ContainerRow.STATES, _OLDER_STATES.get(told := read.text("status"), told)),
        task_arn=read.maybe_text("taskArn", "fargateTaskArn"),
        container_ip=read.maybe_text("containerIp"),
        client_id=read.maybe_text("clientId"),
        project_id=read.maybe_text("projectId"),
        user_id=read.maybe_text("userId"),
        input_queue_url=read.maybe_text("inputQueueUrl"),
        output_queue_url=read.maybe_text("outputQueueUrl"),
        dlq_url=read.maybe_text("dlqUrl", "dlqQueueUrl"),
        management_queue_url=read.maybe_text("managementQueueUrl"),
        session_count=int(read.maybe_number("sessionCount") or 0),
        created_at=read.maybe_either_instant("createdAt"),
        last_activity=read.maybe_instant("lastActivity"),
        last_started=read.maybe_instant("lastStarted"),
        stopped_at=read.maybe_instant("stoppedAt"),
    )


def mapping(table: str, item: Stored) -> MappingRow:
    """A thread mapping. Raises Unexpected."""
    read = Attributes(table, _key(item, "threadId"), item)
    count = read.maybe_number("messageCount")
    return MappingRow(
        thread_id=read.text("threadId"),
        session_id=read.maybe_text("sessionId"),
        container_id=read.maybe_text("containerId"),
        client_id=read.maybe_text("clientId"),
        project_id=read.maybe_text("projectId"),
        user_id=read.maybe_text("userId"),
        status=read.maybe_text("status"),
        source=read.maybe_text("source"),
        message_count=None if count is None else int(count),
        created_at=read.maybe_either_instant("createdAt") or read.maybe_instant("firstSeen"),
        last_activity=read.maybe_instant("lastActivity"),
    )


def tracking(table: str, item: Stored) -> TrackingRow:
    """A queue-tracking row. Raises Unexpected."""
    read = Attributes(table, _key(item, "containerId"), item)
    created = read.maybe_instant("createdAt")
    if created is None:
        raise read.wrong("createdAt", "a number (N)", "no such attribute")
    return TrackingRow(
        container_id=read.text("containerId"),
        created_at=created,
        key=key_of(table, item, ("containerId", "createdAt")),
        input_queue_url=read.maybe_text("inputQueueUrl"),
        output_queue_url=read.maybe_text("outputQueueUrl"),
        dlq_url=read.maybe_text("dlqQueueUrl", "dlqUrl"),
        status=read.maybe_text("status"),
        client_id=read.maybe_text("clientId"),
        project_id=read.maybe_text("projectId"),
        user_id=read.maybe_text("userId"),
        last_activity=read.maybe_instant("lastActivity"),
    )


def lapsed(item: Stored, now: datetime) -> bool:
    """Whether the row's `ttl` is past: it counts as expired, though DynamoDB deletes it only later."""
    kind, told = _typed(item.get("ttl"))
    number = _number(told) if kind == "N" else None
    return number is not None and number <= Decimal(now.timestamp())


#: A platform that writes something new each time must not fill the memory of a service that runs for months.
@lru_cache(maxsize=256)
def _known(kind: str, states: frozenset[str], status: str) -> str:
    """The state; the log notes, once for each of the latest, what the contract does not know."""
    if status not in states:
        log.warning("state.unknown", kind=kind, state=status)
    return status


def _key(item: Stored, name: str) -> str:
    kind, value = _typed(item.get(name))
    return str(value)[:_LONGEST_SHOWN] if kind else "without a key"


def key_of(table: str, item: Stored, names: tuple[str, ...]) -> Stored:
    """The item's own key, as it is stored. Raises Unexpected where it lacks a part of it."""
    for name in names:
        if name not in item:
            shown = _key(item, names[0])
            raise Attributes(table, shown, item).wrong(name, "a part of the key", "no such attribute")
    return {name: item[name] for name in names}


def text_of(table: str, item: Stored, name: str) -> str:
    """One text of an item. Raises Unexpected where it is none."""
    return Attributes(table, _key(item, name), item).text(name)


def _typed(stored: object) -> tuple[str, Any]:
    """The type and the value of an attribute; no type where nothing is stored that has one."""
    if isinstance(stored, Mapping) and stored:
        kind, value = next(iter(stored.items()))
        return str(kind), value
    return "", None


def _number(told: object) -> Decimal | None:
    """A number as DynamoDB keeps them; None for what can be none of its."""
    try:
        number = Decimal(str(told))
    except ArithmeticError:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _MOST_DIGITS else None
