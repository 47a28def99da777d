"""Month partitions, made before they are needed: there is no default partition for strays."""

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.store.engine import Database
from synthetics.store.tables import MONTHLY

MONTHS_AHEAD = 3
_LOCK_KEY = 7_310_031_190_554_320_014


async def make_ahead(database: Database, now: datetime, *, months: int = MONTHS_AHEAD) -> list[str]:
    """Make the partitions of the month before `now`, of its own and of the next ones; those that are new.

    Does nothing where they exist; any number of workers may call it at once.
    """
    first = _month_start(now, -1)
    return await cover(database, first, _month_start(now, months))


async def cover(database: Database, since: datetime, until: datetime) -> list[str]:
    """Make the partitions of every month that touches this span; the names of those that are new."""
    async with database.transaction() as connection:
        await taking_turns(connection)
        existing = await _existing(connection)
        made: list[str] = []
        for start, end in months_of(since, until):
            for table in MONTHLY:
                name = partition_name(table, start)
                if name not in existing:
                    await make(connection, table, name)
                    await attach(connection, table, name, start, end)
                    made.append(name)
        return made


def months_of(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Start and end of each month (UTC) that touches the closed span, oldest first."""
    start = _month_start(since, 0)
    while start <= until:
        end = _month_start(start, 1)
        yield start, end
        start = end


def partition_name(table: str, month: datetime) -> str:
    """What the partition of this month is called."""
    return f"{table}_{month:%Y_%m}"


def _month_start(moment: datetime, later: int) -> datetime:
    """Midnight UTC of the first day of the month that is `later` months after the moment's."""
    moment = moment.astimezone(UTC)
    count = moment.year * 12 + moment.month - 1 + later
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


async def _existing(connection: AsyncConnection) -> set[str]:
    found = await connection.scalars(
        text(
            "SELECT child.relname FROM pg_inherits"
            " JOIN pg_class child ON child.oid = inhrelid"
            " WHERE inhparent = ANY (CAST(:tables AS regclass[]))"
        ),
        {"tables": list(MONTHLY)},
    )
    return set(found)


async def taking_turns(connection: AsyncConnection) -> None:
    """Wait until nobody else is at the partitions; until the transaction ends nobody else will be."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})


async def make(connection: AsyncConnection, table: str, name: str) -> None:
    """Make a table that can become a partition of `table`."""
    await connection.execute(
        text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)")
    )


async def attach(connection: AsyncConnection, table: str, name: str, start: datetime, end: datetime) -> None:
    """Make it the partition of this month, while reads and writes of the parent go on."""
    await connection.execute(
        text(
            f"ALTER TABLE {table} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
        )
    )
