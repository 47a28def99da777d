"""Which workers there are, where, and of which version: the newest of a place is in charge there.

Every function takes the connection of a transaction; the caller commits.
"""

import re
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.store.storable import storable_text
from synthetics.store.tables import workers

#: A worker that was not heard of for so long is there no more.
SILENCE = timedelta(minutes=1)

_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(.*)")
_BEFORE_RELEASE = re.compile(r"[-._]?(a|b|c|rc|alpha|beta|pre|preview|dev)", re.IGNORECASE)

Order = tuple[tuple[int, ...], bool, tuple[int, ...]]


def order(version: str) -> Order:
    """What versions are compared by: `0.9 < 0.10rc1 < 0.10 == 0.10.0`. What is no version comes first."""
    found = _VERSION.match(version)
    if found is None:
        return (), False, ()
    numbers = [int(number) for number in found[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    rest = found[2].partition("+")[0]
    return tuple(numbers), not _BEFORE_RELEASE.match(rest), tuple(map(int, re.findall(r"\d+", rest)))


async def present(connection: AsyncConnection, name: str, *, location: str, version: str) -> None:
    """Say that this worker is there; to be said again before SILENCE is over."""
    told = {"location": location, "version": storable_text(version), "heard_at": func.now()}
    statement = upsert(workers).values(name=storable_text(name), **told)
    await connection.execute(statement.on_conflict_do_update(index_elements=[workers.c.name], set_=told))
    await connection.execute(delete(workers).where(workers.c.heard_at < func.now() - 10 * SILENCE))


async def leave(connection: AsyncConnection, name: str) -> None:
    """Say that this worker is about to end, so that nobody waits until it was silent for long."""
    await connection.execute(delete(workers).where(workers.c.name == storable_text(name)))


async def locations(connection: AsyncConnection) -> list[str]:
    """Where there are workers, in the order of the alphabet."""
    there = select(workers.c.location).where(workers.c.heard_at > func.now() - SILENCE)
    return sorted((await connection.scalars(there.distinct())).all())


async def newest(connection: AsyncConnection, *, location: str | None = None) -> str | None:
    """The newest version that any worker has (of those in this location); None if there is no worker."""
    there = select(workers.c.version).where(workers.c.heard_at > func.now() - SILENCE)
    if location is not None:
        there = there.where(workers.c.location == location)
    versions = (await connection.scalars(there.distinct())).all()
    return max(versions, key=order, default=None)
