"""What a probe's author sees while the probe runs."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

import structlog

from synthetics.clock import Clock
from synthetics.contract.evidence import clean, clean_text
from synthetics.contract.probe import Probe, Step
from synthetics.contract.progress import Progress, Unwatched
from synthetics.contract.waiting import FINE, Pace, Sighting, sight
from synthetics.errors import PlatformError, ProbeBroken, Unavailable, UndeclaredName, Unexpected
from synthetics.model.check import Case, Check, CheckOutcome, Effect
from synthetics.model.run import StepOutcome, StepResult
from synthetics.model.timing import UNACCOUNTED, ZERO, Phase, Timing

log: structlog.stdlib.BoundLogger = structlog.get_logger()

P = TypeVar("P")
T = TypeVar("T")
Args = ParamSpec("Args")

#: A timing taken while our own event loop stood still for longer than this is marked.
LONGEST_STALL = timedelta(milliseconds=50)
_ROUNDING = timedelta(milliseconds=1)


class StallWatch(Protocol):
    """Knows how long our own event loop stood still."""

    def longest_since(self, instant: float) -> timedelta:
        """The longest stall that ended after this monotonic instant."""


@dataclass(slots=True)
class CheckNote:
    """What a check's body may say about its case beside passing or failing."""

    outcome: CheckOutcome = CheckOutcome.PASSED
    reason: str | None = None
    evidence: dict[str, object] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return self.outcome is CheckOutcome.FAILED

    def saw(self, **evidence: object) -> None:
        """Keep what was seen beside the verdict."""
        self.evidence.update(evidence)

    def degrade(self, reason: str) -> None:
        """The answer is in the broad set that people accept, but not what was promised."""
        self.outcome, self.reason = CheckOutcome.DEGRADED, reason

    def skip(self, reason: str) -> None:
        """What was met gives no occasion to check the case after all."""
        self.outcome, self.reason = CheckOutcome.SKIPPED, reason

    def one_of(
        self, what: str, got: object, *, wanted: Collection[object], tolerated: Collection[object] = ()
    ) -> None:
        """`got` is among the wanted (passes) or the tolerated (degrades). Raises Unexpected otherwise."""
        self.saw(**{what: got})
        if got in wanted:
            return
        if got not in tolerated:
            raise Unexpected(
                f"unexpected: {what}: wanted one of {sorted(wanted, key=str)}, got {got!r}",
                wanted=sorted([*wanted, *tolerated], key=str),
                got=got,
            )
        self.degrade(f"{what}: wanted one of {sorted(wanted, key=str)}, accepted {got!r}")


@dataclass(frozen=True, slots=True)
class Undo:
    """A promised clean-up: its name for people, and what to call."""

    name: str
    call: Callable[[], Awaitable[object]]


