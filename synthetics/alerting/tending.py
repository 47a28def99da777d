"""The look on schedule: what fires because something did not happen, and what nobody judged when it did."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.alerting import absence, policy, states
from synthetics.alerting.absence import Seen, Waiting
from synthetics.alerting.docket import Held
from synthetics.alerting.judge import Judge
from synthetics.alerting.rules import Finding
from synthetics.alerting.spending import Spent
from synthetics.alerting.spending import findings as spending_findings
from synthetics.background import Background
from synthetics.errors import StoreError
from synthetics.model.budget import CostLimits
from synthetics.model.incident import Incident, Kind, Rule
from synthetics.model.maintenance import Maintenance
from synthetics.model.run import Outcome
from synthetics.model.sample import Place, Watched
from synthetics.store import costs, evidence, incidents, maintenance
from synthetics.store.engine import Database

log: structlog.stdlib.BoundLogger = structlog.get_logger()

PAUSE = timedelta(seconds=15)
NO_LIMITS = CostLimits()
#: A pause in which nobody was there to judge, as in a deploy: silence until then says nothing.
LONGEST_BREAK = timedelta(minutes=2)
_NEWEST_RUNS = 4
_MONTH = timedelta(days=31)
_BAD = (Outcome.FAILED, Outcome.BROKEN)


@dataclass(frozen=True, slots=True)
class _View:
    """Everything, as it was at one moment."""

    catalogue: Mapping[str, Watched]
    seen: Mapping[str, Seen]
    windows: Sequence[Maintenance]
    held: Mapping[str, Held]
    money: Mapping[str, Mapping[Kind, Finding]]
    waiting: Waiting


class Tender(Background):
    """Looks once in every `pause`, in whichever process comes first; used as an async context manager."""

    def __init__(
        self,
        database: Database,
        judge: Judge,
        *,
        limits: CostLimits = NO_LIMITS,
        pause: timedelta = PAUSE,
    ) -> None:
        self._database = database
        self._judge = judge
        self._limits = limits
        self._pause = pause

    async def _live(self) -> None:
        while True:
            try:
                await self.once()
            except StoreError as error:
                log.warning("judging.postponed", error=str(error))
            # A bug met in one look must not end all looking for the life of the process.
            except Exception:
                log.exception("judging.crashed")
            await asyncio.sleep(self._pause.total_seconds())

    async def once(self) -> bool:
        """Look now; False if another process has just done so. Raises StoreError."""
        async with self._database.transaction() as connection:
            turn = await evidence.keep_watch(connection, pause=self._pause, longest_break=LONGEST_BREAK)
        if turn is None:
            return False
        since, now = turn
        await self.look(now=now, since=since)
        return True

    async def look(self, *, now: datetime, since: datetime) -> None:
        """Judge every probe as of `now`, where somebody has been there to run and judge it from `since` on."""
        async with self._database.transaction() as connection:
            view = await _view(connection, now, self._limits)
        for name, watched in sorted(view.catalogue.items()):
            try:
                await self._probe(watched, view, now=now, since=since)
            except SQLAlchemyError:  # what is wrong with one probe's rows must not keep the others from it
                log.exception("judging.crashed", probe=name)

    async def _probe(self, watched: Watched, view: _View, *, now: datetime, since: datetime) -> None:
        held = view.held.get(watched.name, {})
        if not watched.scheduled:
            if any(incident.is_open for incident in held.values()):
                await self._close(watched, now)
            return
        if not self._judge.is_in_charge_of(watched):
            return
        seen = view.seen.get(watched.name, Seen())
        again = [place for place in seen.places if place.newest in _BAD or _is_open_at(place, held)]
        found = dict(absence.findings(watched, seen, view.windows, now=now, since=since, waiting=view.waiting))
        found.update(view.money.get(watched.name, {}))
        calm = policy.calm(watched.every)
        telling = {
            kind: finding
            for kind, finding in found.items()
            if states.event(held.get(kind), finding, at=now, calm=calm) or _is_folded(held.get(kind))
        }
        if again or telling:
            await self._judge_probe(watched, again, telling, now)

    async def _judge_probe(
        self, watched: Watched, again: Sequence[Place], telling: Mapping[Kind, Finding], now: datetime
    ) -> None:
        async with self._database.transaction() as connection:
            await incidents.taking_turns(connection)
            for place in again:
                await self._judge.by_runs(connection, watched, place.location, around=now)
            held = await self._judge.docket.held(connection, watched, now)
            for kind, finding in telling.items():
                await self._judge.docket.found(connection, watched, kind, finding, at=now, held=held)

    async def _close(self, watched: Watched, now: datetime) -> None:
        """Nothing is known any more of a probe that is not scheduled."""
        async with self._database.transaction() as connection:
            await incidents.taking_turns(connection)
            for incident in await incidents.open_ones(connection):
                if incident.probe == watched.name:
                    why = "is not scheduled any more"
                    await self._judge.docket.resolve(connection, watched, incident, why, at=now)


async def _view(connection: AsyncConnection, now: datetime, limits: CostLimits) -> _View:
    catalogue = await evidence.all_watched(connection)
    longest = max((watched.every for watched in catalogue.values()), default=timedelta(0))
    places: dict[str, list[Place]] = defaultdict(list)
    for place in await evidence.places(connection, runs=_NEWEST_RUNS):
        places[place.probe].append(place)
    stuck = await evidence.stuck(connection)
    swept = await evidence.swept(connection, since=now - policy.leftovers(longest).steady)
    held: dict[str, dict[Kind, Incident]] = defaultdict(dict)
    for incident in await incidents.newest(connection, resolved_after=now - policy.calm(longest)):
        held[incident.probe][incident.kind] = incident
    spending = [
        Spent(allowed, await costs.since(connection, allowed.since)) for allowed in limits.allowances(now)
    ]
    scheduled = sorted(name for name, watched in catalogue.items() if watched.scheduled)
    open_ones = await incidents.open_ones(connection)
    waited = any(one.rule is Rule.BUDGET for one in open_ones)
    return _View(
        catalogue=catalogue,
        seen={name: Seen(places[name], stuck.get(name, ()), swept.get(name, ())) for name in catalogue},
        windows=await maintenance.since(connection, now - _MONTH),
        held=held,
        money=spending_findings(spending, open_ones, scheduled),
        waiting=Waiting(
            now=any(spent.is_over for spent in spending),
            until=now if waited else await incidents.last_resolved(connection, Rule.BUDGET),
        ),
    )


def _is_open_at(place: Place, held: Held) -> bool:
    return any(incident.is_open and kind.location == place.location for kind, incident in held.items())


def _is_folded(incident: Incident | None) -> bool:
    return incident is not None and incident.is_open and incident.folded_under is not None
