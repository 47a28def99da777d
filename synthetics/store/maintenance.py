"""Declared times of maintenance.

Every function takes the connection of a transaction; the caller commits.
"""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.maintenance import Maintenance, Weekday, Weekly
from synthetics.store.storable import storable_text
from synthetics.store.tables import maintenance


async def add(connection: AsyncConnection, new: Maintenance) -> None:
    """Keep a declared time."""
    weekly = new.weekly and {
        "days": [day.value for day in new.weekly.days],
        "at": f"{new.weekly.at:%H:%M}",
        "zone": new.weekly.zone,
    }
    await connection.execute(
        insert(maintenance).values(
            id=new.id,
            reason=storable_text(new.reason),
            probes=list(new.probes),
            starts_at=new.starts_at,
            lasts_seconds=new.lasts.total_seconds(),
            weekly=weekly,
            created_by=storable_text(new.created_by),
            over_at=new.over_at,
        )
    )


async def since(connection: AsyncConnection, moment: datetime) -> list[Maintenance]:
    """Every one that was not over at that moment, in the order in which they begin."""
    chosen = (
        select(maintenance)
        .where(or_(maintenance.c.over_at.is_(None), maintenance.c.over_at > moment))
        .order_by(maintenance.c.starts_at, maintenance.c.id)
    )
    return [_maintenance(row) for row in await connection.execute(chosen)]


async def end(connection: AsyncConnection, maintenance_id: UUID, at: datetime) -> Maintenance | None:
    """Have it over at that moment, if it is not over by then; None if there is none of this id."""
    await connection.execute(
        update(maintenance)
        .where(
            maintenance.c.id == maintenance_id, or_(maintenance.c.over_at.is_(None), maintenance.c.over_at > at)
        )
        .values(over_at=at)
    )
    row = (
        await connection.execute(select(maintenance).where(maintenance.c.id == maintenance_id))
    ).one_or_none()
    return None if row is None else _maintenance(row)


def _maintenance(row: Row[Any]) -> Maintenance:
    weekly = row.weekly and Weekly(
        tuple(Weekday(day) for day in row.weekly["days"]),
        time.fromisoformat(row.weekly["at"]),
        row.weekly["zone"],
    )
    return Maintenance(
        id=row.id,
        reason=row.reason,
        starts_at=row.starts_at,
        lasts=timedelta(seconds=row.lasts_seconds),
        over_at=row.over_at,
        probes=tuple(row.probes),
        weekly=weekly,
        created_by=row.created_by,
    )