class ProbeContext(Generic[P]):
    """One run, seen from inside a probe.

    `platform` holds the clients; `tag` is random for each execution, so that overlapping workers never find
    each other's data.
    """

    def __init__(
        self,
        *,
        probe: Probe,
        platform: P,
        tag: str,
        clock: Clock,
        stalls: StallWatch,
        isolated: bool,
        progress: Progress | None = None,
    ) -> None:
        self.platform = platform
        self.tag = tag
        self.probe = probe
        self.spec = spec = probe.spec
        self._clock = clock
        self._stalls = stalls
        self._isolated = isolated
        self._progress = progress or Unwatched()
        self._began = clock.monotonic()
        self._steps = {step.name: step for step in spec.steps}
        self._cases = {case.id: case for case in spec.cases}
        self._done: dict[str, StepResult] = {}
        self._checks: dict[str, Check] = {}
        self._open: list[str] = []
        self._timings: list[Timing] = []
        self._undos: list[Undo] = []
        self._facts: dict[str, str] = {}
        self._versions: dict[str, str] = {}

    # -- steps -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def step(self, step: Step) -> AsyncIterator[None]:
        """Time one declared step, and keep how it ended whatever ended it."""
        declared = self._steps.get(step.name)
        if declared is None:
            raise UndeclaredName(f"step {step.name!r} is not declared by probe {self.spec.name}")
        if step.name in self._done:
            raise ProbeBroken(f"step {step.name!r} was entered twice in one run")
        log.debug("step.started", step=step.name)
        self._progress.step_started(self.probe, declared)
        began = self._clock.monotonic()
        outcome = StepOutcome.INTERRUPTED
        try:
            yield
            outcome = StepOutcome.PASSED
        except Exception:
            outcome = StepOutcome.FAILED
            raise
        finally:
            self._done[step.name] = result = StepResult(
                declared.name,
                outcome,
                declared.budget,
                offset=timedelta(seconds=began - self._began),
                took=timedelta(seconds=self._clock.monotonic() - began),
            )
            log.debug("step.ended", step=step.name, outcome=outcome.value)
            self._progress.step_ended(self.probe, result)

    # -- cases -------------------------------------------------------------------------------------------

    @contextmanager
    def check(self, case: str, *, essential: bool = False) -> Iterator[CheckNote]:
        """Report one case of the platform's contract: passed if the body ends, failed if it raises.

        A PlatformError is kept as the case's reason and goes no further, so that the cases after it are
        still checked; with `essential` it ends the run, because nothing after it would mean anything, and
        Unavailable always does. A case may be reported in several places of one run: the worst finding stands.
        """
        self._declared(case)
        note = CheckNote()
        self._open.append(case)
        try:
            yield note
        except PlatformError as error:
            note.outcome, note.reason = CheckOutcome.FAILED, str(error)
            note.evidence.update(error.evidence)
            self._close(case, note)
            if essential or isinstance(error, Unavailable):
                raise
        else:
            self._close(case, note)

    def allowed(self, case: str) -> bool:
        """Whether this case may be checked here; if not, it is reported as skipped, with the reason."""
        forbidden = self._forbidden(self._declared(case))
        if forbidden:
            self.skip(case, forbidden)
        return not forbidden

    def skip(self, case: str, reason: str) -> None:
        """Report a case that cannot be checked in this run, and why."""
        self._declared(case)
        self._keep(_check(case, CheckOutcome.SKIPPED, reason))

    # -- time --------------------------------------------------------------------------------------------

    def instant(self) -> float:
        """Now, on the monotonic clock: what `measure` counts from."""
        return self._clock.monotonic()

    def now(self) -> datetime:
        """Now, on the wall clock: what the platform's own records may be compared with."""
        return self._clock.now()

    async def pause(self, duration: timedelta) -> None:
        """Let time pass where the scenario itself asks for it (a user who waits before the next message)."""
        await self._clock.sleep(duration)

    async def eventually(
        self,
        look: Callable[[], Awaitable[T]],
        *,
        until: Callable[[T], object],
        within: timedelta,
        what: str = "an awaited state",
        pace: Pace = FINE,
    ) -> T:
        """The first value for which `until` holds. Raises TimedOut, with the last value seen."""
        return (await self.sighting(look, until=until, within=within, what=what, pace=pace)).value

    async def sighting(
        self,
        look: Callable[[], Awaitable[T]],
        *,
        until: Callable[[T], object],
        within: timedelta,
        what: str = "an awaited state",
        pace: Pace = FINE,
    ) -> Sighting[T]:
        """Like `eventually`, and when it was seen and how finely it was watched."""
        return await sight(self._clock, look, until=until, within=within, what=what, pace=pace)

    def measure(
        self,
        name: str,
        *,
        since: float,
        until: Sighting[Any] | float,
        path: str = "",
        phases: Sequence[Phase] = (),
    ) -> Timing:
        """Keep a declared timing; phases are completed by `unaccounted`, so that they add up to the whole.

        Raises UndeclaredName for a timing, path or phase the spec does not have, ProbeBroken for phases that
        add up to more than the whole.
        """
        self._declared_timing(name, path, phases)
        at, resolution = (until.at, until.resolution) if isinstance(until, Sighting) else (until, ZERO)
        took = timedelta(seconds=at - since)
        timing = Timing(
            name,
            took,
            offset=timedelta(seconds=since - self._began),
            path=path,
            resolution=resolution,
            phases=_completed(name, took, phases),
            stalled=self._stalls.longest_since(since) > LONGEST_STALL,
        )
        self._timings.append(timing)
        self._progress.timing_taken(self.probe, timing)
        return timing

    # -- keeping -----------------------------------------------------------------------------------------

    def cleanup(self, undo: Callable[Args, Awaitable[object]], *args: Args.args, **kwargs: Args.kwargs) -> None:
        """Promise to undo something, on the line after it exists; undone in reverse order, whatever happens."""
        name = getattr(undo, "__name__", repr(undo))
        self._undos.append(Undo(f"{name}{args!r}", lambda: undo(*args, **kwargs)))

    def fact(self, name: str, value: object) -> None:
        """Keep something worth knowing about this run that no case asks for (`session_factory`, `launch`)."""
        self._facts[name] = clean_text(str(value))

    def version(self, name: str, value: str) -> None:
        """Keep which version of the platform's part `name` this run met (task definition, image digest)."""
        self._versions[name] = clean_text(value)

    # -- for the runner ----------------------------------------------------------------------------------

    @property
    def undos(self) -> list[Undo]:
        """The promised clean-ups, oldest first; the runner takes them from the end."""
        return self._undos

    @property
    def timings(self) -> tuple[Timing, ...]:
        return tuple(self._timings)

    @property
    def facts(self) -> dict[str, str]:
        return self._facts

    @property
    def versions(self) -> dict[str, str]:
        return self._versions

    def steps(self) -> tuple[StepResult, ...]:
        """Every declared step, also those that were not reached."""
        return tuple(
            self._done.get(step.name, StepResult(step.name, StepOutcome.NOT_REACHED, step.budget))
            for step in self.spec.steps
        )

    def checks(self, *, ended: str, timed_out: bool) -> tuple[Check, ...]:
        """Every declared case; what was under way or not reached when the run `ended` says so."""
        for case in dict.fromkeys(self._open):
            reason = f"not finished: {ended}"
            outcome = CheckOutcome.FAILED if timed_out else CheckOutcome.SKIPPED
            self._keep(_check(case, outcome, reason))
        self._open.clear()
        return tuple(self._checks.get(case.id) or self._unreached(case, ended) for case in self.spec.cases)

    def failed_checks(self) -> tuple[Check, ...]:
        """The cases found broken so far, in the order of the declaration."""
        found = (self._checks.get(case.id) for case in self.spec.cases)
        return tuple(check for check in found if check and check.outcome is CheckOutcome.FAILED)

    # -- inside ------------------------------------------------------------------------------------------

    def _declared(self, case: str) -> Case:
        if case not in self._cases:
            raise UndeclaredName(f"case {case!r} is not declared by probe {self.spec.name}")
        return self._cases[case]

    def _forbidden(self, case: Case) -> str:
        if self._isolated or case.effect is Effect.NONE:
            return ""
        return f"needs an isolated platform: checking it has the effect {case.effect.value!r} on others"

    def _unreached(self, case: Case, ended: str) -> Check:
        return _check(case.id, CheckOutcome.SKIPPED, self._forbidden(case) or f"not reached: {ended}")

    def _declared_timing(self, name: str, path: str, phases: Sequence[Phase]) -> None:
        for timing in self.spec.timings:
            if timing.name == name and path in timing.paths:
                foreign = {phase.name for phase in phases} - {*timing.phases, UNACCOUNTED}
                if foreign:
                    raise UndeclaredName(f"timing {name!r} declares no phase {sorted(foreign)}")
                return
        raise UndeclaredName(f"timing {name!r} (path {path!r}) is not declared by probe {self.spec.name}")

    def _close(self, case: str, note: CheckNote) -> None:
        self._open.remove(case)
        self._keep(_check(case, note.outcome, note.reason, note.evidence))

    def _keep(self, check: Check) -> None:
        earlier = self._checks.get(check.case)
        self._checks[check.case] = earlier.merged(check) if earlier else check
        self._progress.check_ended(self.probe, self._checks[check.case])


def _check(
    case: str, outcome: CheckOutcome, reason: str | None, evidence: Mapping[str, object] | None = None
) -> Check:
    """The one place where checks are made: no secret gets into any of them."""
    shown = clean(evidence or {})
    assert isinstance(shown, dict)
    return Check(case, outcome, None if reason is None else clean_text(reason), shown)


def _completed(name: str, took: timedelta, phases: Sequence[Phase]) -> tuple[Phase, ...]:
    if not phases:
        return ()
    left = took - sum((phase.took for phase in phases), ZERO)
    if left < -_ROUNDING:
        raise ProbeBroken(f"phases of {name} add up to {-left} more than the whole ({took})")
    return (*phases, Phase(UNACCOUNTED, left)) if left > _ROUNDING else tuple(phases)
