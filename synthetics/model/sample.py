"""What rules judge by: ended runs, values of timings, and things that outlived their runs, in one line each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from synthetics.model.run import Outcome


@dataclass(frozen=True, slots=True)
class Watched:
    """A probe as the stored catalogue has it. `targets` by the timing's name, `promises` by the case's id."""

    name: str
    owner: str
    severity: str
    every: timedelta
    timeout: timedelta
    version: str
    scheduled: bool = True
    is_dear: bool = False
    leans_on: tuple[str, ...] = ()
    targets: Mapping[str, timedelta] = field(default_factory=dict)
    promises: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """An ended run, as rules see it."""

    run_id: UUID
    tick: datetime
    finished: datetime
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of a timing that has a target."""

    run_id: UUID
    tick: datetime
    took: timedelta


@dataclass(frozen=True, slots=True)
class Stuck:
    """A thing on the platform that outlived its run and could not be removed `attempts` times."""

    kind: str
    name: str
    attempts: int
    since: datetime
    run_id: UUID
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """When the newest runs of a probe ended at one location, newest first, and how the newest one did."""

    probe: str
    location: str
    finished: tuple[datetime, ...]
    newest: Outcome | None
