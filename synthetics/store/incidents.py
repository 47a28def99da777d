"""Incidents and what happened to them.

Every function takes the connection of a transaction; the caller commits.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.incident import Event, Incident, IncidentState, Rule
from synthetics.store.storable import storable, storable_text
from synthetics.store.tables import incidents, transitions

_LOCK_KEY = 7_310_031_190_554_320_015


async def taking_turns(connection: AsyncConnection) -> None:
    """Wait until nobody else changes incidents; until the transaction ends nobody else will."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})


async def any_open(connection: AsyncConnection, probe: str) -> bool:
    """Whether this probe has an incident that is not resolved."""
    return bool(
        await connection.scalar(
            select(exists().where(incidents.c.probe == probe, incidents.c.resolved_at.is_(None)))
        )
    )


async def newest(
    connection: AsyncConnection, *, resolved_after: datetime, probe: str | None = None
) -> list[Incident]:
    """The newest incident of every kind, of one probe or of all, if it is open or was resolved after that."""
    kind = (incidents.c.probe, incidents.c.rule, incidents.c.subject, incidents.c.location)
    chosen = (
        select(incidents)
        .ext(distinct_on(*kind))
        .where(or_(incidents.c.resolved_at.is_(None), incidents.c.resolved_at > resolved_after))
        .order_by(*kind, incidents.c.resolved_at.desc().nulls_first())
    )
    if probe is not None:
        chosen = chosen.where(incidents.c.probe == probe)
    return [incident(row) for row in await connection.execute(chosen)]


async def open_ones(connection: AsyncConnection) -> list[Incident]:
    """Every incident that is not resolved, oldest first."""
    chosen = select(incidents).where(incidents.c.resolved_at.is_(None))
    chosen = chosen.order_by(incidents.c.opened_at, incidents.c.id)
    return [incident(row) for row in await connection.execute(chosen)]


async def one(connection: AsyncConnection, incident_id: UUID) -> Incident | None:
    """The incident of this id, locked until the transaction ends; None if there is none."""
    chosen = select(incidents).where(incidents.c.id == incident_id).with_for_update()
    row = (await connection.execute(chosen)).one_or_none()
    return None if row is None else incident(row)


async def last_resolved(connection: AsyncConnection, rule: Rule) -> datetime | None:
    """When the newest incident of this rule was over that is over; None if there is none."""
    moment: datetime | None = await connection.scalar(
        select(func.max(incidents.c.resolved_at)).where(incidents.c.rule == rule.value)
    )
    return moment


async def add(connection: AsyncConnection, new: Incident) -> None:
    """Keep an incident that opens."""
    await connection.execute(
        insert(incidents).values(
            id=new.id,
            probe=new.probe,
            rule=new.rule.value,
            subject=new.subject,
            location=new.location,
            severity=new.severity,
            state=new.state.value,
            summary=storable_text(new.summary),
            evidence=storable(new.evidence),
            opened_at=new.opened_at,
            folded_under=new.folded_under,
        )
    )


async def change(connection: AsyncConnection, incident_id: UUID, **columns: Any) -> None:
    """Keep these columns of an incident anew."""
    await connection.execute(update(incidents).where(incidents.c.id == incident_id).values(**columns))


async def reopen(
    connection: AsyncConnection, incident_id: UUID, *, summary: str, evidence: Mapping[str, object]
) -> None:
    """The incident was resolved, and is open again, flapping; whoever acknowledged it did so before that."""
    await change(
        connection,
        incident_id,
        state=IncidentState.FLAPPING.value,
        resolved_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
        summary=storable_text(summary),
        evidence=storable(evidence),
    )


async def happened(
    connection: AsyncConnection,
    incident_id: UUID,
    event: Event,
    *,
    at: datetime,
    reason: str,
    run_id: UUID | None = None,
    author: str = "",
) -> int:
    """Keep that this happened to the incident; the number of what happened, larger than all before it."""
    number: int | None = await connection.scalar(
        insert(transitions)
        .values(
            incident_id=incident_id,
            at=at,
            state=event.value,
            reason=storable_text(reason),
            run_id=run_id,
            author=storable_text(author),
        )
        .returning(transitions.c.id)
    )
    assert number is not None
    return number


def incident(row: Row[Any]) -> Incident:
    """The incident that a row tells of."""
    return Incident(
        id=row.id,
        probe=row.probe,
        rule=Rule(row.rule),
        severity=row.severity,
        summary=row.summary,
        opened_at=row.opened_at,
        location=row.location,
        subject=row.subject,
        state=IncidentState(row.state),
        resolved_at=row.resolved_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        folded_under=row.folded_under,
        evidence=row.evidence,
    )
