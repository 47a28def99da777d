"""Runs open and resolve incidents in the transaction that keeps them, once, and in whatever order they come."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from synthetics.contract.probe import Severity
from synthetics.model.incident import IncidentState, Rule
from synthetics.model.maintenance import Maintenance
from synthetics.model.run import Outcome
from synthetics.store import maintenance, notices, tables
from synthetics.store.engine import Database
from tests.store.builders import rows
from tests.support.alerting import Court, confirmed, outage
from tests.support.runs import EVERY, NOW, a_probe, a_run, a_timing, cover_now, publish, tick

PASSED, FAILED, BROKEN = Outcome.PASSED, Outcome.FAILED, Outcome.BROKEN


@pytest.fixture
async def court(database: Database) -> Court:
    await cover_now(database)
    await publish(database, a_probe())
    return Court(database)


async def test_a_confirmed_failure_opens_and_two_passes_resolve(court: Court) -> None:
    await court.keep(a_run(tick(9)), *outage(tick(8)))

    (incident,) = await court.incidents()
    assert (incident.rule, incident.severity, incident.state) == (Rule.FAILING, "page", IncidentState.OPEN)
    assert incident.summary == (
        "open_document failed 2 times in a row: unexpected: status: wanted 200, got 500"
    )
    assert incident.opened_at == confirmed(outage(tick(8))[0]).finished
    assert incident.evidence["step"] == "wait_for_it"
    assert incident.evidence["cases"] == [
        {
            "case": "OD-01",
            "promise": "A document opens in time.",
            "reason": "unexpected: status: wanted 200, got 500",
        }
    ]

    await court.keep(a_run(tick(7)))
    assert (await court.incidents())[0].is_open, "one pass is not enough"
    await court.keep(a_run(tick(6)))
    (resolved,) = await court.incidents()
    assert (resolved.state, resolved.resolved_at) == (IncidentState.RESOLVED, a_run(tick(6)).finished)
    assert await court.events() == ["opened", "resolved"]


async def test_a_hiccup_opens_nothing(court: Court) -> None:
    failed = a_run(tick(8), FAILED)
    await court.keep(a_run(tick(9)), failed, confirmed(failed, PASSED), a_run(tick(7)))

    assert await court.incidents() == []


async def test_what_changed_on_the_platform_is_the_likely_cause(court: Court) -> None:
    await court.keep(
        a_run(tick(9), versions={"reader": "57", "image": "a"}),
        *(run for run in outage(tick(8), versions={"reader": "57", "image": "b"})),
    )

    (incident,) = await court.incidents()
    # The confirming run tells most of it, and met another version still.
    assert incident.evidence["cause"] == "first seen after a change of reader 57 → 58"


async def test_the_notice_says_what_a_person_needs(court: Court) -> None:
    await court.keep(a_run(tick(9)), *outage(tick(8)))
    async with court.database.transaction() as connection:
        assert await notices.claim(connection, ["on-call"], by="w", lease=timedelta(minutes=1), limit=9)
    await court.keep(a_run(tick(7)), a_run(tick(6)))

    opened, resolved = await court.notices()
    (incident,) = await court.incidents()
    told = opened["payload"]
    assert told["sentence"] == incident.summary
    assert told["title"] == "OPEN page: open_document failing"
    assert told["details"]["Failing step"] == "wait for it"
    assert told["details"]["Failing cases"] == "OD-01: unexpected: status: wanted 200, got 500"
    assert told["page"] == f"https://status.test/incidents/{incident.id}"
    assert told["run"] == f"https://status.test/runs/{confirmed(outage(tick(8))[0]).id}"
    assert told["runbook"] == "https://docs.test/failing"
    assert told["labels"] == {
        "alertname": "SyntheticsFailing",
        "probe": "open_document",
        "rule": "failing",
        "severity": "page",
        "owner": "documents",
        "location": "default",
    }
    assert resolved["payload"]["sentence"] == "Resolved: open_document passed 2 times in a row"
    assert [notice["alarming"] for notice in (opened, resolved)] == [True, False]
    assert opened["dedup_key"] == resolved["dedup_key"] == str(incident.id)


async def test_broken_is_its_owners_and_wakes_nobody(court: Court) -> None:
    await court.keep(*(a_run(tick(back), BROKEN, reason="not allowed") for back in (9, 8, 7)))

    (incident,) = await court.incidents()
    assert (incident.rule, incident.severity) == (Rule.BROKEN, "ticket")
    assert incident.summary == "open_document was broken 3 times in a row: not allowed"


async def test_over_its_target_too_often_is_told_for_that_timing(court: Court) -> None:
    slow = [a_run(tick(back), timings=[a_timing(12), a_timing(3, path="far")]) for back in (9, 8, 7, 6)]
    await court.keep(*slow)

    (incident,) = await court.incidents()
    assert (incident.rule, incident.subject, incident.severity) == (Rule.TARGET, "opening/near", "page")
    assert incident.summary == (
        "open_document (opening/near) took 10.00 s or longer in 4 of 4 runs, 12.00 s in the middle of those"
    )
    await court.keep(*(a_run(tick(back), timings=[a_timing(4)]) for back in (5, 4, 3, 2, 1)))
    assert (await court.incidents())[0].is_open
    await court.keep(a_run(tick(0), timings=[a_timing(4)]))
    assert not (await court.incidents())[0].is_open


async def test_a_value_of_a_stalled_loop_says_nothing(court: Court) -> None:
    slow = [a_run(tick(back), timings=[a_timing(12, stalled=True)]) for back in range(9, 3, -1)]
    await court.keep(*slow)

    assert await court.incidents() == []


async def test_open_again_soon_after_it_flaps_and_must_be_steady(court: Court) -> None:
    await court.keep(*outage(tick(30)), a_run(tick(29)), a_run(tick(28)), *outage(tick(27)))

    (incident,) = await court.incidents()
    assert incident.state is IncidentState.FLAPPING
    await court.keep(*(a_run(tick(back)) for back in (26, 25, 24, 23, 22)))
    assert (await court.incidents())[0].is_open
    await court.keep(a_run(tick(21)))
    (incident,) = await court.incidents()
    assert not incident.is_open
    assert await court.events() == ["opened", "resolved", "flapping", "resolved"]
    # All was over before anybody began to deliver: nobody is told of what is past.
    assert await court.notices() == []


async def test_long_after_it_was_resolved_it_is_another_incident(court: Court) -> None:
    await court.keep(*outage(tick(200)), a_run(tick(199)), a_run(tick(198)))
    await court.keep(*(a_run(tick(back)) for back in (100, 99)), *outage(tick(98)))

    assert [incident.is_open for incident in await court.incidents()] == [False, True]


async def test_runs_that_come_late_from_a_disk_are_judged_by_what_is_newest(court: Court) -> None:
    """An outage of long ago, recorded after the passes that followed it, opens nothing."""
    await court.keep(a_run(tick(3)), a_run(tick(2)), a_run(tick(1)))
    await court.keep(*outage(tick(8)), *outage(tick(7)))
    assert await court.incidents() == []

    """Recorded in order, it opens and is resolved, at the moments at which that was so."""
    await court.keep(*outage(tick(0)))
    (incident,) = await court.incidents()
    assert incident.opened_at == confirmed(outage(tick(0))[0]).finished


async def test_kept_twice_it_is_judged_once(court: Court) -> None:
    runs = outage(tick(8))
    await court.keep(*runs, *runs)

    assert await court.events() == ["opened"]


async def test_by_several_workers_at_once_one_incident_is_opened(court: Court) -> None:
    await court.keep(*outage(tick(20))[:1])
    await asyncio.gather(*(court.keep(*outage(tick(back))) for back in (19, 18, 17, 16)))

    assert await court.events() == ["opened"]


async def test_each_location_has_its_own(court: Court) -> None:
    await court.keep(*outage(tick(8), location="north"), *outage(tick(8), location="south"))

    assert sorted(incident.location for incident in await court.incidents()) == ["north", "south"]


async def test_a_probe_that_another_version_published_is_not_judged(database: Database) -> None:
    await cover_now(database)
    await publish(database, a_probe())
    old = Court(database, version="older")
    await old.keep(*outage(tick(1)))
    assert await old.incidents() == []

    new = Court(database)
    await new.tender.look(now=NOW, since=NOW - timedelta(days=1))
    assert [incident.rule for incident in await new.incidents()] == [Rule.FAILING]


async def test_a_bug_in_judging_does_not_cost_the_run(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(court.judge, "by_runs", crash)
        await court.keep(*outage(tick(1)))
    assert len(await rows(court.database, tables.runs)) == 2
    assert await court.incidents() == []

    await court.tender.look(now=NOW, since=NOW - timedelta(days=1))
    assert len(await court.incidents()) == 1


async def test_runs_of_a_time_of_maintenance_do_not_count(court: Court) -> None:
    window = Maintenance(
        uuid4(), "a move", tick(9), timedelta(minutes=20), tick(9) + timedelta(minutes=20), ("open_document",)
    )
    async with court.database.transaction() as connection:
        await maintenance.add(connection, window)

    await court.keep(*outage(tick(9)), *outage(tick(8)))
    assert await court.incidents() == []
    await court.keep(a_run(tick(4), FAILED))
    assert await court.incidents() == [], "the failures before it were maintenance"
    await court.keep(a_run(tick(3), FAILED))
    assert len(await court.incidents()) == 1


# -- one cause, one incident -----------------------------------------------------------------------------


@pytest.fixture
async def family(database: Database) -> Court:
    """A door, a room that leans on it, a cupboard that leans on the room; and a shed of lesser weight."""
    await cover_now(database)
    await publish(
        database,
        a_probe("door"),
        a_probe("room", leans_on=("door",)),
        a_probe("cupboard", leans_on=("room",)),
        a_probe("shed", severity=Severity.TICKET),
        a_probe("garden", leans_on=("shed",)),
    )
    return Court(database, hold=timedelta(minutes=2))


async def test_what_leans_on_a_broken_probe_is_folded_under_it(family: Court) -> None:
    await family.keep(*outage(tick(8), name="door"))
    await family.keep(*outage(tick(8), name="cupboard"), *outage(tick(8), name="room"))

    door, *others = sorted(await family.incidents(), key=lambda one: one.probe != "door")
    assert {one.folded_under for one in others} == {door.id}
    (told,) = await family.notices()
    assert told["incident_id"] == door.id


async def test_the_alarm_waits_for_the_cause_and_is_withdrawn_when_it_comes(family: Court) -> None:
    await family.keep(*outage(tick(8), name="cupboard"))
    (waiting,) = await family.notices()
    assert waiting["due_at"] - waiting["created_at"] == timedelta(minutes=2)

    await family.keep(*outage(tick(7), name="door"))
    (told,) = await family.notices()
    door, cupboard = sorted(await family.incidents(), key=lambda one: one.probe != "door")
    assert (told["incident_id"], cupboard.folded_under) == (door.id, door.id)
    assert await family.events(cupboard) == ["opened", "folded"]


async def test_once_the_possible_causes_are_ruled_out_the_alarm_does_not_wait(family: Court) -> None:
    failed = a_run(tick(8), FAILED, name="room")
    later = failed.finished + timedelta(seconds=1)
    await family.keep(failed, a_run(tick(7), name="door", started=later), confirmed(failed))

    (told,) = await family.notices()
    assert told["due_at"] == told["created_at"]


async def test_what_still_fails_when_its_explanation_is_over_is_told_then(family: Court) -> None:
    await family.keep(*outage(tick(20), name="door"), *outage(tick(20), name="room"))
    await family.keep(a_run(tick(19), name="door"), a_run(tick(18), name="door"))
    # Nothing newer is known of the room: to tell of it now would be to tell of the past.
    await family.tender.look(now=tick(18) + timedelta(minutes=1), since=tick(100))
    assert [notice["payload"]["labels"]["probe"] for notice in await family.notices()] == []

    await family.keep(a_run(tick(17), FAILED, name="room"))
    (told,) = await family.notices()
    assert told["payload"]["event"] == "unfolded"
    assert told["payload"]["sentence"].startswith("room failed")


async def test_nothing_grave_is_folded_under_something_that_wakes_nobody(family: Court) -> None:
    await family.keep(*outage(tick(8), name="shed"), *outage(tick(8), name="garden"))

    assert [one.folded_under for one in await family.incidents()] == [None, None]


async def test_one_reason_why_probes_are_broken_is_told_once(family: Court) -> None:
    for back in (9, 8, 7):
        for name in ("door", "shed", "garden"):
            await family.keep(a_run(tick(back), BROKEN, name=name, reason="no credentials"))

    assert sum(one.folded_under is None for one in await family.incidents()) == 1


# -- what did not happen ---------------------------------------------------------------------------------


async def test_silence_opens_and_two_runs_resolve(court: Court) -> None:
    long_ago = NOW - timedelta(days=1)
    await court.keep(a_run(tick(9)), a_run(tick(8)))
    await court.tender.look(now=tick(8) + 2 * EVERY, since=long_ago)
    assert await court.incidents() == []
    await court.tender.look(now=tick(5), since=tick(6))
    assert await court.incidents() == [], "nobody was there before tick(6)"

    await court.tender.look(now=tick(5), since=long_ago)
    (incident,) = await court.incidents()
    assert (incident.rule, incident.severity) == (Rule.STALE, "ticket")
    assert incident.summary.startswith("open_document had no run that ended for ")

    await court.keep(a_run(tick(4)))
    await court.tender.look(now=tick(4) + timedelta(minutes=1), since=long_ago)
    assert (await court.incidents())[0].is_open
    await court.keep(a_run(tick(3)))
    await court.tender.look(now=tick(3) + timedelta(minutes=1), since=long_ago)
    assert not (await court.incidents())[0].is_open


async def test_maintenance_is_no_silence(court: Court) -> None:
    await court.keep(a_run(tick(30)), a_run(tick(29)))
    window = Maintenance(uuid4(), "a move", tick(28), 18 * EVERY, tick(10))
    async with court.database.transaction() as connection:
        await maintenance.add(connection, window)

    for now in (tick(15), tick(9)):
        await court.tender.look(now=now, since=NOW - timedelta(days=1))
        assert await court.incidents() == []
    await court.tender.look(now=tick(6), since=NOW - timedelta(days=1))
    assert len(await court.incidents()) == 1


async def test_a_probe_that_is_no_longer_scheduled_has_nothing_open(court: Court) -> None:
    await court.keep(*outage(tick(8)))
    await publish(court.database, disabled=[a_probe()])
    await court.tender.look(now=NOW, since=NOW - timedelta(days=1))

    (incident,) = await court.incidents()
    assert not incident.is_open


async def test_only_one_process_looks_at_a_time_and_the_watch_is_kept(court: Court) -> None:
    second = Court(court.database)

    assert sorted([await court.tender.once(), await second.tender.once()]) == [False, True]
    (watch,) = await rows(court.database, tables.watch)
    assert watch["since"] == watch["heard_at"]
