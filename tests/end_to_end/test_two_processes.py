"""Two workers on one database, one suspended and then killed: no tick runs twice, none is without a record."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select, text

from synthetics.clock import SystemClock
from synthetics.model.run import Outcome
from synthetics.running.sweep import Sweep
from synthetics.scheduling.accounting import Accounting
from synthetics.store import tables
from synthetics.store.engine import Database
from tests.support.engine import FakePlatform
from tests.support.sandbox import until
from tests.support.ticking import plan

TICKS = 250


def start(url: str, name: str, executed: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as written:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.ticking", url, name, str(executed)],
            cwd=Path(__file__).parents[2], stdout=written, stderr=written,
        )  # fmt: skip


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


@pytest.mark.long  # test_workers.py has the short form
async def test_no_tick_runs_twice_and_every_tick_has_its_record(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    executed = tmp_path / "executed"
    names = ("worker-1", "worker-2")
    one, other = (start(database_url, name, executed, tmp_path / name) for name in names)
    try:
        until(lambda: len(lines(executed)) >= TICKS // 2, 60, "a quarter of the work, done by both")
        one.send_signal(signal.SIGSTOP)  # for longer than its leases, in the middle of whatever it does
        until(lambda: len(lines(executed)) >= TICKS, 60, "a quarter done while one is suspended")
        one.send_signal(signal.SIGCONT)
        until(lambda: len(lines(executed)) >= TICKS * 5 // 4, 60, "a little done by both again")
        one.kill()
        until(lambda: len(lines(executed)) >= 2 * TICKS, 60, "the other half, done by the other worker")
        other.send_signal(signal.SIGTERM)
        assert other.wait(20) == 0, (tmp_path / names[1]).read_text()
    finally:
        for process in (one, other):
            process.kill()
            process.wait()

    ran = Counter(lines(executed))
    assert max(ran.values()) == 1, "a tick was run twice"
    await end_the_leases(database)
    await Accounting(
        database, plan=tuple(plan()), clock=SystemClock(), location="default", worker="afterwards"
    ).note_missed()
    async with database.transaction() as connection:
        found = (await connection.execute(select(tables.runs))).all()
    assert {str(row.id) for row in found if row.outcome == Outcome.PASSED.value} <= set(ran)
    assert {row.worker for row in found} >= set(names), "both have worked"
    for scheduled in plan():
        ticks = [row.tick for row in found if row.probe == scheduled.name]
        first, last = min(ticks), max(ticks)
        assert sorted(ticks) == [first, *scheduled.grid.between(first, last)], "a tick twice, or none"
    unfinished = [row.outcome for row in found if row.outcome not in ("passed", "missed", "interrupted")]
    assert unfinished == []


async def end_the_leases(database: Database) -> None:
    """What the killed worker was at is closed, as any other worker's sweep does."""
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE runs SET lease_until = now() WHERE lease_until IS NOT NULL"))
    await Sweep(database, FakePlatform()).once()
