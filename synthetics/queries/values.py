"""What queries answer with: values for readers, free of the store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from synthetics.model.check import Check, CheckOutcome
from synthetics.model.cost import Cost, Usage
from synthetics.model.log_line import LogLine
from synthetics.model.resource import ResourceState
from synthetics.model.run import Outcome, StepResult, Trigger
from synthetics.model.timing import Phase, Timing


class State(StrEnum):
    """What is known of a probe's promise now.

    `up` and `down` follow the latest telling run, `broken` says that the probe itself does not work, and
    `unknown` that nothing recent tells.
    """

    UP = "up"
    DOWN = "down"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CatalogueStep:
    """A declared step."""

    name: str
    budget: timedelta


@dataclass(frozen=True, slots=True)
class CatalogueCase:
    """A declared case, in words."""

    id: str
    promise: str
    effect: str


@dataclass(frozen=True, slots=True)
class CatalogueTiming:
    """A declared timing."""

    name: str
    help: str
    paths: tuple[str, ...]
    phases: tuple[str, ...]
    target: timedelta | None


@dataclass(frozen=True, slots=True)
class CatalogueProbe:
    """A probe as the workers published it."""

    name: str
    promise: str
    owner: str
    severity: str
    price: str
    every: timedelta
    timeout: timedelta
    steps: tuple[CatalogueStep, ...]
    cases: tuple[CatalogueCase, ...]
    timings: tuple[CatalogueTiming, ...]
    exclusive: tuple[str, ...]
    leans_on: tuple[str, ...]
    enabled: bool
    retired: bool

    @property
    def phases(self) -> tuple[str, ...]:
        """Every declared phase once, those of the timing with the most phases first, in their order."""
        longest_first = sorted(self.timings, key=lambda timing: -len(timing.phases))
        return tuple(dict.fromkeys(phase for timing in longest_first for phase in timing.phases))

    def phase_order(self, timing: str) -> tuple[str, ...]:
        """The declared phases of a timing, in the order in which they follow each other."""
        return next((declared.phases for declared in self.timings if declared.name == timing), ())


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in one line. `outcome` is None while it is in flight."""

    id: UUID
    probe: str
    location: str
    tick: datetime
    trigger: Trigger
    attempt: int
    outcome: Outcome | None
    reason: str | None
    started: datetime | None
    finished: datetime | None
    took: timedelta | None
    waited: timedelta
    worker: str
    confirms: UUID | None
    abandoned: bool


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A thing that a run made on the platform, and whether it is gone."""

    kind: str
    name: str
    state: ResourceState
    last_error: str | None


@dataclass(frozen=True, slots=True)
class CaseMatrix:
    """How each case (by its id) came out in each of some runs (by their ids), oldest run first."""

    runs: tuple[RunSummary, ...]
    rows: Mapping[str, Mapping[UUID, CheckOutcome]]


@dataclass(frozen=True, slots=True)
class RunDetail:
    """A run in full."""

    summary: RunSummary
    tag: str
    trace_id: str
    steps: tuple[StepResult, ...]
    checks: tuple[Check, ...]
    timings: tuple[Timing, ...]
    resources: tuple[LedgerEntry, ...]
    cleanup_errors: tuple[str, ...]
    versions: Mapping[str, str]
    facts: Mapping[str, str]
    usage: Usage
    cost: Cost | None
    log: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True)
class ProbeCost:
    """What a probe's runs of some span cost, in US dollars."""

    probe: str
    runs: int
    dollars: float


@dataclass(frozen=True, slots=True)
class DayCost:
    """What the runs of one day (UTC) cost, the dearest probe first."""

    day: date
    probes: tuple[ProbeCost, ...]

    @property
    def dollars(self) -> float:
        return sum(probe.dollars for probe in self.probes)


@dataclass(frozen=True, slots=True)
class ProbeStatus:
    """How a probe stands now. `recent` are its newest runs, newest first, those in flight included.

    `latest` is the newest that ended, `telling` the newest that says something about the platform.
    """

    name: str
    promise: str
    enabled: bool
    state: State
    why: str
    latest: RunSummary | None
    telling: RunSummary | None
    last_success: datetime | None
    in_flight: tuple[RunSummary, ...]
    next_tick: datetime | None
    recent: tuple[RunSummary, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """How everything stands now, in one sentence and probe by probe."""

    at: datetime
    state: State
    sentence: str
    probes: tuple[ProbeStatus, ...]


@dataclass(frozen=True, slots=True)
class ProbeGauge:
    """What the gauges of a scrape tell of one probe."""

    name: str
    up: bool | None
    last_success: datetime | None
    checks: Mapping[str, CheckOutcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """Some runs, newest first; `next` is where the following page begins, None if this is the last."""

    runs: tuple[RunSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class LatestTiming:
    """The newest value of one series, and the run it comes from."""

    probe: str
    location: str
    at: datetime
    run_id: UUID
    outcome: Outcome
    timing: Timing
    target: timedelta | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Count and quantiles of the values in a span; `stalled` of them were taken while our loop stood still."""

    count: int
    stalled: int
    shortest: timedelta
    p50: timedelta
    p90: timedelta
    p95: timedelta
    p99: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Bucket:
    """The figures of one slice of a span; None where nothing was measured in it."""

    start: datetime
    figures: Figures | None


@dataclass(frozen=True, slots=True)
class PhaseMedian:
    """The median of one phase over a span, among the values that have this phase."""

    name: str
    count: int
    median: timedelta


@dataclass(frozen=True, slots=True)
class Series:
    """One path of a timing over a span."""

    probe: str
    path: str
    whole: Figures
    buckets: tuple[Bucket, ...]
    phases: tuple[PhaseMedian, ...]

    @property
    def phase_parts(self) -> tuple[Phase, ...]:
        """The phases' medians as parts of a bar."""
        return tuple(Phase(phase.name, phase.median) for phase in self.phases)


@dataclass(frozen=True, slots=True)
class TimingHistory:
    """A timing over a span, path by path."""

    name: str
    help: str
    target: timedelta | None
    since: datetime
    until: datetime
    bucket: timedelta
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the ticks that were due in a span ended in a record, and how many really ran."""

    since: datetime
    until: datetime
    due: int
    recorded: int
    ran: int

    @property
    def share(self) -> float | None:
        """Recorded / due; None where nothing was due."""
        return self.recorded / self.due if self.due else None
