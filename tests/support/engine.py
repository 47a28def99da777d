"""A platform, a ledger and a meter kept in memory, for tests of the engine alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from uuid import UUID, uuid4

from synthetics.contract.context import ProbeContext
from synthetics.contract.platform import Finding, RunScope
from synthetics.contract.probe import Probe, ProbeSpec, Scenario, Severity, Step, TimingSpec, probe
from synthetics.contract.progress import Unwatched
from synthetics.costs.prices import Prices
from synthetics.errors import PlatformError, StillAwaited, SyntheticsError
from synthetics.model.check import Case, Effect
from synthetics.model.cost import Region
from synthetics.model.resource import Orphan, Resource
from synthetics.model.run import Run, RunKey
from synthetics.running.control import Control
from synthetics.running.runner import Interrupt, Runner
from synthetics.store.spool import Spool
from tests.support.clock import FakeClock

TICK = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASK = Step("ask", budget=timedelta(seconds=2))
ANSWER = Step("answer", budget=timedelta(seconds=1))


class NoStalls:
    """An event loop that never stood still, unless told."""

    def __init__(self, stall: timedelta = timedelta(0)) -> None:
        self.stall = stall

    def longest_since(self, instant: float) -> timedelta:
        return self.stall


class DictLedger:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.entries: dict[UUID, tuple[str, str]] = {}
        self.gone_entries: set[tuple[str, str]] = set()

    async def intend(self, kind: str, name: str, **details: str) -> UUID:
        entry = uuid4()
        self.entries[entry] = (kind, name)
        return entry

    async def created(self, entry: UUID, name: str, **details: str) -> None:
        self.entries[entry] = (self.entries[entry][0], name)

    async def gone(self, kind: str, name: str) -> None:
        self.gone_entries.add((kind, name))

    def holds(self, kind: str, name: str) -> bool:
        return (kind, name) in self.entries.values()


class Uncounted:
    """A meter that keeps what it was told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str]] = []
        self.used: dict[str, float] = {}

    def count(self, service: str, operation: str, outcome: str, took: timedelta) -> None:
        self.requests.append((service, operation, outcome))

    def use(self, what: str, quantity: float) -> None:
        self.used[what] = self.used.get(what, 0.0) + quantity


class FakePlatform:
    """A platform of nothing but a list of things; `refuse` makes it impossible to open."""

    def __init__(self, *, isolated: bool = True) -> None:
        self.isolated = isolated
        self.things: list[str] = []
        self.trouble: list[str] = []
        self.refuse: SyntheticsError | None = None
        self.stuck: set[str] = set()
        self.awaited: set[str] = set()
        self.forgotten: list[Orphan] = []
        self.scopes: list[RunScope] = []
        self.closed = 0

    @asynccontextmanager
    async def open(self, scope: RunScope) -> AsyncIterator["FakePlatform"]:
        if self.refuse:
            raise self.refuse
        self.scopes.append(scope)
        yield self
        self.closed += 1

    async def make(self, name: str) -> None:
        self.things.append(name)

    async def unmake(self, name: str) -> None:
        self.things.remove(name)

    async def remove(self, resource: Resource) -> None:
        if resource.name in self.stuck:
            raise PlatformError(f"{resource.name} will not go")
        if resource.name in self.things:
            self.things.remove(resource.name)
        if resource.name in self.awaited:
            raise StillAwaited(f"{resource.name} may yet come")

    def removal_order(self, kind: str) -> int:
        return len(kind)

    async def orphans(self) -> Sequence[Orphan]:
        return self.forgotten

    async def own_trouble(self) -> Sequence[str]:
        return self.trouble

    async def preflight(self) -> Sequence[Finding]:
        return [Finding("everything")]

    async def close(self) -> None:
        pass


Context = ProbeContext[FakePlatform]


def a_probe(scenario: Scenario, **changes: Any) -> Probe:
    """A probe around `scenario` with a plain declaration."""
    if not scenario.__doc__:
        scenario.__doc__ = "Something that people rely on works."
    declared: dict[str, Any] = {
        "name": "front-door",
        "owner": "tests",
        "severity": Severity.PAGE,
        "every": timedelta(minutes=5),
        "timeout": timedelta(seconds=60),
        "steps": (ASK, ANSWER),
        "cases": (
            Case("FD-01", "the door opens"),
            Case("FD-02", "the bell rings"),
            Case("FD-03", "the door can be replaced", Effect.SCALE),
        ),
        "timings": (TimingSpec("opening", "asked until open", paths=("", "back"), phases=("knock", "turn")),),
    }
    return probe(ProbeSpec(**{**declared, **changes}))(scenario)


def unused_spool() -> Spool:
    """A spool of one's own, whose directory is made only if something has to wait."""
    return Spool(Path(gettempdir()) / f"synthetics-spool-{uuid4().hex}")


async def nobody_asks() -> None:
    """A database that always answers."""


def a_runner(platform: FakePlatform, clock: FakeClock, *, stalls: NoStalls | None = None) -> Runner:
    """A runner on `platform` with everything around it in memory."""
    watch = stalls or NoStalls()
    return Runner(
        platform=platform,
        control=Control(platform=platform, stalls=watch, database_answers=nobody_asks),
        ledger_of=lambda run_id, probe, tag: DictLedger(),
        requests=Uncounted(),
        prices=Prices.of(Region.US_WEST_2),
        stalls=watch,
        clock=clock,
        progress=Unwatched(),
        worker="worker-1",
    )


async def run_probe(
    subject: Probe,
    platform: FakePlatform | None = None,
    *,
    clock: FakeClock | None = None,
    stalls: NoStalls | None = None,
    interrupt: Interrupt | None = None,
) -> Run:
    """Run a probe once with everything in memory."""
    runner = a_runner(platform or FakePlatform(), clock or FakeClock(), stalls=stalls)
    key = RunKey(subject.name, "here", TICK)
    return await runner.run(subject, key, tag="0a1b2c3d", interrupt=interrupt or Interrupt())


async def until_cancelled() -> None:
    """Wait for ever, in real time."""
    await asyncio.Event().wait()
