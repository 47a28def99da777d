"""Probes: what they promise, and how they stand."""

from typing import Self

from pydantic import ConfigDict, Field

from api.models.base import Answer, Moment, optional_seconds, seconds
from api.models.runs import RunOut, lines
from synthetics.queries.values import (
    CatalogueCase,
    CatalogueProbe,
    CatalogueStep,
    CatalogueTiming,
    Coverage,
    Overview,
    ProbeStatus,
    State,
)


class StepSpecOut(Answer):
    """A declared step."""

    name: str
    budget_seconds: float

    @classmethod
    def of(cls, step: CatalogueStep) -> Self:
        return cls(name=step.name, budget_seconds=seconds(step.budget))


class CaseSpecOut(Answer):
    """A declared case of the platform's contract."""

    id: str = Field(examples=["DS-01"])
    promise: str = Field(description="In plain words.")
    effect: str = Field(description="What checking it does to the platform.")

    @classmethod
    def of(cls, case: CatalogueCase) -> Self:
        return cls(id=case.id, promise=case.promise, effect=case.effect)


class TimingSpecOut(Answer):
    """A declared timing."""

    name: str = Field(examples=["time_to_find"])
    help: str
    paths: list[str] = Field(description="Its variants; one empty name where there is only one.")
    phases: list[str] = Field(description="Its parts, in the order in which they follow each other.")
    target_seconds: float | None = Field(description="What it should stay under.")

    @classmethod
    def of(cls, timing: CatalogueTiming) -> Self:
        return cls(
            name=timing.name,
            help=timing.help,
            paths=list(timing.paths),
            phases=list(timing.phases),
            target_seconds=optional_seconds(timing.target),
        )


class ProbeOut(Answer):
    """A probe, as the workers published it."""

    name: str = Field(examples=["document_is_searchable"])
    promise: str = Field(examples=["Someone who saves a document can find it by its title."])
    owner: str
    severity: str = Field(description="How much a broken promise matters: `page`, `ticket` or `info`.")
    price: str = Field(
        description="How dear a run is: `cheap`, `fair`, or `dear`, which stops at the budget first."
    )
    every_seconds: float = Field(description="From tick to tick.")
    timeout_seconds: float
    enabled: bool
    retired: bool = Field(description="No catalogue holds it any more; its history is still here.")
    steps: list[StepSpecOut]
    cases: list[CaseSpecOut]
    timings: list[TimingSpecOut]
    exclusive: list[str] = Field(description="What a run needs for itself.")
    leans_on: list[str] = Field(description="Probes whose failure explains this one's.")

    @classmethod
    def of(cls, probe: CatalogueProbe) -> Self:
        return cls(
            name=probe.name,
            promise=probe.promise,
            owner=probe.owner,
            severity=probe.severity,
            price=probe.price,
            every_seconds=seconds(probe.every),
            timeout_seconds=seconds(probe.timeout),
            enabled=probe.enabled,
            retired=probe.retired,
            steps=[StepSpecOut.of(step) for step in probe.steps],
            cases=[CaseSpecOut.of(case) for case in probe.cases],
            timings=[TimingSpecOut.of(timing) for timing in probe.timings],
            exclusive=list(probe.exclusive),
            leans_on=list(probe.leans_on),
        )


class ProbesOut(Answer):
    """The catalogue of today."""

    probes: list[ProbeOut]


#: As many runs of each probe are told with its state.
MOST_RECENT = 12


class ProbeStatusOut(Answer):
    """How a probe stands now."""

    name: str = Field(examples=["document_is_searchable"])
    promise: str
    enabled: bool
    state: State = Field(
        description="`up` and `down` follow the latest run that tells, `broken` means that the probe itself "
        "does not work, `unknown` that nothing recent tells."
    )
    why: str = Field(description="Why this is its state.", examples=["the newest run passed"])
    latest_run: RunOut | None = Field(description="The newest run that has ended.")
    last_success_at: Moment | None = Field(description="When the latest run that passed had finished.")
    in_flight: list[RunOut] = Field(description="Its runs under way.")
    next_tick: Moment | None = Field(description="When it is due next; null if it is disabled or retired.")
    recent_runs: list[RunOut] = Field(
        description=f"The newest runs ({MOST_RECENT} at most), newest tick first; more are in pages."
    )

    @classmethod
    def of(cls, status: ProbeStatus) -> Self:
        return cls(
            name=status.name,
            promise=status.promise,
            enabled=status.enabled,
            state=status.state,
            why=status.why,
            latest_run=RunOut.of(status.latest) if status.latest else None,
            last_success_at=status.last_success,
            in_flight=lines(status.in_flight),
            next_tick=status.next_tick,
            recent_runs=lines(status.recent),
        )


class StatusOut(Answer):
    """How everything stands now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "at": "2026-11-20T14:06:00Z",
                    "state": "down",
                    "summary": "1 of 2 promises is broken: document_is_searchable.",
                    "probes": [],
                }
            ]
        }
    )

    at: Moment
    state: State = Field(description="The worst of all enabled probes.")
    summary: str = Field(description="The whole in one sentence.")
    probes: list[ProbeStatusOut]

    @classmethod
    def of(cls, overview: Overview) -> Self:
        return cls(
            at=overview.at,
            state=overview.state,
            summary=overview.sentence,
            probes=[ProbeStatusOut.of(status) for status in overview.probes],
        )


class CoverageOut(Answer):
    """How complete the history of a probe is."""

    since: Moment
    until: Moment
    due: int = Field(description="Ticks that were due.")
    recorded: int = Field(description="Those of them that ended in a record, missed ones included.")
    ran: int = Field(description="Those of them whose run started.")
    share: float | None = Field(description="Recorded / due; null where nothing was due.", examples=[1.0])

    @classmethod
    def of(cls, coverage: Coverage) -> Self:
        return cls(
            since=coverage.since,
            until=coverage.until,
            due=coverage.due,
            recorded=coverage.recorded,
            ran=coverage.ran,
            share=coverage.share,
        )


class ProbeDetailOut(Answer):
    """A probe: its declaration, how it stands, and how complete its last day is."""

    probe: ProbeOut
    status: ProbeStatusOut
    coverage: CoverageOut
