"""Realistic runs, and a database that holds some."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from synthetics.contract.context import ProbeContext
from synthetics.contract.probe import Probe, ProbeSpec, Severity, Step, TimingSpec, probe
from synthetics.model.check import Case, Check, CheckOutcome
from synthetics.model.grid import Grid
from synthetics.model.run import Outcome, Run, RunKey, StepOutcome, StepResult
from synthetics.model.timing import Phase, Timing
from synthetics.store import catalogue, partitions, runs
from synthetics.store.catalogue import Published
from synthetics.store.engine import Database

#: Now, in these tests; partitions are made around it.
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
EVERY = timedelta(minutes=5)

_ASK = Step("ask_for_it", budget=timedelta(seconds=1))
_WAIT = Step("wait_for_it", budget=timedelta(seconds=30))


def a_spec(name: str = "open_document", **changes: Any) -> ProbeSpec:
    """The declaration of a probe with two steps, three cases and two timings."""
    declared: dict[str, Any] = {
        "name": name,
        "owner": "documents",
        "severity": Severity.PAGE,
        "every": EVERY,
        "timeout": timedelta(minutes=2),
        "steps": (_ASK, _WAIT),
        "cases": (
            Case("OD-01", "A document opens in time."),
            Case("OD-02", "Its title is right."),
            Case("OD-03", "It opens again after a restart."),
        ),
        "timings": (
            TimingSpec(
                "opening",
                "From asking to reading.",
                paths=("near", "far"),
                phases=("request", "fetch", "draw"),
                target=timedelta(seconds=10),
            ),
            TimingSpec("closing", "From closing to gone."),
        ),
    }
    return ProbeSpec(**{**declared, **changes})


def a_probe(name: str = "open_document", **changes: Any) -> Probe:
    """A probe that is only looked at, never run."""

    async def scenario(ctx: ProbeContext[Any]) -> None:
        """Someone who opens a document can read it."""

    return probe(a_spec(name, **changes))(scenario)


def tick(back: int = 1, *, name: str = "open_document", every: timedelta = EVERY) -> datetime:
    """The tick of this probe that lies `back` intervals before now's."""
    return Grid.of(name, every).at_or_before(NOW) - back * every


def a_timing(took: float, *, name: str = "opening", path: str = "near", stalled: bool = False) -> Timing:
    """A timing of `took` seconds whose phases add up to it."""
    whole = timedelta(seconds=took)
    request, fetch = whole / 10, whole / 2
    phases = (Phase("request", request), Phase("fetch", fetch), Phase("draw", whole - request - fetch))
    return Timing(
        name,
        whole,
        offset=timedelta(milliseconds=20),
        path=path,
        resolution=timedelta(milliseconds=25),
        phases=phases if name == "opening" else (),
        stalled=stalled,
    )


def a_run(
    at: datetime,
    outcome: Outcome = Outcome.PASSED,
    *,
    name: str = "open_document",
    location: str = "default",
    timings: Iterable[Timing] = (),
    **changes: Any,
) -> Run:
    """A run for the tick `at`, with steps, checks and the given timings."""
    passed = outcome is Outcome.PASSED
    started = None if outcome is Outcome.MISSED else at + timedelta(milliseconds=15)
    took = timedelta(0) if started is None else timedelta(seconds=3)
    fields: dict[str, Any] = {
        "reason": None if passed else "unexpected: status: wanted 200, got 500",
        "started": started,
        "finished": (started or at) + took,
        "took": took,
        "waited": timedelta(milliseconds=5),
        "worker": "worker-1",
        "tag": "0a1b2c3d",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "steps": _steps(passed) if started else (),
        "checks": _checks(passed) if started else (),
        "timings": tuple(timings),
        "versions": {"reader": "58"},
        "facts": {"launch": "cold"},
    }
    return Run(**{"key": RunKey(name, location, at), "outcome": outcome, **fields, **changes})


async def publish(database: Database, *probes: Probe, disabled: Iterable[Probe] = ()) -> None:
    """Make these the stored catalogue."""
    entries = [Published(found) for found in probes] + [Published(found, enabled=False) for found in disabled]
    async with database.transaction() as connection:
        await catalogue.publish(connection, entries, version="test")


async def record(database: Database, *finished: Run) -> None:
    """Keep these runs."""
    async with database.transaction() as connection:
        for run in finished:
            assert await runs.record(connection, run), f"recorded before: {run.key}"


async def claim(database: Database, key: RunKey) -> None:
    """Have a run in flight."""
    async with database.transaction() as connection:
        lease = timedelta(minutes=1)
        assert await runs.claim(connection, key, worker="worker-1", lease=lease, tag="0a1b2c3d")


async def cover_now(database: Database) -> None:
    """Make the partitions that runs around now need."""
    await partitions.cover(database, NOW - timedelta(days=31), NOW + timedelta(days=31))


def _steps(passed: bool) -> tuple[StepResult, ...]:
    ended = StepOutcome.PASSED if passed else StepOutcome.FAILED
    return (
        StepResult(_ASK.name, StepOutcome.PASSED, _ASK.budget, timedelta(0), timedelta(seconds=1.5)),
        StepResult(_WAIT.name, ended, _WAIT.budget, timedelta(seconds=1.5), timedelta(seconds=1.25)),
    )


def _checks(passed: bool) -> tuple[Check, ...]:
    first = CheckOutcome.PASSED if passed else CheckOutcome.FAILED
    reason = None if passed else "unexpected: status: wanted 200, got 500"
    return (
        Check("OD-01", first, reason, {"status": 200 if passed else 500}),
        Check("OD-02", CheckOutcome.DEGRADED, "title in capitals", {"title": "HELLO"}),
        Check("OD-03", CheckOutcome.SKIPPED, "needs an isolated platform"),
    )
