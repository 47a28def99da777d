"""The outbox: who is still to be told what. Claimed by one process, delivered at least once, in order.

Every function takes the connection of a transaction; the caller commits. The clock is the database's.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.store.storable import storable, storable_text
from synthetics.store.tables import incidents, notices

#: Nobody is reminded of what was told before that and is over.
_LONG_AGO = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that one notifier is to tell. `dedup_key` is the same for all that concerns one incident."""

    id: UUID
    notifier: str
    dedup_key: str
    alarming: bool
    payload: Mapping[str, Any]
    created_at: datetime
    attempts: int = 0


async def add(
    connection: AsyncConnection,
    *,
    incident_id: UUID,
    transition_id: int,
    notifier: str,
    alarming: bool,
    payload: Mapping[str, object],
    hold: timedelta,
) -> None:
    """Have this told, `hold` from now at the earliest."""
    await connection.execute(
        upsert(notices)
        .values(
            id=uuid5(incident_id, f"{transition_id} {notifier}"),
            transition_id=transition_id,
            incident_id=incident_id,
            notifier=notifier,
            dedup_key=str(incident_id),
            alarming=alarming,
            payload=storable(payload),
            due_at=func.now() + hold,
        )
        .on_conflict_do_nothing()
    )


async def withdraw(connection: AsyncConnection, incident_id: UUID) -> None:
    """Take back every alarm about this incident that nobody has begun to deliver."""
    await connection.execute(
        delete(notices).where(
            notices.c.incident_id == incident_id,
            notices.c.alarming,
            notices.c.attempts == 0,
            notices.c.delivered_at.is_(None),
            notices.c.given_up_at.is_(None),
        )
    )


async def alarmed(connection: AsyncConnection, incident_id: UUID) -> set[str]:
    """The notifiers whose newest notice about this incident says, or may have said, that it is open."""
    newest = (
        select(notices.c.notifier, notices.c.alarming)
        .ext(distinct_on(notices.c.notifier))
        .where(notices.c.incident_id == incident_id)
        .order_by(notices.c.notifier, notices.c.transition_id.desc())
        .subquery()
    )
    return set(await connection.scalars(select(newest.c.notifier).where(newest.c.alarming)))


async def claim(
    connection: AsyncConnection, notifiers: Collection[str], *, by: str, lease: timedelta, limit: int
) -> list[Notice]:
    """Take due notices to deliver, oldest first; what another process is at is passed over.

    Of one incident a notifier gets the next notice only once the one before is delivered or given up, so that
    a resolve never overtakes the alarm.
    """
    before = notices.alias()
    waits = exists().where(
        before.c.incident_id == notices.c.incident_id,
        before.c.notifier == notices.c.notifier,
        before.c.transition_id < notices.c.transition_id,
        before.c.delivered_at.is_(None),
        before.c.given_up_at.is_(None),
    )
    due = (
        select(notices.c.id)
        .where(
            notices.c.delivered_at.is_(None),
            notices.c.given_up_at.is_(None),
            notices.c.due_at <= func.now(),
            notices.c.notifier.in_(notifiers),
            or_(notices.c.lease_until.is_(None), notices.c.lease_until < func.now()),
            ~waits,
        )
        .order_by(notices.c.due_at, notices.c.transition_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claimed = await connection.execute(
        update(notices)
        .where(notices.c.id.in_(due))
        .values(
            claimed_by=storable_text(by),
            lease_until=func.now() + lease,
            attempts=notices.c.attempts + 1,
        )
        .returning(notices)
    )
    rows = sorted(claimed, key=lambda row: row.transition_id)
    return [
        Notice(row.id, row.notifier, row.dedup_key, row.alarming, row.payload, row.created_at, row.attempts)
        for row in rows
    ]


async def delivered(connection: AsyncConnection, notice_id: UUID) -> None:
    """Keep that it was told."""
    await _close(connection, notice_id, delivered_at=func.now(), last_error=None)


async def postpone(connection: AsyncConnection, notice_id: UUID, *, pause: timedelta, error: str) -> None:
    """Have it tried again after a pause."""
    await _close(connection, notice_id, due_at=func.now() + pause, last_error=storable_text(error))


async def give_up(connection: AsyncConnection, notice_id: UUID, *, error: str) -> None:
    """Keep that it will not be told, and why."""
    await _close(connection, notice_id, given_up_at=func.now(), last_error=storable_text(error))


async def give_up_overdue(connection: AsyncConnection, *, after: timedelta) -> list[tuple[str, UUID]]:
    """Give up what nobody here knows how to tell, and was due so long ago: notifier and id of each."""
    given_up = await connection.execute(
        update(notices)
        .where(
            notices.c.delivered_at.is_(None),
            notices.c.given_up_at.is_(None),
            notices.c.created_at < func.now() - after,
            or_(notices.c.lease_until.is_(None), notices.c.lease_until < func.now()),
        )
        .values(
            given_up_at=func.now(),
            last_error=func.coalesce(notices.c.last_error, "no process has a notifier of this name"),
        )
        .returning(notices.c.notifier, notices.c.id)
    )
    return [(row.notifier, row.id) for row in given_up]


async def told_last(
    connection: AsyncConnection, notifier: str, *, lately: timedelta
) -> list[Mapping[str, Any]]:
    """What this notifier told last of every incident, where that was an alarm, or was told within `lately`."""
    newest = (
        select(notices.c.payload, notices.c.alarming, notices.c.delivered_at, incidents.c.resolved_at)
        .ext(distinct_on(notices.c.incident_id))
        .join(incidents, incidents.c.id == notices.c.incident_id)
        .where(
            notices.c.notifier == notifier,
            or_(incidents.c.resolved_at.is_(None), notices.c.created_at > func.now() - _LONG_AGO),
        )
        .order_by(notices.c.incident_id, notices.c.transition_id.desc())
        .subquery()
    )
    is_open = newest.c.alarming & newest.c.resolved_at.is_(None)
    is_new = ~newest.c.alarming & (newest.c.delivered_at > func.now() - lately)
    chosen = select(newest.c.payload).where(newest.c.delivered_at.is_not(None), or_(is_open, is_new))
    return list(await connection.scalars(chosen))


async def _close(connection: AsyncConnection, notice_id: UUID, **columns: Any) -> None:
    await connection.execute(
        update(notices)
        .where(notices.c.id == notice_id, notices.c.delivered_at.is_(None))
        .values(claimed_by=None, lease_until=None, **columns)
    )
