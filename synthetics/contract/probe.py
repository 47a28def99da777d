"""What a probe is: a coroutine with a declaration beside it."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from synthetics.model.check import Case

if TYPE_CHECKING:
    from synthetics.contract.context import ProbeContext

Scenario = Callable[["ProbeContext[Any]"], Awaitable[None]]


class Severity(StrEnum):
    """How much a broken promise matters, and so who is told."""

    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"


class Price(StrEnum):
    """How dear one run is; dear probes are not confirmed by a second run and stop at the budget first."""

    CHEAP = "cheap"
    FAIR = "fair"
    DEAR = "dear"


@dataclass(frozen=True, slots=True)
class Step:
    """A timed part of a probe, declared with its budget.

    `sleeps` is how often it waits until the platform has fallen asleep: that time is added to its budget where
    the deployment is known.
    """

    name: str
    budget: timedelta
    sleeps: int = 0


@dataclass(frozen=True, slots=True)
class TimingSpec:
    """A timing that a probe records: its public name, its variants (`path`) and the phases it is made of."""

    name: str
    help: str
    paths: tuple[str, ...] = ("",)
    phases: tuple[str, ...] = ()
    target: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """A probe's declaration: everything the engine, the boards and the docs know of it beforehand.

    `exclusive` names what a run needs for itself, `shares` what it uses beside others but never beside one
    that needs it for itself; `leans_on` names probes whose failure explains this one's. `sleeps` is how
    often the scenario waits until the platform has fallen asleep: as declared, `timeout` leaves that out, and
    `fitted` adds it.
    Raises ValueError where the declaration contradicts itself.
    """

    name: str
    owner: str
    severity: Severity
    every: timedelta
    timeout: timedelta
    steps: tuple[Step, ...]
    sleeps: int = 0
    cases: tuple[Case, ...] = ()
    timings: tuple[TimingSpec, ...] = ()
    exclusive: frozenset[str] = frozenset()
    shares: frozenset[str] = frozenset()
    leans_on: tuple[str, ...] = ()
    price: Price = Price.FAIR
    cleanup_within: timedelta = timedelta(minutes=3)

    def __post_init__(self) -> None:
        if self.timeout > self.every:
            raise ValueError(
                f"probe {self.name}: its timeout ({self.timeout}) is longer than its interval ({self.every}); "
                "make the interval longer or the timeout shorter"
            )
        if sum(step.sleeps for step in self.steps) > self.sleeps:
            raise ValueError(f"probe {self.name}: its steps sleep more often than itself ({self.sleeps} times)")
        for what, names in (
            ("step", [step.name for step in self.steps]),
            ("case", [case.id for case in self.cases]),
            ("timing", [timing.name for timing in self.timings]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"probe {self.name}: {what} declared twice: {', '.join(sorted(twice))}")

    def fitted(
        self, sleep_patience: timedelta, *, every: timedelta | None = None, timeout: timedelta | None = None
    ) -> "ProbeSpec":
        """This declaration where one sleep may take `sleep_patience`: time limit and budgets include it.

        The interval becomes the first multiple of itself that the time limit fits into. What a deployment asks
        for (`every`, `timeout`) is taken as it is: raises ValueError where the limit does not fit.
        """
        limit = timeout or self.timeout + self.sleeps * sleep_patience
        interval = every or self.every * -(-limit // self.every)
        if limit > interval and timeout is None and self.sleeps and sleep_patience:
            raise ValueError(
                f"probe {self.name}: its timeout ({limit}) is longer than its interval ({interval}), because "
                f"the platform may take {sleep_patience} to fall asleep and it waits for that "
                f"{'once' if self.sleeps == 1 else f'{self.sleeps} times'}; make the interval longer or give "
                "it a shorter timeout"
            )
        steps = tuple(replace(step, budget=step.budget + step.sleeps * sleep_patience) for step in self.steps)
        return replace(self, every=interval, timeout=limit, steps=steps)

    @property
    def confirmed(self) -> bool:
        """Whether a first failure is confirmed by a second run."""
        return self.price is not Price.DEAR


@dataclass(frozen=True, slots=True)
class Probe:
    """A scenario with its declaration. The docstring is the promise, in the user's words."""

    spec: ProbeSpec
    scenario: Scenario = field(repr=False)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def promise(self) -> str:
        return inspect.getdoc(self.scenario) or ""


def probe(spec: ProbeSpec) -> Callable[[Scenario], Probe]:
    """Turn a coroutine function into a probe. Registers nothing: the catalogue lists probes by hand."""

    def declare(scenario: Scenario) -> Probe:
        if not inspect.getdoc(scenario):
            raise ValueError(f"probe {spec.name}: its docstring, the promise shown to people, is missing")
        return Probe(spec, scenario)

    return declare
