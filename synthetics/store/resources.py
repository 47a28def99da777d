"""The ledger: what runs made on the platform, and whether it is gone.

Every function takes the connection of a transaction; the caller commits.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.model.resource import Resource, ResourceState
from synthetics.store.storable import storable, storable_text
from synthetics.store.tables import resources, runs


async def intend(connection: AsyncConnection, entry: Resource) -> None:
    """Keep the intention to make a thing, if it is not kept already."""
    await connection.execute(
        upsert(resources)
        .values(
            id=entry.id,
            run_id=entry.run_id,
            probe=entry.probe,
            tag=entry.tag,
            kind=entry.kind,
            name=storable_text(entry.name),
            state=entry.state.value,
            intended=entry.intended,
            details=storable(entry.details),
        )
        .on_conflict_do_nothing()
    )


async def created(connection: AsyncConnection, entry: UUID, name: str, details: dict[str, str]) -> None:
    """Keep the id that the thing got; details are added to those of the intention."""
    await connection.execute(
        update(resources)
        .where(resources.c.id == entry, resources.c.state != ResourceState.GONE.value)
        .values(
            state=ResourceState.CREATED.value,
            name=storable_text(name),
            details=resources.c.details.concat(storable(details)),
            created_at=func.now(),
        )
    )


async def gone(connection: AsyncConnection, entry: UUID, *, swept: bool = False) -> bool:
    """Keep that the thing was seen to be gone, `swept` by others than its run; False if it was known before."""
    marked = await connection.scalar(
        update(resources)
        .where(resources.c.id == entry, resources.c.state != ResourceState.GONE.value)
        .values(state=ResourceState.GONE.value, gone_at=func.now(), swept=swept)
        .returning(resources.c.id)
    )
    return marked is not None


async def failed_removal(connection: AsyncConnection, entry: UUID, error: str) -> None:
    """Keep that removing the thing was tried, and why it is still there."""
    await connection.execute(
        update(resources)
        .where(resources.c.id == entry)
        .values(attempts=resources.c.attempts + 1, last_error=storable_text(error))
    )


async def awaited(connection: AsyncConnection, entry: UUID, why: str) -> None:
    """Keep that nothing of it is there, and that something may yet come: no removal of it has failed."""
    await connection.execute(
        update(resources).where(resources.c.id == entry).values(attempts=0, last_error=storable_text(why))
    )


async def of_run(connection: AsyncConnection, run_id: UUID) -> list[Resource]:
    """Everything this run meant to make, oldest intention first."""
    found = await connection.execute(
        select(resources).where(resources.c.run_id == run_id).order_by(resources.c.intended, resources.c.id)
    )
    return [resource(row) for row in found]


async def open_of_ended_runs(
    connection: AsyncConnection, limit: int, *, silent: bool = False
) -> list[Resource]:
    """What is not gone of at most `limit` runs that have ended, or of which there is no record.

    `silent`: also of those whose lease has ended, which are about to be closed.
    A run's entries always come together, so that they can be removed in the platform's order. Runs whose
    removal failed least often come first, and those that nobody has looked at before the others: a thing that
    cannot be removed, or may yet come, holds up nothing else.
    """
    is_open = resources.c.state != ResourceState.GONE.value
    goes_on = exists().where(runs.c.id == resources.c.run_id, runs.c.outcome.is_(None))
    if silent:
        goes_on = goes_on.where(runs.c.lease_until > func.now())
    chosen = (
        select(resources.c.run_id)
        .where(is_open, ~goes_on)
        .group_by(resources.c.run_id)
        .order_by(
            func.max(resources.c.attempts),
            func.bool_or(resources.c.last_error.is_not(None)),
            func.min(resources.c.intended),
        )
        .limit(limit)
    )
    found = await connection.execute(
        select(resources)
        .where(is_open, resources.c.run_id.in_(chosen))
        .order_by(resources.c.intended, resources.c.id)
    )
    return [resource(row) for row in found]


def resource(row: Row[Any]) -> Resource:
    """The entry that a row of `resources` tells of."""
    return Resource(
        id=row.id,
        run_id=row.run_id,
        probe=row.probe,
        tag=row.tag,
        kind=row.kind,
        name=row.name,
        state=ResourceState(row.state),
        intended=row.intended,
        details=row.details,
        attempts=row.attempts,
        last_error=row.last_error,
    )
