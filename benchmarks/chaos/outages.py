"""The database goes away under way, in every way there is, and comes back."""

import random
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.chaos.ticks import Ticking, executed, judge, seconds, until_executed, waiting
from benchmarks.chaos.verdict import Verdict
from synthetics.store import migrating
from tests.support.server import WAYS, Server
from tests.support.ticking import lasting, plan
from tests.support.wire import WAYS as WIRES
from tests.support.wire import Wire

EVERY, LASTING = 0.5, 0.4
#: How long an outage lasts; a paused server is given up after ten seconds.
_SHORTEST, _LONGEST = 0.2, 3.0
#: So many runs must have been executed before the next outage, within so many seconds of the last one's end.
_BETWEEN, _BACK_WITHIN = 30, 60.0


def outages(way: str, times: int, seed: int, place: Path) -> Verdict:
    """So many outages of one kind under a worker that works; none of its runs may be lost or doubled."""
    draw, verdict = random.Random(f"{seed}:{way}"), Verdict(f"database {way}")
    place.mkdir(parents=True)
    server = Server(place)
    server.start()
    migrating.upgrade(server.url)
    away, back = WAYS[way]
    worker = Ticking(place, server.url, "worker-1", every=EVERY, lasting=LASTING)
    try:
        if not until_executed(worker.executed, _BETWEEN, _BACK_WITHIN):
            raise RuntimeError(f"the worker does not work: {worker.log.read_text()[-2000:]}")
        for _ in range(times):
            away(server)
            time.sleep(draw.uniform(_SHORTEST, _LONGEST))
            back(server)
            verdict.given += 1
            verdict.survived += until_executed(worker.executed, _BETWEEN, _BACK_WITHIN)
        _ended(verdict, [worker])
        judge(verdict, server.url, tuple(plan(seconds(EVERY), lasting(LASTING))), executed(worker.executed))
    finally:
        worker.kill()
        server.stop()
    return verdict


def wires(way: str, times: int, seed: int, place: Path) -> Verdict:
    """Like `outages`, where it is the way to the database that is bad."""
    draw, verdict = random.Random(f"{seed}:wire:{way}"), Verdict(f"wire to the database {way}")
    place.mkdir(parents=True)
    server = Server(place)
    server.start()
    migrating.upgrade(server.url)
    with Wire(server.socket) as wire:
        worker = Ticking(place, through(server.url, wire), "worker-1", every=EVERY, lasting=LASTING)
        try:
            if not until_executed(worker.executed, _BETWEEN, _BACK_WITHIN):
                raise RuntimeError(f"the worker does not work: {worker.log.read_text()[-2000:]}")
            for _ in range(times):
                WIRES[way](wire)
                time.sleep(draw.uniform(_SHORTEST, _LONGEST))
                wire.mend()
                verdict.given += 1
                verdict.survived += until_executed(worker.executed, _BETWEEN, _BACK_WITHIN)
            _ended(verdict, [worker])
            judge(verdict, server.url, tuple(plan(seconds(EVERY), lasting(LASTING))), executed(worker.executed))
        finally:
            worker.kill()
            server.stop()
    return verdict


def crowd(ticks: int, seed: int, place: Path) -> Verdict:
    """Three workers, one of them killed every few seconds and started again, until so many ticks have run."""
    draw, verdict, every = random.Random(f"{seed}:crowd"), Verdict("one of three workers killed"), 2.0
    place.mkdir(parents=True)
    server = Server(place)
    server.start()
    migrating.upgrade(server.url)
    path, names = place / "executed", ("worker-1", "worker-2", "worker-3")

    def start(name: str) -> Ticking:
        return Ticking(place, server.url, name, every=every, lasting=LASTING)

    workers = [start(name) for name in names]
    try:
        while len(executed(path)) < ticks:
            time.sleep(draw.uniform(1.0, 4.0))
            victim = draw.randrange(len(workers))
            workers[victim].kill()
            verdict.given += 1
            verdict.survived += until_executed(path, 1, _BACK_WITHIN)
            workers[victim] = start(names[victim])
        _ended(verdict, workers)
        judge(verdict, server.url, tuple(plan(seconds(every), lasting(LASTING))), executed(path))
    finally:
        for worker in workers:
            worker.kill()
        server.stop()
    return verdict


def through(url: str, wire: Wire) -> str:
    """The database's address by this wire."""
    user = url.partition("//")[2].partition("@")[0]
    database = url.partition("?")[0].rpartition("/")[2]
    return f"postgresql://{user}@127.0.0.1:{wire.port}/{database}?sslmode=disable"


def _ended(verdict: Verdict, workers: Sequence[Ticking]) -> None:
    """Let the workers drain; nothing may wait on the disk then, as the database is there."""
    verdict.lost += [f"{worker.name} did not end well: {worker.log}" for worker in workers if not worker.stop()]
    left = waiting(workers[0].spool)
    verdict.lost += [f"{left} bytes are still in the spool"] if left else []
