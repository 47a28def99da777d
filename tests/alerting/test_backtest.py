"""Judging the past again tells what the service told of it as it happened."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from synthetics.alerting.backtest import judged_again
from synthetics.model.incident import Rule
from synthetics.model.maintenance import Maintenance
from synthetics.regression.change import Value
from synthetics.store import series
from synthetics.store.engine import Database
from synthetics.store.series import SeriesKey
from tests.alerting.test_slowness import LEARNT, history, opening
from tests.support.alerting import Court
from tests.support.runs import NOW, a_probe, a_run, cover_now, publish
from tests.support.service import call, environment

KEY = SeriesKey("open_document", "default", "opening", "near")


@pytest.fixture
async def court(database: Database) -> Court:
    await cover_now(database)
    await publish(database, a_probe())
    return Court(database)


async def stored(court: Court) -> Sequence[Value]:
    async with court.database.transaction() as connection:
        return await series.values(connection, KEY)


async def test_it_tells_what_was_told(court: Court) -> None:
    await court.keep(*history(LEARNT, first=120))
    await court.keep(*history(12, first=50, seed=2, pull=4.0))
    await court.keep(*history(14, first=38, seed=3))
    judged: list[None] = []
    (told,) = judged_again(KEY, await stored(court), [], lambda: judged.append(None))

    (incident,) = await court.incidents()
    assert incident.rule is Rule.REGRESSED
    assert told.summary == incident.summary
    assert told.at < incident.opened_at < told.at + timedelta(seconds=10)
    assert told.over_at is not None
    assert incident.resolved_at is not None
    assert told.over_at < incident.resolved_at < told.over_at + timedelta(seconds=10)
    assert len(judged) == LEARNT + 26


async def test_maintenance_is_left_out(court: Court) -> None:
    await court.keep(*history(LEARNT, first=120))
    await court.keep(*history(12, first=50, seed=2, pull=4.0))
    values = await stored(court)
    starts = values[LEARNT].tick
    over = Maintenance(
        id=values[0].run_id,
        reason="new disks",
        starts_at=starts,
        lasts=timedelta(hours=2),
        over_at=starts + timedelta(hours=2),
        probes=(),
        weekly=None,
        created_by="",
    )
    assert len(judged_again(KEY, values, [])) == 1
    assert judged_again(KEY, values, [over]) == []
    assert values[-1].tick < NOW


async def test_the_command_judges_every_series_in_processes_of_their_own(
    court: Court, database_url: str, tmp_path: Path
) -> None:
    quiet = [opening(2.0, 3.0, path="far")] * (LEARNT + 12)
    runs = history(LEARNT, first=120) + history(12, first=50, seed=2, pull=4.0)
    await court.keep(
        *(
            a_run(run.key.tick, timings=[*run.timings, other], versions=run.versions)
            for run, other in zip(runs, quiet, strict=True)
        )
    )
    environ = environment(tmp_path, SYNTHETICS_DATABASE_URL=database_url)
    since = "2026-01-01T00:00:00Z"
    done = await asyncio.to_thread(call, tmp_path, environ, "backtest", "--since", since, "--json")

    (incident,) = await court.incidents()
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert (told["timing"], told["path"], told["summary"]) == ("opening", "near", incident.summary)
    assert done.stderr == ""
