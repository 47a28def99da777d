"""Runs, in one line and in full."""

from collections.abc import Sequence
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from api.models.base import Answer, Moment, optional_seconds, seconds
from synthetics.model.check import Check, CheckOutcome
from synthetics.model.log_line import LogLine
from synthetics.model.resource import ResourceState
from synthetics.model.run import Outcome, StepOutcome, StepResult, Trigger
from synthetics.model.timing import Phase, Timing
from synthetics.queries.values import LedgerEntry, Page, RunDetail, RunSummary

_RUN: dict[str, JsonValue] = {
    "id": "0d4e6f5e-9f0a-5c1e-8a55-0a7b1c2d3e4f",
    "probe": "document_is_searchable",
    "location": "default",
    "tick": "2026-11-20T14:05:00Z",
    "trigger": "confirm",
    "attempt": 1,
    "outcome": "failed",
    "reason": "unexpected: documents found by title: wanted ['doc-1'], got []",
    "started_at": "2026-11-20T14:05:00.012000Z",
    "finished_at": "2026-11-20T14:05:21.512000Z",
    "took_seconds": 21.5,
    "waited_seconds": 0.0,
    "worker": "worker-1",
    "confirms": "9a1c2f60-3d5b-5e8f-9c1d-2b3a4c5d6e7f",
    "abandoned": False,
}
_EVIDENCE = TypeAdapter(dict[str, JsonValue])


class RunIn(BaseModel):
    """What is asked for; an empty object will do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    location: str | None = Field(
        None, max_length=100, description="Where a worker is to run it. Null: wherever there is one."
    )


class RunAskedOut(Answer):
    """The run that will be."""

    id: UUID = Field(description="Its id: `GET /api/v1/runs/{id}` tells how it goes.")
    probe: str = Field(description="The probe's name.")
    location: str = Field(description="Where it is run.")
    tick: Moment = Field(description="When it was asked for.")


class RunOut(Answer):
    """A run in one line."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RUN]})

    id: UUID = Field(description="Follows from probe, location, tick, trigger and attempt.")
    probe: str = Field(description="The probe's name.")
    location: str = Field(description="Where it watched from.")
    tick: Moment = Field(description="The planned time.")
    trigger: Trigger = Field(description="Why it was started.")
    attempt: int = Field(description="0 for the first run of its tick, 1 for the one that confirms it.")
    outcome: Outcome | None = Field(description="How it ended; null while it is in flight.")
    reason: str | None = Field(description="Why it did not pass, in one sentence.")
    started_at: Moment | None = Field(description="Null if it never started.")
    finished_at: Moment | None = Field(description="Null while it is in flight.")
    took_seconds: float | None = Field(description="From start to finish; null while it is in flight.")
    waited_seconds: float = Field(description="Spent before the start, for a slot or an exclusive lock.")
    worker: str = Field(description="Which worker ran it.")
    confirms: UUID | None = Field(description="The run whose failure this one confirms or not.")
    abandoned: bool = Field(description="Closed by another worker, because its own fell silent.")

    @classmethod
    def of(cls, run: RunSummary) -> Self:
        return cls(
            id=run.id,
            probe=run.probe,
            location=run.location,
            tick=run.tick,
            trigger=run.trigger,
            attempt=run.attempt,
            outcome=run.outcome,
            reason=run.reason,
            started_at=run.started,
            finished_at=run.finished,
            took_seconds=optional_seconds(run.took),
            waited_seconds=seconds(run.waited),
            worker=run.worker,
            confirms=run.confirms,
            abandoned=run.abandoned,
        )


class StepOut(Answer):
    """A declared step of a run."""

    name: str
    outcome: StepOutcome
    budget_seconds: float = Field(description="What it should stay under.")
    offset_seconds: float | None = Field(description="Its begin, from the run's start; null if not reached.")
    took_seconds: float | None = Field(description="Null if it was not reached.")
    over_budget: bool = Field(description="A mark, not a failure.")

    @classmethod
    def of(cls, step: StepResult) -> Self:
        return cls(
            name=step.name,
            outcome=step.outcome,
            budget_seconds=seconds(step.budget),
            offset_seconds=optional_seconds(step.offset),
            took_seconds=optional_seconds(step.took),
            over_budget=step.over_budget,
        )


class CheckOut(Answer):
    """What a run found out about one case of the platform's contract."""

    case: str = Field(description="The case's public id.")
    outcome: CheckOutcome
    reason: str | None = Field(description="Why it did not pass.")
    evidence: dict[str, JsonValue] = Field(description="What was seen, free of secrets.")

    @classmethod
    def of(cls, check: Check) -> Self:
        evidence = _EVIDENCE.validate_python(dict(check.evidence))
        return cls(case=check.case, outcome=check.outcome, reason=check.reason, evidence=evidence)


