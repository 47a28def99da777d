"""How often Hermes called AWS, and how long that took: what it tells CloudWatch of queues and tables."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sandbox.settings import SandboxSettings

SUCCESS, FAILURE = "success", "failure"


@dataclass(frozen=True, slots=True)
class Kind:
    """Calls that are counted together; `of` is a type of queue or the name of a table."""

    service: str
    operation: str
    of: str
    result: str


@dataclass(slots=True)
class Taken:
    """Milliseconds that so many calls took."""

    count: int = 0
    total: float = 0.0
    least: float = float("inf")
    most: float = 0.0

    def add(self, ms: float) -> None:
        self.count += 1
        self.total += ms
        self.least, self.most = min(self.least, ms), max(self.most, ms)


class Calls:
    """The calls of queues and tables since somebody last asked."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._mail_queue = settings.email_queue_name
        self._of_containers = re.compile(rf"{re.escape(settings.queue_prefix)}-(input|output|dlq)-.+")
        self._taken: dict[Kind, Taken] = {}

    @contextmanager
    def counted(self, action: str, request: Mapping[str, object]) -> Iterator[None]:
        """The call is made inside this block; what concerns neither a queue nor a table is not counted."""
        began, result = time.perf_counter(), FAILURE
        try:
            yield
            result = SUCCESS
        finally:
            kind = self._kind(action, request, result)
            if kind is not None:
                self._taken.setdefault(kind, Taken()).add((time.perf_counter() - began) * 1000)

    def take(self) -> dict[Kind, Taken]:
        """What there is; it is forgotten here."""
        taken, self._taken = self._taken, {}
        return taken

    def _kind(self, action: str, request: Mapping[str, object], result: str) -> Kind | None:
        operation = "".join(word.capitalize() for word in action.split("_"))
        if "TableName" in request:
            return Kind("DynamoDB", operation, str(request["TableName"]), result)
        queue = str(request.get("QueueUrl") or request.get("QueueName") or "").rpartition("/")[2]
        if queue == self._mail_queue:
            return Kind("Queue", operation, "email", result)
        found = self._of_containers.fullmatch(queue)
        return None if found is None else Kind("Queue", operation, found[1], result)
