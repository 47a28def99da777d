"""A real worker killed at random instants, over all families of probes, and parts of the platform with it."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

import probes
from benchmarks.chaos.verdict import Verdict
from benchmarks.machine import a_sandbox
from benchmarks.soak import everything_on
from tests.support.sandbox import RunningSandbox, processes_of, until
from tests.support.server import Server
from tests.support.service import Service, call, due_in, environment
from tests.support.wire import WAYS as WIRES
from tests.support.wire import Wire

LEASE = 2.0
#: So many probes are due at once, so many seconds after a worker was started.
AT_ONCE, DUE_AFTER = 3, 4.0
#: Seconds from a run's start within which the worker is killed.
LONGEST_LIFE = 10.0
#: One in so many is killed while it starts.
SELDOM = 10
_INTERVAL = 60.0
#: A worker that came up too late for its probes' ticks, on a busy machine, has the next ones.
_CLAIMS_WITHIN = 40.0 + 2 * _INTERVAL
_SETTLES_WITHIN = 15.0


@dataclass(slots=True)
class Scene:
    """A sandbox, a database of its own, and workers that come and go."""

    place: Path
    sandbox: RunningSandbox
    server: Server
    environ: dict[str, str]

    def worker(self, due: Sequence[str]) -> Service:
        """A worker for which these probes are due soon."""
        return Service(self.place, self.environ, role="worker", config=_config(due))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def claimed(self) -> int:
        try:
            return int(self.rows("SELECT count(*) FROM runs WHERE claimed_at IS NOT NULL")[0][0])
        except psycopg.errors.UndefinedTable:
            return 0


def a_scene(place: Path, sandbox: RunningSandbox, **settings: str) -> Scene:
    place.mkdir(parents=True)
    server = Server(place)
    server.start()
    given: Mapping[str, str] = {
        "SYNTHETICS_DATABASE_URL": server.url,
        "SYNTHETICS_WORKER__LEASE": str(LEASE),
        "SYNTHETICS_WORKER__SWEEP_EVERY": str(LEASE),
        "SYNTHETICS_WORKER__LOCK_WAIT": "20",
        **settings,
    }
    return Scene(place, sandbox, server, environment(place, sandbox.environment, given))


def kills(times: int, seed: int, place: Path) -> Verdict:
    """Kill a worker so many times, each while other probes are under way; one sweep must clear all away."""
    draw, verdict = random.Random(f"{seed}:kills"), Verdict("worker killed")
    with a_sandbox(speed=0.05, idle_seconds=3.0, command_speed=0.3) as sandbox:
        scene = a_scene(place, sandbox)
        try:
            for due in _turns(draw, times):
                worker = scene.worker(due)
                try:
                    verdict.survived += _lives_and_dies(scene, worker, draw)
                finally:
                    worker.kill()
                verdict.given += 1
            settle_and_judge(scene, verdict)
        finally:
            scene.server.stop()
    return verdict


Break = Callable[[RunningSandbox, random.Random], None]


def pause_all(sandbox: RunningSandbox, draw: random.Random) -> None:
    """The whole platform stands still for a moment."""
    os.kill(sandbox.process.pid, signal.SIGSTOP)
    time.sleep(draw.uniform(0.3, 3.0))
    os.kill(sandbox.process.pid, signal.SIGCONT)


def kill_a_container(sandbox: RunningSandbox, draw: random.Random) -> None:
    container = _a_container(sandbox, draw)
    if container:
        _send(container, signal.SIGKILL)


def pause_a_container(sandbox: RunningSandbox, draw: random.Random) -> None:
    container = _a_container(sandbox, draw)
    if container:
        _send(container, signal.SIGSTOP)
        time.sleep(draw.uniform(0.3, 3.0))
        _send(container, signal.SIGCONT)


PARTS: dict[str, Break] = {
    "platform paused": pause_all,
    "container killed": kill_a_container,
    "container paused": pause_a_container,
}


def parts(what: str, times: int, seed: int, place: Path) -> Verdict:
    """Break a part of the platform so many times while all families take their turns; then sweep once."""
    draw, verdict = random.Random(f"{seed}:{what}"), Verdict(what)
    with a_sandbox(speed=0.05, idle_seconds=3.0, command_speed=0.3) as sandbox:
        scene = a_scene(place, sandbox)
        try:
            _under(scene, verdict, draw, times, lambda: PARTS[what](sandbox, draw))
            settle_and_judge(scene, verdict)
        finally:
            scene.server.stop()
    return verdict


def wired(way: str, times: int, seed: int, place: Path) -> Verdict:
    """The ways to AWS and to the load balancer are bad again and again."""
    draw, verdict = random.Random(f"{seed}:platform:{way}"), Verdict(f"wire to the platform {way}")
    with a_sandbox(speed=0.05, idle_seconds=3.0, command_speed=0.3) as sandbox:
        host, names = sandbox.settings.host, sandbox.settings
        with Wire((host, names.aws_port)) as aws, Wire((host, names.alb_port)) as alb:
            entrance = f"http://127.0.0.1:{alb.port}"
            scene = a_scene(
                place,
                sandbox,
                AWS_ENDPOINT_URL=f"http://127.0.0.1:{aws.port}",
                ALB_ENDPOINT=entrance,
                HERMES_ENDPOINT=f"{entrance}/hermes",
                API_ENDPOINT=f"{entrance}/api",
                ROUTER_ENDPOINT=entrance,
            )

            def spoil() -> None:
                for wire in (aws, alb):
                    WIRES[way](wire)
                time.sleep(draw.uniform(0.3, 3.0))
                for wire in (aws, alb):
                    wire.mend()

            try:
                _under(scene, verdict, draw, times, spoil)
                settle_and_judge(scene, verdict)
            finally:
                scene.server.stop()
    return verdict


def _under(scene: Scene, verdict: Verdict, draw: random.Random, times: int, spoil: Callable[[], None]) -> None:
    """Give so many faults, a few to each worker, while its probes run; each must go on until it is stopped."""
    for due in _turns(draw, -(-times // AT_ONCE)):
        worker = scene.worker(due)
        try:
            _claims(scene, scene.claimed())
            for _ in range(min(AT_ONCE, times - verdict.given)):
                time.sleep(draw.uniform(0.2, 3.0))
                spoil()
                verdict.given += 1
                verdict.survived += worker.process.poll() is None
            worker.terminate()
            worker.wait(120)
        finally:
            worker.kill()


def _claims(scene: Scene, before: int) -> None:
    """Return once more runs are claimed than before."""
    until(lambda: scene.claimed() > before, _CLAIMS_WITHIN, "a claim")


def settle_and_judge(scene: Scene, verdict: Verdict) -> None:
    """Wait until the last lease is over, sweep once, and see what is there that should not be, and is not."""
    until(
        lambda: not scene.rows("SELECT 1 FROM runs WHERE outcome IS NULL AND lease_until > now()"),
        10 * LEASE,
        "the end of the leases",
    )
    swept = call(scene.place, scene.environ, "sweep", within=300)
    if swept.returncode:
        verdict.leaked.append(f"the sweep ended with {swept.returncode}: {swept.stdout}{swept.stderr}")
    deadline = time.monotonic() + _SETTLES_WITHIN
    while (left := everything_on(scene.sandbox)) and time.monotonic() < deadline:
        time.sleep(0.2)
    verdict.leaked += left
    open_ended = scene.rows("SELECT probe, tick FROM runs WHERE outcome IS NULL")
    verdict.lost += [f"{probe} at {tick}: claimed, no outcome" for probe, tick in open_ended]
    twice = scene.rows(
        "SELECT probe, tick FROM runs GROUP BY probe, tick, trigger, attempt HAVING count(*) > 1"
    )
    verdict.doubled += [f"{probe} at {tick}" for probe, tick in twice]
    known = {tag for (tag,) in scene.rows("SELECT tag FROM runs WHERE tag <> ''")}
    verdict.doubled += [
        f"{tag} was seen on the platform, and no run has it" for tag in _tags(scene.sandbox) - known
    ]
    counts = scene.rows("SELECT outcome, count(*) FROM runs WHERE tag <> '' GROUP BY 1 ORDER BY 2 DESC")
    families = scene.rows("SELECT count(DISTINCT probe) FROM runs WHERE tag <> ''")[0][0]
    told = ", ".join(f"{many} {outcome}" for outcome, many in counts)
    ended_badly = scene.rows(
        "SELECT probe, reason FROM runs WHERE outcome IN ('failed', 'broken') ORDER BY tick"
    )
    verdict.failures += [f"{probe}: {reason}" for probe, reason in ended_badly]
    verdict.told = f"{sum(many for _, many in counts)} runs of {families} probes: {told}"


def _lives_and_dies(scene: Scene, worker: Service, draw: random.Random) -> bool:
    """Let a worker begin, and kill it at some instant; whether it had come up by then, or had no time to."""
    before, life = scene.claimed(), draw.uniform(0, LONGEST_LIFE)
    if draw.randrange(SELDOM) == 0:
        time.sleep(draw.uniform(0.3, DUE_AFTER))
        return worker.process.poll() is None
    until(lambda: scene.claimed() > before or worker.process.poll() is not None, _CLAIMS_WITHIN, "a claim")
    time.sleep(life)
    return worker.process.poll() is None


def _turns(draw: random.Random, times: int) -> Iterator[list[str]]:
    """Which probes are due each time: all of the catalogue take their turns, in changing company."""
    names: list[str] = []
    for _ in range(times):
        chosen: list[str] = []
        while len(chosen) < AT_ONCE:
            if not names:
                names = draw.sample([probe.name for probe in probes.CATALOGUE], len(probes.CATALOGUE))
            name = names.pop()
            if name not in chosen:
                chosen.append(name)
        yield chosen


def _config(due: Sequence[str]) -> str:
    lines = []
    for probe in probes.CATALOGUE:
        lines.append(f"[probes.{probe.name}]")
        if probe.name in due:
            every = due_in(probe.name, DUE_AFTER, at_least=_INTERVAL)
            lines += [f"every = {every.total_seconds()}", f"timeout = {_INTERVAL}"]
        else:
            lines.append("enabled = false")
    return "\n".join(lines) + "\n"


def _tags(sandbox: RunningSandbox) -> set[str]:
    """The tags of ours that the platform has met, as clients told it."""
    told = (str(event.fields.get("client") or "") for event in sandbox.truth())
    return {client[4:12] for client in told if client.startswith("syn-")}


def _a_container(sandbox: RunningSandbox, draw: random.Random) -> int | None:
    """The process of some container; None if none runs."""
    main, *others = processes_of(sandbox)
    helper = next((pid for pid in others if b"zygote" in _command(pid) and _parent(pid) == main), None)
    containers = [pid for pid in others if helper is not None and _parent(pid) == helper]
    return draw.choice(containers) if containers else None


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
