"""A timing that becomes slower, from the values in the database to the incident and its notice."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from synthetics.alerting.acting import Acts, Wanted
from synthetics.model.incident import Incident, IncidentState, Rule
from synthetics.model.run import Outcome, Run
from synthetics.model.timing import Phase, Timing
from synthetics.store import tables
from synthetics.store.engine import Database
from tests.support.alerting import Court
from tests.support.clock import FakeClock
from tests.support.runs import NOW, a_probe, a_run, a_timing, cover_now, publish, tick

LEARNT = 70


def opening(pull: float, boot: float, *, path: str = "near") -> Timing:
    """A timing of two phases, in seconds."""
    phases = (Phase("fetch", timedelta(seconds=pull)), Phase("draw", timedelta(seconds=boot)))
    return Timing("opening", timedelta(seconds=pull + boot), path=path, phases=phases)


def history(
    count: int, *, first: int, seed: int = 1, pull: float = 2.0, versions: dict[str, str] | None = None
) -> list[Run]:
    """`count` runs, oldest first, from the tick `first` before now; about `pull` and 3 s in the two phases."""
    draw = random.Random(seed)
    return [
        a_run(
            tick(first - place),
            timings=[opening(pull * draw.uniform(0.95, 1.05), 3 * draw.uniform(0.97, 1.03))],
            versions=versions or {"revision": "57"},
        )
        for place in range(count)
    ]


def regressed(incidents: Sequence[Incident]) -> list[Incident]:
    return [incident for incident in incidents if incident.rule is Rule.REGRESSED]


@pytest.fixture
async def court(database: Database) -> Court:
    await cover_now(database)
    await publish(database, a_probe())
    return Court(database)


async def test_slower_is_one_incident_that_says_since_when_and_in_which_phase(court: Court) -> None:
    await court.keep(*history(LEARNT, first=100))
    assert await court.incidents() == []
    slower = history(12, first=100 - LEARNT, seed=2, pull=4.0, versions={"revision": "58"})
    await court.keep(*slower)

    (incident,) = await court.incidents()
    assert (incident.rule, incident.subject, incident.severity) == (Rule.REGRESSED, "opening/near", "page")
    assert incident.summary.startswith("open_document (opening/near) became slower: ")
    before, after = incident.evidence["before"], incident.evidence["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert before["p50"] == pytest.approx(5.0, rel=0.02)
    assert after["p50"] == pytest.approx(7.0, rel=0.03)
    began = f"since {slower[0].key.tick:%H:%M} UTC on 2026-03-10"
    assert began in incident.summary
    assert "100% of it in fetch, first seen after a change of revision 57 → 58" in incident.summary
    assert incident.summary.endswith("runs; by chance in less than 1 of 2,000 runs")
    assert incident.evidence["phases"] == {"fetch": 1.0, "draw": 0.0}
    assert str(incident.evidence["first"]) <= slower[0].key.tick.isoformat()
    assert str(incident.evidence["last"]) >= slower[0].key.tick.isoformat()
    (notice,) = await court.notices()
    assert notice["payload"]["sentence"] == incident.summary
    assert notice["payload"]["runbook"] == "https://docs.test/regressed"


async def test_as_usual_again_resolves_it_within_a_few_runs(court: Court) -> None:
    await court.keep(*history(LEARNT, first=110))
    await court.keep(*history(12, first=40, seed=2, pull=4.0))
    await court.keep(*history(14, first=28, seed=3))

    (incident,) = await court.incidents()
    assert incident.state is IncidentState.RESOLVED
    assert await court.events(incident) == ["opened", "resolved"]


async def test_one_slow_run_is_no_incident(court: Court) -> None:
    await court.keep(*history(LEARNT, first=110))
    await court.keep(*history(1, first=40, pull=6.0), *history(20, first=39, seed=3))

    assert await court.incidents() == []


async def test_values_of_a_stalled_loop_and_of_maintenance_teach_nothing(court: Court) -> None:
    await court.keep(*history(LEARNT, first=110))
    acts = Acts(court.database, FakeClock(NOW - timedelta(hours=3, minutes=22)))
    await acts.declare(Wanted(reason="new disks", lasts=timedelta(minutes=52)))
    await court.keep(*history(10, first=40, pull=9.0))
    await court.keep(*(a_run(tick(29 - back), timings=[a_timing(30, stalled=True)]) for back in range(8)))

    assert regressed(await court.incidents()) == []


async def test_each_path_is_judged_by_itself(court: Court) -> None:
    near = history(LEARNT + 12, first=100)
    far = history(LEARNT, first=100, seed=5) + history(12, first=30, seed=6, pull=5.0)
    both = [
        a_run(one.key.tick, timings=[one.timings[0], opening(*_parts(other), path="far")])
        for one, other in zip(near, far, strict=True)
    ]
    await court.keep(*both)

    (incident,) = await court.incidents()
    assert incident.subject == "opening/far"


async def test_the_new_normal_resolves_it_and_the_old_level_is_forgotten(court: Court) -> None:
    await court.keep(*history(LEARNT, first=120))
    await court.keep(*history(14, first=50, seed=2, pull=4.0))
    (incident,) = await court.incidents()
    acts = Acts(court.database, FakeClock(NOW))
    await acts.acknowledge(incident.id, by="ops", note="bigger image", new_normal=True)
    await court.keep(*history(30, first=36, seed=3, pull=4.0))

    (incident,) = await court.incidents()
    assert incident.state is IncidentState.RESOLVED
    async with court.database.transaction() as connection:
        row = (await connection.execute(select(tables.series))).one()
    assert row.level_seconds == pytest.approx(7.0, rel=0.02)
    assert row.relevel_at is None


async def test_while_it_fails_slowness_is_explained(court: Court) -> None:
    await court.keep(*history(LEARNT, first=110))
    slow = history(12, first=40, seed=2, pull=9.0)
    await court.keep(*(a_run(run.key.tick, Outcome.FAILED, timings=run.timings) for run in slow))

    cause, *others = await court.incidents()
    assert cause.rule is Rule.FAILING
    assert [other.folded_under for other in regressed(others)] == [cause.id]


async def test_judging_goes_on_where_another_process_stopped(court: Court, database: Database) -> None:
    runs = history(LEARNT, first=100) + history(12, first=30, seed=2, pull=4.0)
    for run in runs:
        await Court(database).keep(run)

    assert len(regressed(await court.incidents())) == 1


async def test_a_state_that_cannot_be_read_is_learnt_anew_from_the_stored_values(court: Court) -> None:
    await court.keep(*history(LEARNT, first=100))
    async with court.database.transaction() as connection:
        await connection.execute(tables.series.update().values(state={"method": 0}))
    await court.keep(*history(12, first=30, seed=2, pull=4.0))

    assert len(regressed(await court.incidents())) == 1


def _parts(run: Run) -> tuple[float, float]:
    fetch, draw = run.timings[0].phases
    return fetch.took.total_seconds(), draw.took.total_seconds()
