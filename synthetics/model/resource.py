"""What a run made on the platform, and whether it is gone: the ledger's entries."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class ResourceState(StrEnum):
    """`intended` before it is made, `created` once its id is known, `gone` when its removal was seen."""

    INTENDED = "intended"
    CREATED = "created"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing on the platform that a run meant to make.

    `kind` and `details` are the platform's words; the engine only keeps them and hands them back to the
    platform's sweeper. `name` is the id once it is known, and before that whatever finds the thing again.
    `attempts` counts failed removals, and `last_error` tells why it is still in the ledger.
    """

    id: UUID
    run_id: UUID
    probe: str
    tag: str
    kind: str
    name: str
    state: ResourceState
    intended: datetime
    details: dict[str, str] = field(default_factory=dict)
    attempts: int = 0
    last_error: str | None = None

    @property
    def awaited(self) -> bool:
        """Whether nothing of it was there when it was last removed, and something may yet come."""
        return self.state is not ResourceState.GONE and self.attempts == 0 and self.last_error is not None


@dataclass(frozen=True, slots=True)
class Orphan:
    """A thing of the platform's own that nothing needs any more: told to people, never touched."""

    kind: str
    name: str
    age: timedelta
