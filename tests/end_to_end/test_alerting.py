"""From a broken promise to an alert in the real Alertmanager, and from its mending to the alert's end."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from synthetics.alerting.deliver import Delivery
from synthetics.alerting.docket import Docket
from synthetics.alerting.judge import Judge
from synthetics.alerting.notifiers import notifiers
from synthetics.alerting.routing import Routing
from synthetics.clock import SystemClock
from synthetics.errors import Unexpected
from synthetics.metrics.collectors import Metrics
from synthetics.metrics.exporter import new_registry
from synthetics.model.maintenance import Maintenance
from synthetics.model.run import Outcome, RunKey
from synthetics.scheduling.worker import working
from synthetics.settings import NotifierSettings
from synthetics.store import maintenance, tables
from synthetics.store.engine import Database
from tests.end_to_end.test_workers import TICK, surroundings
from tests.store.builders import rows
from tests.support.alerting import LINKS
from tests.support.alertmanager import alertmanager, receiving
from tests.support.database import NewDatabase
from tests.support.engine import ASK, Context, FakePlatform, a_probe
from tests.support.runs import publish
from tests.support.sandbox import RunningSandbox, until
from tests.support.service import call, due_in, environment, only, serving


class Door(FakePlatform):
    """A door that is shut on request."""

    shut = False


async def opens(ctx: Context) -> None:
    """Whoever knocks comes in."""
    async with ctx.step(ASK):
        with ctx.check("FD-01"):
            if Door.shut:
                raise Unexpected("door: wanted it open, got it shut")


async def test_a_shut_door_is_an_alert_until_it_is_open_again(tmp_path: Path, database: Database) -> None:
    probe = a_probe(opens)
    await publish(database, probe)
    async with receiving() as pager:
        with alertmanager(tmp_path, hook=pager.url) as running:
            given = {"on-call": NotifierSettings.model_validate({"alertmanager": running.url})}
            delivery = Delivery(
                database,
                notifiers(given),
                clock=SystemClock(),
                worker="worker-1",
                counting=Metrics(new_registry()),
                give_up=timedelta(days=1),
            )
            judge = Judge(Docket(Routing(given, LINKS), delivery), version="test")
            async with working(surroundings(database, Door(), "worker-1", judge=judge)) as worker, delivery:
                Door.shut = True
                tick = RunKey(probe.name, "default", TICK)
                failed = await worker.dispatch.tick(probe, tick, patience=timedelta(seconds=5))
                assert failed is not None
                assert failed.outcome is Outcome.FAILED
                await pager.until(1)
                (alert,) = running.alerts(probe=probe.name)
                Door.shut = False
                for _ in range(2):
                    await worker.run_now(probe)
                await pager.until(2)
                assert running.alerts(probe=probe.name) == []

    opened, resolved = pager.bodies
    assert (opened["status"], resolved["status"]) == ("firing", "resolved")
    assert alert["annotations"]["summary"] == (
        "front-door failed 2 times in a row: FD-01: door: wanted it open, got it shut"
    )
    assert alert["annotations"]["failing_cases"] == "FD-01: door: wanted it open, got it shut"
    incident, *others = await rows(database, tables.incidents)
    assert others == []
    assert alert["generatorURL"] == LINKS.pages + f"/incidents/{incident['id']}"


async def test_a_tick_in_maintenance_is_recorded_as_skipped_and_not_run(database: Database) -> None:
    probe = a_probe(opens)
    window = Maintenance(
        uuid4(), "a new door", TICK, timedelta(hours=1), TICK + timedelta(hours=1), (probe.name,)
    )
    async with database.transaction() as connection:
        await maintenance.add(connection, window)
    Door.shut = False
    async with working(surroundings(database, Door(), "worker-1")) as worker:
        tick = RunKey(probe.name, "default", TICK)
        assert await worker.dispatch.tick(probe, tick, patience=timedelta(seconds=5)) is None
        by_hand = await worker.run_now(probe)

    assert by_hand is not None
    assert by_hand.outcome is Outcome.PASSED
    skipped = next(row for row in await rows(database, tables.runs) if row["outcome"] == "missed")
    assert skipped["reason"] == (f"skipped: maintenance until {window.over_at:%Y-%m-%d %H:%M} UTC: a new door")


@pytest.mark.long
def test_a_fault_of_the_sandbox_is_an_alert_and_mended_it_is_none(
    tmp_path: Path, platform: RunningSandbox, new_database: NewDatabase
) -> None:
    """The service as a process, told by its settings alone; what people see of it on the command line."""
    every = due_in("alb-routing", 3, at_least=5)
    with alertmanager(tmp_path) as running:
        settings = environment(
            tmp_path,
            platform.environment,
            SYNTHETICS_DATABASE_URL=new_database(),
            SYNTHETICS_NOTIFIERS__ON_CALL__ALERTMANAGER=running.url,
            SYNTHETICS_API__PUBLIC_URL="https://status.test",
            CLIENT_PREFIX="alerting-",
        )
        tested = call(tmp_path, settings, "notify", "test")
        assert (tested.returncode, tested.stdout) == (0, "on-call: delivered\n")
        with serving(tmp_path, settings, config=only("alb-routing", every=every)) as service:
            assert service.wait_for("run.finished", within=60)["outcome"] == "passed"
            platform.set_fault("alb-health-broken")
            try:
                until(lambda: running.alerts(probe="alb-routing"), 60, "an alert")
                (alert,) = running.alerts(probe="alb-routing")
                listed = call(tmp_path, settings, "incidents")
                incident = service.get("/api/v1/incidents?open=true").json()["incidents"][0]
            finally:
                platform.clear_faults()
            until(lambda: not running.alerts(probe="alb-routing"), 60, "its end")

        assert alert["labels"]["rule"] == "failing"
        assert "AR-01" in alert["annotations"]["failing_cases"]
        assert alert["generatorURL"] == f"https://status.test/incidents/{incident['id']}"
        assert incident["summary"] in listed.stdout
        assert call(tmp_path, settings, "incidents").stdout == "No incident is open.\n"
