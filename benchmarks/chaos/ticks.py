"""Workers that run tiny probes at short intervals, and what is to be held against the grid in the end."""

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, text

from benchmarks.chaos.verdict import Verdict
from synthetics.clock import SystemClock
from synthetics.model.run import Outcome, Trigger
from synthetics.running.sweep import Sweep
from synthetics.scheduling.accounting import Accounting
from synthetics.scheduling.catalogue import Scheduled
from synthetics.store import tables
from synthetics.store.engine import Database
from tests.support.engine import FakePlatform

_ENDS_WITHIN = 60.0


class Ticking:
    """A worker of `tests.support.ticking` as a process."""

    def __init__(self, place: Path, url: str, name: str, *, every: float, lasting: float) -> None:
        self.name = name
        self.executed = place / "executed"
        self.spool = place / "spool"
        arguments = [url, name, str(self.executed), "--spool", str(self.spool)]
        arguments += ["--every", str(every), "--lasting", str(lasting)]
        self.log = place / f"{name}.log"
        with self.log.open("ab") as written:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.ticking", *arguments], stdout=written, stderr=written
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> bool:
        """Let it drain; whether it ended well. One that had only just been started has nothing to drain."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_ENDS_WITHIN) in (0, -signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.kill()
            return False


def executed(path: Path) -> list[str]:
    """The ids of the runs that were executed, in order, one for each time."""
    return path.read_text().split() if path.exists() else []


def waiting(spool: Path) -> int:
    """How many bytes wait on the disk for the database."""
    return sum(file.stat().st_size for file in spool.glob("*.spool"))


def until_executed(path: Path, more: int, within: float) -> bool:
    """Whether so many more runs were executed in time."""
    wanted, deadline = len(executed(path)) + more, time.monotonic() + within
    while len(executed(path)) < wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


async def _settled(database: Database, plan: Sequence[Scheduled]) -> list[dict[str, object]]:
    """Every scheduled run on record, once leases have ended, what was left is swept, and gaps are noted."""
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE runs SET lease_until = now() WHERE lease_until IS NOT NULL"))
    while (await Sweep(database, FakePlatform()).once()).closed:
        pass
    await Accounting(
        database, plan=plan, clock=SystemClock(), location="default", worker="afterwards"
    ).note_missed()
    columns = (tables.runs.c.id, tables.runs.c.probe, tables.runs.c.tick, tables.runs.c.outcome)
    async with database.transaction() as connection:
        found = await connection.execute(
            select(*columns).where(tables.runs.c.trigger == Trigger.SCHEDULE.value)
        )
        return [dict(row._mapping) for row in found]


async def _open_entries(database: Database) -> list[str]:
    async with database.transaction() as connection:
        found = await connection.execute(
            select(tables.resources.c.kind, tables.resources.c.name).where(tables.resources.c.state != "gone")
        )
        return [f"{kind} {name} in the ledger" for kind, name in found]


def judge(verdict: Verdict, url: str, plan: Sequence[Scheduled], ran: Sequence[str]) -> None:
    """Hold what is on record against the grid, and against what was executed."""

    async def look() -> tuple[list[dict[str, object]], list[str]]:
        database = Database(url)
        try:
            return await _settled(database, plan), await _open_entries(database)
        finally:
            await database.close()

    rows, verdict.leaked = asyncio.run(look())
    by_id = {str(row["id"]): row for row in rows}
    told = {Outcome.PASSED.value, Outcome.FAILED.value, Outcome.BROKEN.value, Outcome.INTERRUPTED.value}
    for run in dict.fromkeys(ran):
        row = by_id.get(run)
        if row is None or row["outcome"] not in told:
            verdict.lost.append(f"run {run} was executed and is {row and row['outcome']} on record")
    verdict.doubled += [
        f"run {run} was executed {times} times" for run, times in Counter(ran).items() if times > 1
    ]
    for scheduled in plan:
        ticks = Counter(row["tick"] for row in rows if row["probe"] == scheduled.name)
        verdict.doubled += [f"{scheduled.name} at {tick}" for tick, times in ticks.items() if times > 1]
        if ticks:
            first, last = min(ticks), max(ticks)  # type: ignore[type-var]
            due = [first, *scheduled.grid.between(first, last)]  # type: ignore[arg-type]
            verdict.lost += [f"{scheduled.name} at {tick}: no record" for tick in due if tick not in ticks]
    verdict.lost += [f"{row['probe']} at {row['tick']}: no outcome" for row in rows if row["outcome"] is None]
    counts = Counter(str(row["outcome"]) for row in rows)
    verdict.told = f"{len(rows)} ticks: " + ", ".join(
        f"{many} {outcome}" for outcome, many in counts.most_common()
    )


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
