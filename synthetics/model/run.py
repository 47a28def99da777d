"""One execution of one probe, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from synthetics.model.check import Check
from synthetics.model.cost import Cost, Usage
from synthetics.model.log_line import LogLine
from synthetics.model.timing import ZERO, Timing

_NAMESPACE = UUID("5f2b7a52-7a0e-4f4e-9a55-2f0c5b0f6d11")


class Outcome(StrEnum):
    """How a run ended. Only `passed` and `failed` speak about the platform."""

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    MISSED = "missed"
    INTERRUPTED = "interrupted"


TELLING = frozenset({Outcome.PASSED, Outcome.FAILED})


class Trigger(StrEnum):
    """Why a run was started."""

    SCHEDULE = "schedule"
    CONFIRM = "confirm"
    MANUAL = "manual"


class StepOutcome(StrEnum):
    """How a declared step ended."""

    PASSED = "passed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class StepResult:
    """A declared step of one run; `offset` counts from the run's start, None if it was never reached."""

    name: str
    outcome: StepOutcome
    budget: timedelta
    offset: timedelta | None = None
    took: timedelta | None = None

    @property
    def over_budget(self) -> bool:
        """A mark on the step, not a failure of the run."""
        return self.took is not None and self.took > self.budget


@dataclass(frozen=True, slots=True)
class RunKey:
    """What makes a run this very run: two workers that compute the same key mean the same run."""

    probe: str
    location: str
    tick: datetime
    trigger: Trigger = Trigger.SCHEDULE
    attempt: int = 0

    @property
    def id(self) -> UUID:
        """Follows from probe, location and tick alone (RFC 9562, version 5)."""
        name = "\x1f".join(
            (self.probe, self.location, self.tick.isoformat(), self.trigger.value, str(self.attempt))
        )
        return uuid5(_NAMESPACE, name)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run, with everything that is kept of it.

    `took` is the platform's time and ours in the run itself; `waited` (for a slot or an exclusive lock before
    it) is kept apart and never counts as the platform's. `started` is None where the run never started.
    """

    key: RunKey
    outcome: Outcome
    finished: datetime
    reason: str | None = None
    started: datetime | None = None
    took: timedelta = ZERO
    waited: timedelta = ZERO
    worker: str = ""
    tag: str = ""
    trace_id: str = ""
    confirms: UUID | None = None
    steps: tuple[StepResult, ...] = ()
    checks: tuple[Check, ...] = ()
    timings: tuple[Timing, ...] = ()
    cleanup_errors: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    log: tuple[LogLine, ...] = ()

    @property
    def id(self) -> UUID:
        return self.key.id
