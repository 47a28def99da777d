"""What a finding does to incidents, written down with everything that is to be told of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.alerting import folding, messages, policy, states
from synthetics.alerting.routing import Routing
from synthetics.alerting.rules import Finding, Reading
from synthetics.model.incident import ALARMING, Event, Incident, IncidentState, Kind, Rule
from synthetics.model.sample import Watched
from synthetics.redaction import clean
from synthetics.store import evidence, incidents, notices

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_NOW = timedelta(0)


class Told(Protocol):
    """Who learns that there is something to deliver."""

    def notices_waiting(self) -> None: ...


Held = Mapping[Kind, Incident]


class Docket:
    """Opens, folds and resolves incidents, and puts what is to be told of them into the outbox.

    Whoever calls it holds the turn (`incidents.taking_turns`) in the connection's transaction, and commits.
    """

    def __init__(self, routing: Routing, told: Told | None = None) -> None:
        self._routing = routing
        self._told = told

    async def held(self, connection: AsyncConnection, watched: Watched, at: datetime) -> Held:
        """The newest incident of every kind that this probe has, those resolved long before left out."""
        found = await incidents.newest(
            connection, probe=watched.name, resolved_after=at - policy.calm(watched.every)
        )
        return {one.kind: one for one in found}

    async def found(
        self,
        connection: AsyncConnection,
        watched: Watched,
        kind: Kind,
        finding: Finding,
        *,
        at: datetime,
        held: Held,
    ) -> None:
        """Do to the incident of this kind what the finding asks for."""
        incident = held.get(kind)
        what = states.event(incident, finding, at=at, calm=policy.calm(watched.every))
        match what:
            case Event.OPENED:
                await self._open(connection, watched, kind, finding, at)
            case Event.FLAPPING if incident is not None:
                await self._reopen(connection, watched, incident, finding, at)
            case Event.RESOLVED if incident is not None:
                await self.resolve(connection, watched, incident, finding.why, at=at, run_id=finding.run_id)
            case None if incident is not None and incident.folded_under and finding.reading is Reading.BAD:
                await self._unfold(connection, watched, incident, finding, at)

    async def resolve(
        self,
        connection: AsyncConnection,
        watched: Watched,
        incident: Incident,
        why: str,
        *,
        at: datetime,
        run_id: UUID | None = None,
    ) -> None:
        """The incident is over."""
        at = max(at, incident.opened_at)
        await incidents.change(connection, incident.id, state=IncidentState.RESOLVED.value, resolved_at=at)
        over = replace(incident, state=IncidentState.RESOLVED, resolved_at=at)
        await self._happened(connection, watched, over, Event.RESOLVED, why=why, at=at, run_id=run_id)

    # -- inside ------------------------------------------------------------------------------------------

    async def _open(
        self, connection: AsyncConnection, watched: Watched, kind: Kind, finding: Finding, at: datetime
    ) -> None:
        new = Incident(
            id=uuid4(),
            probe=watched.name,
            rule=kind.rule,
            severity=policy.severity(kind.rule, watched),
            summary=messages.summary(watched.name, kind.subject, finding.why),
            opened_at=at,
            location=kind.location,
            subject=kind.subject,
            evidence=await _evidence(connection, watched, finding),
        )
        catalogue = await evidence.all_watched(connection)
        others = await incidents.open_ones(connection)
        head = folding.head(new, others, catalogue)
        await incidents.add(connection, replace(new, folded_under=head.id if head else None))
        await self._happened(
            connection,
            watched,
            new,
            Event.OPENED,
            why=finding.why,
            at=at,
            run_id=finding.run_id,
            silently=head is not None,
            hold=await self._hold(connection, watched, new, finding, catalogue),
        )
        if head is not None:
            why = f"explained by: {head.summary}"
            await incidents.happened(connection, new.id, Event.FOLDED, at=at, reason=why)
            return
        await self._fold_under(connection, new, others, catalogue, at)

    async def _reopen(
        self, connection: AsyncConnection, watched: Watched, was: Incident, finding: Finding, at: datetime
    ) -> None:
        summary = messages.summary(was.probe, was.subject, finding.why)
        found = await _evidence(connection, watched, finding)
        await incidents.reopen(connection, was.id, summary=summary, evidence=found)
        again = replace(
            was,
            state=IncidentState.FLAPPING,
            resolved_at=None,
            summary=summary,
            evidence=found,
            folded_under=None,
        )
        catalogue = await evidence.all_watched(connection)
        head = folding.head(again, await incidents.open_ones(connection), catalogue)
        await incidents.change(connection, was.id, folded_under=head.id if head else None)
        await self._happened(
            connection,
            watched,
            again,
            Event.FLAPPING,
            why=f"{finding.why}; resolved at {was.resolved_at:%H:%M} UTC, and again only once it is steady",
            at=at,
            run_id=finding.run_id,
            silently=head is not None,
        )

    async def _unfold(
        self, connection: AsyncConnection, watched: Watched, child: Incident, finding: Finding, at: datetime
    ) -> None:
        """Tell of an incident whose explanation is over, once something newer says that it is still bad."""
        assert child.folded_under is not None
        reason = await incidents.one(connection, child.folded_under)
        if reason is None or reason.resolved_at is None or at <= reason.resolved_at:
            return
        open_ones = await incidents.open_ones(connection)
        catalogue = await evidence.all_watched(connection)
        head = folding.head(child, open_ones, catalogue)
        if head is not None:
            await incidents.change(connection, child.id, folded_under=head.id)
            return
        await incidents.change(connection, child.id, folded_under=None)
        alone = replace(child, folded_under=None)
        await self._happened(
            connection,
            watched,
            alone,
            Event.UNFOLDED,
            why=f"what explained it is over, and it still {finding.why}",
            at=at,
            run_id=finding.run_id,
        )

    async def _fold_under(
        self,
        connection: AsyncConnection,
        head: Incident,
        others: Sequence[Incident],
        catalogue: Mapping[str, Watched],
        at: datetime,
    ) -> None:
        """Whatever a new incident explains is told no more by itself."""
        for child in others:
            if folding.explains(head, child, catalogue):
                await incidents.change(connection, child.id, folded_under=head.id)
                if child.folded_under is None and child.probe in catalogue:
                    await self._happened(
                        connection,
                        catalogue[child.probe],
                        child,
                        Event.FOLDED,
                        why=f"is explained by: {head.summary}",
                        at=at,
                    )

    async def _hold(
        self,
        connection: AsyncConnection,
        watched: Watched,
        new: Incident,
        finding: Finding,
        catalogue: Mapping[str, Watched],
    ) -> timedelta:
        """How long to wait with the alarm: as long as a probe it leans on may yet turn out to be the cause."""
        causes = {
            name
            for name in folding.ancestors(watched.name, catalogue)
            if catalogue[name].scheduled
            and policy.at_least_as_grave(policy.severity(new.rule, catalogue[name]), new.severity)
        }
        if new.rule is not Rule.FAILING or not causes:
            return _NOW
        since = finding.since or new.opened_at
        ruled_out = await evidence.told_since(connection, causes, new.location, since)
        return self._routing.hold if causes - ruled_out else _NOW

    async def _happened(
        self,
        connection: AsyncConnection,
        watched: Watched,
        incident: Incident,
        event: Event,
        *,
        why: str,
        at: datetime,
        run_id: UUID | None = None,
        silently: bool = False,
        hold: timedelta = _NOW,
    ) -> None:
        """Keep what happened, and have everybody told whom it concerns."""
        number = await incidents.happened(connection, incident.id, event, at=at, reason=why, run_id=run_id)
        log.warning(
            f"incident.{event.value}",
            incident_id=str(incident.id),
            probe=incident.probe,
            rule=incident.rule.value,
            severity=incident.severity,
            reason=why,
            folded=silently,
        )
        if silently:
            return
        alarming = event in ALARMING
        if alarming:
            concerned: Iterable[str] = self._routing.concerned(incident)
        else:
            await notices.withdraw(connection, incident.id)
            concerned = sorted(await notices.alarmed(connection, incident.id))
        told = messages.message(
            incident, event, why=why, watched=watched, links=self._routing.links, at=at, run_id=run_id
        )
        for notifier in concerned:
            await notices.add(
                connection,
                incident_id=incident.id,
                transition_id=number,
                notifier=notifier,
                alarming=alarming,
                payload=told.document(),
                hold=hold,
            )
        if concerned and self._told is not None:
            self._told.notices_waiting()


async def _evidence(connection: AsyncConnection, watched: Watched, finding: Finding) -> dict[str, object]:
    """What the rule found, and where the run failed that it found it by."""
    found: dict[str, object] = {**finding.evidence}
    if finding.since is not None:
        found["since"] = finding.since.isoformat()
    if finding.run_id is None:
        return _cleaned(found)
    found["run"] = str(finding.run_id)
    where = await evidence.particulars(connection, finding.run_id)
    if where.step:
        found["step"] = where.step
    if where.cases:
        found["cases"] = [
            {"case": case, "promise": watched.promises.get(case, ""), "reason": reason}
            for case, reason in where.cases
        ]
    if cause := messages.likely_cause(where.versions, where.versions_before):
        found["cause"] = cause
    return _cleaned(found)


def _cleaned(found: Mapping[str, object]) -> dict[str, object]:
    cleaned = clean(found)
    assert isinstance(cleaned, dict)
    return cleaned
