"""How quick API and pages are over a long past: `python -m benchmarks.api [--runs 10000000] [--probes 25]`.

Fills a database of its own with ninety days of made-up runs, each with a timing in two phases, and asks one
process of the service, over HTTP, for what people and programs ask. Prints percentiles, then the plan of each
query behind them. Exits 1 if a goal is missed.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import psycopg
from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmarks.backtest import command, cover
from benchmarks.history import Past, write
from benchmarks.machine import conditions
from synthetics.clock import SystemClock
from synthetics.contract.probe import Probe, TimingSpec
from synthetics.model.grid import Grid
from synthetics.queries import Reads
from synthetics.queries.timings import Span
from synthetics.store.embedded import EmbeddedPostgres
from synthetics.store.engine import Database
from synthetics.store.rollups import roll_up
from tests.support.runs import a_probe, publish
from tests.support.service import Service, environment, serving

DAYS, TIMING = timedelta(days=90), "cold_start"
NAME = "probe-{}"
_TIMES, _WARM = 60, 5
#: How much of a plan is shown.
_LINES = 12


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked for, and within how many milliseconds 95 of 100 answers must be there."""

    what: str
    path: str
    milliseconds: float


def goals(until: datetime) -> list[Goal]:
    """Overview and probe page, status, and a timing over ninety days."""
    span = httpx.QueryParams(since=(until - DAYS).isoformat(), until=until.isoformat(), probe=NAME.format(0))
    return [
        Goal("overview", "/", 200),
        Goal("page of a probe", f"/probes/{NAME.format(0)}", 200),
        Goal("the same over 90 days", f"/probes/{NAME.format(0)}?span=90d", 200),
        Goal("status", "/api/v1/status", 20),
        Goal("timings over 90 days", f"/api/v1/timings/{TIMING}?{span}", 100),
        Goal("a page of runs", f"/api/v1/probes/{NAME.format(0)}/runs", 100),
    ]


def main() -> int:
    """Fill, ask, print, and say by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description="Time the API over a long past.")
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--probes", type=int, default=25)
    given = parser.parse_args()
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with tempfile.TemporaryDirectory(prefix="synthetics-api-") as directory:
        state = Path(directory)
        command(state, "migrate")
        server = EmbeddedPostgres(state)
        server.start_blocking()
        try:
            declared = fill(server.url, given.runs, given.probes, until)
            met = ask(state, server.url, until, declared)
            print("\nPlans, the first lines of each:\n")
            asyncio.run(explain(server.url, until))
        finally:
            server.stop_blocking()
    return 0 if met else 1


def fill(url: str, runs: int, probes: int, until: datetime) -> list[Probe]:
    """The past and its hourly figures; says how long each took. The probes whose past it is."""
    each = runs // probes
    names, every = [NAME.format(place) for place in range(probes)], DAYS / each
    # Every run on its probe's own grid, as a worker would have had it.
    pasts = [Past(name, TIMING, each, every, Grid.of(name, every).at_or_before(until)) for name in names]
    cover(url, until - DAYS, until)
    with took(f"{runs} runs of {probes} probes over {DAYS.days} days written"):
        write(url, *pasts)

    async def rolled_up() -> None:
        async with connected(url) as database:
            with took("hourly figures written"):
                await roll_up(database, until + timedelta(hours=1))

    asyncio.run(rolled_up())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        row = connection.execute("SELECT pg_size_pretty(pg_database_size(current_database()))").fetchone()
        print(f"The database has {row[0] if row else '?'}.")
    timing = TimingSpec(TIMING, "From asking to being there.", phases=("pull", "start"))
    return [a_probe(name, timings=(timing,), every=every, timeout=every * 0.9) for name in names]


def ask(state: Path, url: str, until: datetime, declared: Sequence[Probe]) -> bool:
    """Ask a process of the service for everything; whether the goals are met."""
    print(f"\nBefore: {conditions()}. Milliseconds of {_TIMES} answers, one after the other:\n")
    print(f"{'what':<24}{'p50':>8}{'p95':>8}{'longest':>9}{'kB':>8}   goal (p95)")
    met = True
    environ = environment(state, SYNTHETICS_DATABASE_URL=url, ALB_ENDPOINT="http://127.0.0.1:1")
    with serving(state / "api", environ, role="api") as service:
        service.until_ready()
        asyncio.run(published(url, declared))  # the service has published its own catalogue as it started
        for goal in goals(until):
            met &= asked(service, goal)
    return met


async def published(url: str, declared: Sequence[Probe]) -> None:
    """Make these the catalogue."""
    async with connected(url) as database:
        await publish(database, *declared)


def asked(service: Service, goal: Goal) -> bool:
    """Ask so often, print; whether the goal is met. Raises HTTPStatusError for anything but an answer."""
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as client:
        answers, milliseconds = [], []
        for _ in range(_WARM + _TIMES):
            began = time.perf_counter()
            answers.append(client.get(goal.path).raise_for_status())
            milliseconds.append((time.perf_counter() - began) * 1000)
    counted = milliseconds[_WARM:]
    p95 = quantiles(counted, n=20)[-1]
    said = "met" if p95 < goal.milliseconds else "MISSED"
    kilobytes = len(answers[-1].content) / 1000
    print(
        f"{goal.what:<24}{quantiles(counted, n=2)[0]:>8.1f}{p95:>8.1f}{max(counted):>9.1f}{kilobytes:>8.1f}"
        f"   < {goal.milliseconds:g}  {said}"
    )
    return p95 < goal.milliseconds


async def explain(url: str, until: datetime) -> None:
    """Print the plan of every query behind these answers, as Postgres carried it out."""
    statements: dict[str, Any] = {}

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            statements.setdefault(statement, parameters)

    event.listen(Engine, "before_cursor_execute", remember)
    async with connected(url) as database:
        reads = Reads.of(database, SystemClock())
        await reads.status.overview()
        await reads.timings.latest()
        await reads.history.cases(NAME.format(0))
        await reads.coverage.probe(NAME.format(0), since=until - timedelta(days=1), until=until)
        await reads.history.runs(NAME.format(0), limit=25)
        await reads.timings.history(TIMING, Span(until - DAYS, until), probe=NAME.format(0))
    event.remove(Engine, "before_cursor_execute", remember)
    with psycopg.connect(url) as connection:
        for statement, parameters in statements.items():
            plan = connection.execute(
                f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) {statement}".encode(), parameters
            )
            lines = [str(row[0]) for row in plan]
            print(" ".join(statement.split())[:160])
            print("\n".join(f"    {line}" for line in [*lines[:_LINES], *lines[-2:]]) + "\n")


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Database]:
    """A database that is closed after the block."""
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def took(what: str) -> Iterator[None]:
    """Print how long the block took."""
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