class PhaseOut(Answer):
    """A part of a timing."""

    name: str
    seconds: float

    @classmethod
    def of(cls, phase: Phase) -> Self:
        return cls(name=phase.name, seconds=seconds(phase.took))


class TimingOut(Answer):
    """A measured duration with its parts."""

    name: str
    path: str = Field(description="Tells variants of one timing apart; empty where there is only one.")
    seconds: float
    offset_seconds: float = Field(description="Its begin, from the run's start.")
    resolution_seconds: float = Field(description="How finely its end was watched; 0 where it was not polled.")
    phases: list[PhaseOut] = Field(description="In order; they add up to `seconds`.")
    stalled: bool = Field(description="Taken while our own event loop stood still for too long.")

    @classmethod
    def of(cls, timing: Timing) -> Self:
        return cls(
            name=timing.name,
            path=timing.path,
            seconds=seconds(timing.took),
            offset_seconds=seconds(timing.offset),
            resolution_seconds=seconds(timing.resolution),
            phases=[PhaseOut.of(phase) for phase in timing.phases],
            stalled=timing.stalled,
        )


class ResourceOut(Answer):
    """A thing the run made on the platform, and whether it is gone."""

    kind: str
    name: str
    state: ResourceState
    last_error: str | None = Field(description="Why its removal failed, if it did.")

    @classmethod
    def of(cls, entry: LedgerEntry) -> Self:
        return cls(kind=entry.kind, name=entry.name, state=entry.state, last_error=entry.last_error)


class LogLineOut(Answer):
    """A line of what was logged while the run went on, or a request that it made."""

    offset_seconds: float = Field(description="From the run's start.")
    level: str
    event: str = Field(examples=["request.ended"])
    fields: dict[str, JsonValue] = Field(description="What the line tells, free of secrets.")
    took_seconds: float | None = Field(description="Of a request; of several the longest.")
    times: int = Field(description="How often the same was said here or a few lines further on.")

    @classmethod
    def of(cls, line: LogLine) -> Self:
        return cls(
            offset_seconds=seconds(line.offset),
            level=line.level,
            event=line.event,
            fields=_EVIDENCE.validate_python(dict(line.fields)),
            took_seconds=None if line.took is None else seconds(line.took),
            times=line.times,
        )


class RunDetailOut(Answer):
    """A run in full."""

    run: RunOut
    tag: str = Field(description="Random for each execution; everything the run made carries it.")
    trace_id: str = Field(description="The trace of all its requests (W3C Trace Context).")
    steps: list[StepOut]
    checks: list[CheckOut]
    timings: list[TimingOut]
    resources: list[ResourceOut] = Field(description="What it made on the platform.")
    cleanup_errors: list[str] = Field(description="What went wrong when it tidied up.")
    versions: dict[str, str] = Field(description="Which version of each part of the platform it met.")
    facts: dict[str, str] = Field(description="Worth knowing about the run, and asked for by no case.")
    usage: dict[str, float] = Field(
        description="How much of each thing that has a price: calls by service and operation, hours of tasks.",
        examples=[{"dynamodb.Query": 14, "fargate.vcpu_hours": 0.021}],
    )
    cost_dollars: float | None = Field(
        description="An estimate by list prices; null while in flight, and where nobody knows."
    )
    cost_shares: dict[str, float] = Field(
        description="The same by service.", examples=[{"dynamodb": 0.00000175, "fargate": 0.00085}]
    )
    log: list[LogLineOut] = Field(
        description="Oldest first; of a run that passed without its requests and debug lines."
    )

    @classmethod
    def of(cls, detail: RunDetail) -> Self:
        return cls(
            run=RunOut.of(detail.summary),
            tag=detail.tag,
            trace_id=detail.trace_id,
            steps=[StepOut.of(step) for step in detail.steps],
            checks=[CheckOut.of(check) for check in detail.checks],
            timings=[TimingOut.of(timing) for timing in detail.timings],
            resources=[ResourceOut.of(entry) for entry in detail.resources],
            cleanup_errors=list(detail.cleanup_errors),
            versions=dict(detail.versions),
            facts=dict(detail.facts),
            usage=dict(detail.usage),
            cost_dollars=None if detail.cost is None else detail.cost.dollars,
            cost_shares={} if detail.cost is None else dict(detail.cost.shares),
            log=[LogLineOut.of(line) for line in detail.log],
        )


class RunsOut(Answer):
    """A page of runs."""

    runs: list[RunOut] = Field(description="Newest tick first, those in flight included.")
    next: str | None = Field(
        description="The address of the following page; null on the last one.",
        examples=["/api/v1/probes/document_is_searchable/runs?limit=50&cursor=AAYxk7…"],
    )

    @classmethod
    def of(cls, page: Page, following: str | None) -> Self:
        return cls(runs=[RunOut.of(run) for run in page.runs], next=following)


def lines(runs: Sequence[RunSummary]) -> list[RunOut]:
    """Each run in one line."""
    return [RunOut.of(run) for run in runs]
