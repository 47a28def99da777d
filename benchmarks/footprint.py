"""What a worker costs its machine: `python -m benchmarks.footprint [--role worker|all]`.

Starts the real service as a process against a sandbox of its own, and measures

- seconds from the command to its first claim, read from the runs table, with the database migrated before: once
  with the embedded server running already (the goal), once with the server to be started as well;
- resident memory and CPU while nothing is due;
- resident memory while four scenarios run at once.

A probe with ticks every fifth of a second stands for "something is due" in the first, so that what is measured
is the start and not the wait for a tick. Exits 1 if a goal is missed.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

import probes
from benchmarks import four
from benchmarks.machine import a_sandbox, conditions
from synthetics.model.grid import Grid
from synthetics.store.embedded import EmbeddedPostgres
from tests.support.sandbox import RunningSandbox, until

SERVICE = ("synthetics.cli",)
CLAIM_GOAL = 3.0
BUSY_GOAL = 150.0
IDLE_WISH = 60.0
CPU_GOAL = 2.0
IDLE_WATCHED = 20.0
SETTLING = 4.0
STARTS_WITHIN = 30.0
#: Slow enough that four scenarios overlap for a good while.
SPEED = 0.1


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure, what it should stay under, and whether missing that is a failure."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    binding: bool = True

    @property
    def missed(self) -> bool:
        return self.limit is not None and self.value >= self.limit

    def line(self) -> str:
        """For people."""
        goal = "" if self.limit is None else f"{'goal' if self.binding else 'wish'} < {self.limit:g}"
        said = "" if self.limit is None else ("MISSED" if self.missed else "met")
        return f"{self.name:<52}{self.value:>9.2f} {self.unit:<5}{goal:<12}{said}"


class Bench:
    """A directory for the state, and the environment in which the service starts."""

    def __init__(self, directory: Path, sandbox: RunningSandbox, role: str) -> None:
        self._directory = directory
        self._role = role
        self.state = directory / "state"
        self._environment = {
            **os.environ,
            **sandbox.environment,
            "SYNTHETICS_STATE_DIR": str(self.state),
            "SYNTHETICS_API__PORT": "0",
            "SYNTHETICS_LOG_FORMAT": "json",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }

    def migrate(self) -> None:
        """Make the database and its schema; its server is stopped afterwards."""
        subprocess.run(
            [sys.executable, "-m", "synthetics.cli", "migrate"],
            env=self._environment, cwd=self._directory, check=True, capture_output=True,
        )  # fmt: skip

    @contextmanager
    def service(self, module: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        """The service, running; drained afterwards. Raises RuntimeError with its log if it ends badly."""
        log = self._directory / "service.log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [sys.executable, "-m", module, "serve", "--role", self._role],
                env={**self._environment, **settings}, cwd=self._directory, stdout=written, stderr=written,
            )  # fmt: skip
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            if process.wait(120) != 0:
                raise RuntimeError(f"the service ended with {process.returncode}: {log.read_text()[-2000:]}")
        finally:
            process.kill()
            process.wait()


def time_to_claim(bench: Bench, *, server_runs: bool) -> Figure:
    """From the command to the first claim."""
    quick = {
        f"SYNTHETICS_PROBES__SESSION_RESUMPTION__{name}": "0.2" for name in ("EVERY", "TIMEOUT")
    } | _without("session-resumption")
    server = EmbeddedPostgres(bench.state)
    if server_runs:
        server.start_blocking()
    began = datetime.now(UTC)
    with bench.service("synthetics.cli", **quick):
        if not server_runs:  # from outside nothing is to be seen before it has started it
            time.sleep(CLAIM_GOAL + 2)
            server.start_blocking()
        claimed = until(lambda: _claims(server.url, began), STARTS_WITHIN, "a claim")[0]
    server.stop_blocking()
    how = "server running" if server_runs else "server to be started"
    seconds = (claimed - began).total_seconds()
    return Figure(f"command to first claim, {how}", seconds, "s", CLAIM_GOAL, binding=server_runs)


def idle(bench: Bench) -> list[Figure]:
    """Memory and CPU of a worker that has nothing to do."""
    with _server(bench) as server, bench.service("synthetics.cli", **_nothing_due()) as process:
        until(lambda: _published(server), STARTS_WITHIN, "a worker that is up")
        time.sleep(SETTLING)
        before, began = _cpu_seconds(process.pid), time.monotonic()
        time.sleep(IDLE_WATCHED)
        busy = (_cpu_seconds(process.pid) - before) / (time.monotonic() - began)
        memory = _resident(process.pid)
    return [
        Figure(f"CPU while idle, over {IDLE_WATCHED:g} s", busy * 100, "%", CPU_GOAL),
        Figure("resident memory while idle", memory, "MB", IDLE_WISH, binding=False),
    ]


def busy(bench: Bench) -> list[Figure]:
    """The largest memory of a worker seen while four scenarios run at once."""
    names = [probe.name for probe in four.four_at_once()]
    largest, most = 0.0, 0
    with _server(bench) as server, bench.service("benchmarks.four") as process:
        until(lambda: _in_flight(server, names) == len(names), 2 * four.EVERY.total_seconds(), "four at once")
        while under_way := _in_flight(server, names):
            most = max(most, under_way)
            largest = max(largest, _resident(process.pid))
            time.sleep(0.1)
        ended = _outcomes(server, names)
    if ended != {"passed"}:
        raise RuntimeError(f"the four scenarios ended as {sorted(ended)}")
    return [Figure(f"resident memory while {most} scenarios run at once", largest, "MB", BUSY_GOAL)]


def _without(*kept: str) -> dict[str, str]:
    return {
        f"SYNTHETICS_PROBES__{probe.name.replace('-', '_').upper()}__ENABLED": "false"
        for probe in probes.CATALOGUE
        if probe.name not in kept
    }


def _nothing_due() -> dict[str, str]:
    """An interval for every probe under which it is not due for the next few minutes."""
    now, settings = datetime.now(UTC), {}
    for probe in probes.CATALOGUE:
        every = timedelta(hours=2)
        while Grid.of(probe.name, every).after(now) - now < timedelta(minutes=5):
            every += timedelta(minutes=7)
        name = probe.name.replace("-", "_").upper()
        settings[f"SYNTHETICS_PROBES__{name}__EVERY"] = str(every.total_seconds())
    return settings


@contextmanager
def _server(bench: Bench) -> Iterator[str]:
    server = EmbeddedPostgres(bench.state)
    server.start_blocking()
    try:
        yield server.url
    finally:
        server.stop_blocking()


def _claims(url: str, since: datetime) -> list[datetime]:
    """When the first claim since then was made; empty if there was none."""
    row = _one(url, "SELECT min(claimed_at) FROM runs WHERE claimed_at >= %s", since)
    return [row[0]] if row and isinstance(row[0], datetime) else []


def _published(url: str) -> bool:
    row = _one(url, "SELECT count(*) FROM probes WHERE every_seconds > 7000")
    return row is not None and row[0] == len(probes.CATALOGUE)


def _in_flight(url: str, names: Sequence[str]) -> int:
    row = _one(url, "SELECT count(*) FROM runs WHERE outcome IS NULL AND probe = ANY(%s)", list(names))
    return int(str(row[0])) if row else 0


def _outcomes(url: str, names: Sequence[str]) -> set[str]:
    found = _one(url, "SELECT array_agg(DISTINCT outcome) FROM runs WHERE probe = ANY(%s)", list(names))
    return {str(one) for one in found[0]} if found and isinstance(found[0], list) else set()


def _one(url: str, statement: str, *values: object) -> tuple[object, ...] | None:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode(), values).fetchone()


def _resident(pid: int) -> float:
    """Megabytes (10⁶ bytes) of memory that the process has in RAM, shared pages included."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, print, and say by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description="Measure what a worker costs its machine.")
    parser.add_argument("--role", choices=("worker", "all"), default="worker")
    given = parser.parse_args()
    before = conditions()
    with (
        tempfile.TemporaryDirectory(prefix="synthetics-footprint-") as directory,
        a_sandbox(speed=SPEED, idle_seconds=3.0) as sandbox,
    ):
        bench = Bench(Path(directory), sandbox, given.role)
        bench.migrate()
        figures = [time_to_claim(bench, server_runs=True), time_to_claim(bench, server_runs=False)]
        figures += [*idle(bench), *busy(bench)]
    print(f"Role {given.role}. Before: {before}. After: {conditions()}.\n")
    print("\n".join(figure.line() for figure in figures))
    return 1 if any(figure.missed and figure.binding for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
