"""Workers told to stop during a cold start: it ends, or is cleaned up, and the second word is the last."""

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.support.database import NewDatabase
from tests.support.monitor import left_behind
from tests.support.sandbox import RunningSandbox, until
from tests.support.service import Environment, Service, call, due_in, environment, only, serving


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a worker ended that was stopped while a container of its was starting."""

    client: str
    place: Path
    environ: Environment
    code: int
    log: Service

    def outcomes(self) -> list[tuple[str | None, str | None]]:
        """Outcome and reason of every run that it claimed."""
        with psycopg.connect(self.environ["SYNTHETICS_DATABASE_URL"]) as connection:
            return connection.execute("SELECT outcome, reason FROM runs WHERE tag <> ''").fetchall()

    def drained(self) -> tuple[int, int]:
        """How many runs were under way, and how many of them were interrupted."""
        (event,) = self.log.events("scheduler.drained")
        return event["under_way"], event["interrupted"]


def test_told_to_stop_a_worker_finishes_or_cleans_up_and_told_twice_it_leaves(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    # All three at once, on a platform that is shared: a cold start that demands to be alone could not be.
    def stopped(client: str, drain: str, signals: int) -> Stopped:
        place = tmp_path / client
        own = {"CLIENT_PREFIX": client, "SYNTHETICS_DATABASE_URL": new_database(), "ENVIRONMENT": "shared"}
        limits = {"SYNTHETICS_WORKER__DRAIN": drain, "SYNTHETICS_WORKER__LEASE": "1"}
        environ = environment(place, platform.environment, own, limits)
        config = only("cold-start", every=due_in("cold-start", 3))
        with serving(place, environ, role="worker", config=config) as worker:
            worker.wait_for("worker.started")
            until(lambda: container_starts(platform, client), 30, f"a start: {worker.log.read_text()}")
            worker.terminate()
            if signals == 2:
                until(lambda: not caught(worker, signal.SIGTERM), 5, "the first signal to be heard")
                worker.terminate()
                return Stopped(client, place, environ, worker.wait(3), worker)
            return Stopped(client, place, environ, worker.wait(), worker)

    with ThreadPoolExecutor() as pool:
        waiting = [
            pool.submit(stopped, client, drain, signals)
            for client, drain, signals in (("patient-", "30", 1), ("hasty-", "0.1", 1), ("twice-", "30", 2))
        ]
        patient, hasty, twice = (one.result() for one in waiting)

    assert (patient.code, patient.drained(), patient.outcomes()) == (0, (1, 0), [("passed", None)])
    assert (hasty.code, hasty.drained()) == (0, (1, 1))
    assert hasty.outcomes() == [("interrupted", "this worker was told to stop")]
    assert [left_behind(platform, one.client) for one in (patient, hasty)] == [[], []]

    assert twice.code == -signal.SIGTERM
    assert twice.outcomes() == [(None, None)]
    swept = call(twice.place, twice.environ, "sweep")
    assert (swept.returncode, [outcome for outcome, _ in twice.outcomes()]) == (0, ["interrupted"]), swept
    assert left_behind(platform, twice.client) == []


def container_starts(platform: RunningSandbox, client: str) -> bool:
    starts = platform.truth("container.starting")
    return any(str(event.fields["client"]).startswith(client) for event in starts)


def caught(service: Service, number: signal.Signals) -> bool:
    """Whether the process still handles this signal itself."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    (mask,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(mask >> (number - 1) & 1)
