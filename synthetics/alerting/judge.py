"""What a recorded run, or its absence, does to incidents; in the transaction that records it.

Incidents are changed by one process at a time (a lock of the database), and always by what the database holds
then, newest first: so it is all one in which order and by whom runs are recorded, also late, from a disk.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.alerting import policy, slowness
from synthetics.alerting.docket import Docket
from synthetics.alerting.rules import Failing, Finding, Reading, Target
from synthetics.model.incident import Kind, Rule
from synthetics.model.maintenance import in_maintenance
from synthetics.model.run import TELLING, Outcome, Run
from synthetics.model.sample import Watched
from synthetics.store import evidence, incidents, maintenance
from synthetics.store.series import SeriesKey

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_FAILING, _TARGET = Failing(), Target()
#: Values may have waited on a disk for as long before they are judged.
_LATE = timedelta(days=31)


class Judge:
    """Judges probes by their runs.

    `version`: only probes that this version of the code has published are judged; during a deploy the newer
    version judges what older workers record, and nobody judges it by rules that are no longer in force.
    """

    def __init__(self, docket: Docket, *, version: str) -> None:
        self.docket = docket
        self._version = version

    async def run_kept(self, connection: AsyncConnection, run: Run) -> None:
        """Judge by a run that was just kept; the caller commits.

        A bug met in judging must not cost the run: it is logged, and the next look on schedule judges again.
        """
        try:
            async with connection.begin_nested():
                await self._judge_run(connection, run)
        except Exception:
            log.exception("judging.crashed", probe=run.key.probe, run_id=str(run.id))

    async def _judge_run(self, connection: AsyncConnection, run: Run) -> None:
        if run.outcome in (Outcome.MISSED, Outcome.INTERRUPTED):
            return
        watched = await evidence.watched(connection, run.key.probe)
        if watched is None or not self.is_in_charge_of(watched):
            return
        series = {
            (timing.name, timing.path)
            for timing in run.timings
            if timing.name in watched.targets and timing.took >= watched.targets[timing.name]
        }
        paces = await self._slowness(connection, watched, run)
        slower = any(finding.reading is Reading.BAD for finding in paces.values())
        bad = run.outcome is not Outcome.PASSED or bool(series) or slower
        if bad or await incidents.any_open(connection, watched.name):
            await incidents.taking_turns(connection)
            await self.by_runs(connection, watched, run.key.location, around=run.key.tick, series=series)
            at = run.finished or run.key.tick
            held = await self.docket.held(connection, watched, at)
            for kind, finding in paces.items():
                await self.docket.found(connection, watched, kind, finding, at=at, held=held)

    async def _slowness(self, connection: AsyncConnection, watched: Watched, run: Run) -> dict[Kind, Finding]:
        """Judge the series that this run has values of; each is kept from others until the run is recorded."""
        if run.outcome not in TELLING:
            return {}
        windows = await maintenance.since(connection, run.key.tick - _LATE)
        held = await self.docket.held(connection, watched, run.key.tick)
        findings = {}
        for name, path in sorted({(one.name, one.path) for one in run.timings if not one.stalled}):
            kind = Kind(Rule.REGRESSED, _joined(name, path), run.key.location)
            incident = held.get(kind)
            findings[kind] = await slowness.judge(
                connection,
                SeriesKey(watched.name, run.key.location, name, path),
                lambda tick: not in_maintenance(windows, watched.name, tick),
                told=incident is not None and incident.is_open and not incident.folded_under,
            )
        return findings

    def is_in_charge_of(self, watched: Watched) -> bool:
        """Whether this version of the code is the one to judge this probe."""
        return watched.scheduled and watched.version == self._version

    async def by_runs(
        self,
        connection: AsyncConnection,
        watched: Watched,
        location: str,
        *,
        around: datetime,
        series: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Judge a probe at one location by its newest runs, and by these series of its timings.

        The caller holds the turn (`incidents.taking_turns`). `around`: what is long before it does not count.
        """
        since = around - policy.memory(watched.every)
        samples = await evidence.samples(
            connection, watched.name, location, since=since, limit=policy.MOST_RUNS
        )
        oldest = around - max(policy.memory(watched.every), policy.MOST_VALUES * watched.every)
        windows = await maintenance.since(connection, oldest)
        counted = [sample for sample in samples if not in_maintenance(windows, watched.name, sample.tick)]
        if not counted:
            return
        at = counted[0].finished
        held = await self.docket.held(connection, watched, at)
        findings = {
            Kind(Rule.FAILING, location=location): _FAILING.judge(counted),
            Kind(Rule.BROKEN, location=location): policy.broken(watched.every).judge(counted),
        }
        open_series = {
            _parted(kind.subject) for kind in held if kind.rule is Rule.TARGET and kind.location == location
        }
        for name, path in sorted({*series, *open_series}):
            if name in watched.targets:
                values = await evidence.measured(
                    connection, watched.name, location, name, path, since=oldest, limit=policy.MOST_VALUES
                )
                counted_values = [
                    value for value in values if not in_maintenance(windows, watched.name, value.tick)
                ]
                kind = Kind(Rule.TARGET, _joined(name, path), location)
                findings[kind] = _TARGET.judge(counted_values, watched.targets[name])
        for kind, finding in findings.items():
            await self.docket.found(connection, watched, kind, finding, at=at, held=held)


def _joined(timing: str, path: str) -> str:
    return f"{timing}/{path}" if path else timing


def _parted(subject: str) -> tuple[str, str]:
    timing, _, path = subject.partition("/")
    return timing, path
