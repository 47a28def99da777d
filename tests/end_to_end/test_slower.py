"""A platform that becomes slower: from starts on the sandbox to one alert in the real Alertmanager, and back.

Starts are made by the probes' own parts and recorded and judged as the service does it; they take minutes.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.scenarios import cold, message
from sandbox.settings import SandboxSettings
from synthetics.alerting.deliver import Delivery
from synthetics.alerting.docket import Docket
from synthetics.alerting.judge import Judge
from synthetics.alerting.notifiers import notifiers
from synthetics.alerting.routing import Routing
from synthetics.clock import SystemClock
from synthetics.contract.probe import Probe
from synthetics.metrics.collectors import Metrics
from synthetics.metrics.exporter import new_registry
from synthetics.model.incident import Incident, Rule
from synthetics.model.run import Outcome, Run
from synthetics.settings import NotifierSettings
from synthetics.store import incidents, tables
from synthetics.store.engine import Database
from synthetics.store.entries import Finished, keep
from tests.store.builders import rows
from tests.support.alerting import LINKS
from tests.support.alertmanager import RunningAlertmanager, alertmanager
from tests.support.monitor import CREDENTIALS, Monitor, monitoring
from tests.support.runs import publish
from tests.support.sandbox import RunningSandbox, until

CLEAN = 60
#: What docs/regression.md allows a change of a fifth and less, with room for a start that is lucky.
SOON = 40

pytestmark = pytest.mark.long


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[RunningSandbox]:
    """Slow enough that what is polled for does not blur what is timed."""
    running = RunningSandbox(
        SandboxSettings(directory=tmp_path / "platform", speed=0.1, idle_seconds=60.0, routing_dialect="path")
    )
    yield running
    assert running.stop() == 0, "the sandbox did not end cleanly"


class Watch:
    """One probe on the platform, run after run, each recorded and judged in one transaction."""

    def __init__(self, monitor: Monitor, probe: Probe, database: Database, judge: Judge) -> None:
        self._monitor, self._probe, self._database, self._judge = monitor, probe, database, judge

    async def run(self) -> Run:
        run = await self._monitor.run(self._probe)
        assert run.outcome is Outcome.PASSED, run.reason
        async with self._database.transaction() as connection:
            assert await keep(connection, Finished(run))
            await self._judge.run_kept(connection, run)
        return run

    async def until(self, wanted: bool, timing: str) -> list[Run]:
        """Run until the timing has an open regression, or none; the runs that took."""
        made: list[Run] = []
        while bool(await self.regressions(timing)) is not wanted:
            assert len(made) < SOON, f"{SOON} runs later: {await self.regressions(timing)}"
            made.append(await self.run())
        return made

    async def regressions(self, timing: str) -> list[Incident]:
        async with self._database.transaction() as connection:
            open_ones = await incidents.open_ones(connection)
        return [one for one in open_ones if one.rule is Rule.REGRESSED and one.subject.startswith(timing)]


@asynccontextmanager
async def watching(
    platform: RunningSandbox, database: Database, probe: Probe, pager: RunningAlertmanager
) -> AsyncIterator[Watch]:
    await publish(database, probe)
    given = {
        "on-call": NotifierSettings.model_validate(
            {"alertmanager": pager.url, "severities": ["page", "ticket", "info"]}
        )
    }
    delivery = Delivery(
        database,
        notifiers(given),
        clock=SystemClock(),
        worker="worker-1",
        counting=Metrics(new_registry()),
        give_up=timedelta(days=1),
    )
    judge = Judge(Docket(Routing(given, LINKS), delivery), version="test")
    async with monitoring(platform.environment, again=2) as monitor, delivery:
        yield Watch(monitor, probe, database, judge)


@pytest.mark.parametrize(
    ("probe", "timing", "fault", "factor", "phase"),
    [
        (cold, "cold_start", "slow-image-pull", 1.4, "pull"),
        (message, "wake", "slow-boot", 2.0, "health"),
    ],
    ids=["cold start", "wake"],
)
async def test_slower_is_one_alert_that_names_phase_and_onset_and_ends_when_it_is_over(
    platform: RunningSandbox,
    tmp_path: Path,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    probe: Probe,
    timing: str,
    fault: str,
    factor: float,
    phase: str,
) -> None:
    for name in CREDENTIALS:
        monkeypatch.setenv(name, platform.environment[name])
    with alertmanager(tmp_path) as pager:
        async with watching(platform, database, probe, pager) as watch:
            for _ in range(CLEAN):
                await watch.run()
            platform.set_fault(fault, factor=4.0, amount=0.0)
            await watch.run()
            platform.clear_faults()
            for _ in range(5):
                await watch.run()
            assert await watch.regressions(timing) == [], "one slow run is no incident"

            platform.set_fault(fault, factor=factor, amount=0.0)
            slow = await watch.until(True, timing)
            (incident,) = await watch.regressions(timing)
            # In a thread: what tells the pager runs in this loop.
            await asyncio.to_thread(until, lambda: pager.alerts(rule="regressed"), 30, "the alert")
            (alert,) = pager.alerts(rule="regressed")
            platform.clear_faults()
            back = await watch.until(False, timing)
            await asyncio.to_thread(until, lambda: not pager.alerts(rule="regressed"), 30, "its end")

    print(f"\n{timing}: told after {len(slow)} runs, over after {len(back)}: {incident.summary}")
    assert alert["annotations"]["summary"] == incident.summary
    phases = incident.evidence["phases"]
    assert isinstance(phases, dict)
    assert phases[phase] >= 0.8, incident.summary
    first, last = (datetime.fromisoformat(str(incident.evidence[name])) for name in ("first", "last"))
    assert first <= slow[0].key.tick <= last, incident.summary
    told = [row for row in await rows(database, tables.incidents) if row["rule"] == "regressed"]
    assert len([row for row in told if row["subject"].startswith(timing)]) == 1
