"""Exclusivity across workers: named locks held by a database session of their own.

Postgres lets waiters through in the order of their arrival: who asks to share a name while somebody waits to
have it alone queues behind that one, so a stream of sharers cannot starve it. The names of one hold are taken
in one order everywhere, so two holds cannot wait for each other. A session that ends in any way, with its
worker or with its network, gives its locks back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.errors import StoreError
from synthetics.store.engine import Database, sqlstate

_LOCK_NOT_AVAILABLE = "55P03"

#: The server notices within seconds that the worker died, also while this session waits in the queue.
_SESSION = (
    "SET statement_timeout = 0; SET client_connection_check_interval = '2s';"
    " SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
)


class LockTimeout(StoreError):
    """A name was not to be had in time; `holders` have it, as far as they said who they are."""

    def __init__(self, name: str, holders: tuple[str, ...], within: timedelta) -> None:
        by = f", held by {', '.join(holders)}" if holders else ""
        super().__init__(f"{name!r} was not free within {within.total_seconds():g} s{by}")
        self.name = name
        self.holders = holders


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    alone: bool

    @property
    def key(self) -> int:
        """The name as a signed 64-bit number, the same in every worker."""
        return int.from_bytes(blake2b(self.name.encode(), digest_size=8).digest(), signed=True)

    @property
    def function(self) -> str:
        return "pg_advisory_lock" if self.alone else "pg_advisory_lock_shared"


@asynccontextmanager
async def hold(
    database: Database,
    *,
    exclusive: frozenset[str] = frozenset(),
    shared: frozenset[str] = frozenset(),
    within: timedelta,
    holder: str = "",
) -> AsyncIterator[timedelta]:
    """Have the `exclusive` names alone and the `shared` ones beside others; yields how long that took to get.

    `holder` is what others are told when they wait in vain. Raises LockTimeout, and StoreError when the
    database is away; then nothing is held.
    """
    wanted = [_Wanted(name, alone=True) for name in exclusive]
    wanted += [_Wanted(name, alone=False) for name in shared - exclusive]
    if not wanted:
        yield timedelta(0)
        return
    loop = asyncio.get_running_loop()
    asked = loop.time()
    async with database.dedicated() as connection:
        await connection.execute(text(_SESSION))
        await _introduce(connection, holder)
        for lock in sorted(wanted, key=lambda lock: lock.key):
            left = within - timedelta(seconds=loop.time() - asked)
            if not await _acquire(connection, lock, left):
                raise LockTimeout(lock.name, await _holders(connection, lock), within)
        try:
            yield timedelta(seconds=loop.time() - asked)
        finally:
            # A lost session has given everything back already.
            with suppress(DBAPIError):
                await connection.execute(text("SELECT pg_advisory_unlock_all()"))


async def _introduce(connection: AsyncConnection, holder: str) -> None:
    name = f"synthetics: {holder}" if holder else "synthetics"
    await connection.execute(text("SELECT set_config('application_name', :name, false)"), {"name": name})


async def _acquire(connection: AsyncConnection, lock: _Wanted, within: timedelta) -> bool:
    milliseconds = max(1, round(within.total_seconds() * 1000))  # 0 would mean: wait for ever
    await connection.execute(text(f"SET lock_timeout = {milliseconds}"))
    try:
        await connection.execute(text(f"SELECT {lock.function}(:key)"), {"key": lock.key})
    except DBAPIError as error:
        if sqlstate(error) == _LOCK_NOT_AVAILABLE:
            return False
        raise
    return True


async def _holders(connection: AsyncConnection, lock: _Wanted) -> tuple[str, ...]:
    found = await connection.scalars(
        text(
            "SELECT DISTINCT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = :high AND objid::bigint = :low ORDER BY 1"
        ),
        {"high": lock.key >> 32 & 0xFFFFFFFF, "low": lock.key & 0xFFFFFFFF},
    )
    return tuple(name.removeprefix("synthetics: ") for name in found if name)
