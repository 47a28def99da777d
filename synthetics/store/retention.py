"""How long history is kept: whole months are thinned to their failures, and dropped in the end.

No row is deleted from a month: the failures are copied into a new partition, which takes the old one's place.
Recording and reading go on; only the exchange itself locks the tables, and gives up rather than wait.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.store.engine import Database
from synthetics.store.partitions import attach, make, months_of, partition_name, taking_turns
from synthetics.store.rollups import forget, roll_up_span
from synthetics.store.tables import MONTHLY

_THINNED = "thinned: failures only"
_RUNS = "runs"
#: What is kept of a month once its runs are too old: failures, with the runs that confirmed them.
_COPY_RUNS = "INSERT INTO {new} SELECT * FROM {old} WHERE outcome = 'failed' OR confirms IS NOT NULL"
_COPY_PARTS = (
    "INSERT INTO {new} SELECT part.* FROM {old} part"
    " JOIN {runs} runs ON runs.id = part.run_id AND runs.tick = part.tick"
    " WHERE runs.outcome = 'failed' OR runs.confirms IS NOT NULL"
)
#: Nobody is held up for longer by the exchange of a partition; it is tried again the next day.
_LOCK_TIMEOUT = "2s"
#: Copying a month's failures may take longer than any other statement of the service.
_STATEMENT_TIMEOUT = "10min"
_LONGEST = timedelta(hours=1)
_BATCH = 5_000
_MOST_BATCHES = 200


@dataclass(frozen=True, slots=True)
class Retired:
    """What became too old: months as `2026-08`, and how many ledger entries of things long gone."""

    thinned: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    entries: int = 0

    def __bool__(self) -> bool:
        return bool(self.thinned or self.dropped or self.entries)


async def retire(
    database: Database,
    now: datetime,
    *,
    runs: timedelta,
    failures: timedelta,
    figures: timedelta = timedelta(days=730),
) -> Retired:
    """Thin months that ended `runs` ago, drop those that ended `failures` ago, forget `figures` of hours.

    Raises StoreError.

    Any number of workers may call it at once, and again: what is done is not done twice.
    """
    thinned, dropped = [], []
    for start, end in await _months(database):
        if end <= now - max(runs, failures):
            await _drop(database, start)
            dropped.append(f"{start:%Y-%m}")
        elif end <= now - runs and await _thin(database, start, end):
            thinned.append(f"{start:%Y-%m}")
    async with database.transaction(within=_LONGEST) as connection:
        await forget(connection, now - figures)
    return Retired(tuple(thinned), tuple(dropped), await _forget_entries(database, now - max(runs, failures)))


async def _months(database: Database) -> list[tuple[datetime, datetime]]:
    """Start and end of every month that has a partition of runs, oldest first."""
    async with database.transaction() as connection:
        names = await connection.scalars(
            text(
                "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
                " WHERE inhparent = CAST('runs' AS regclass) ORDER BY child.relname"
            )
        )
        return list(_read(names.all()))


def _read(names: Sequence[str]) -> Iterator[tuple[datetime, datetime]]:
    for name in names:
        start = datetime.strptime(name.removeprefix(f"{_RUNS}_"), "%Y_%m").replace(tzinfo=UTC)
        yield next(months_of(start, start))


async def _drop(database: Database, month: datetime) -> None:
    async with database.transaction(within=_LONGEST) as connection:
        await _patiently(connection)
        for table in MONTHLY:
            await connection.execute(text(f"DROP TABLE IF EXISTS {partition_name(table, month)}"))


async def _thin(database: Database, start: datetime, end: datetime) -> bool:
    """Leave only the failures of this month; False if that was done before."""
    async with database.transaction(within=_LONGEST) as connection:
        await _patiently(connection)
        if await _is_thinned(connection, start):
            return False
        await roll_up_span(connection, start, end)  # what is thinned tells of failures alone from then on
        # In the order of MONTHLY runs come first, and are there to be asked until all others are copied.
        kept = {table: await _kept_rows(connection, table, start) for table in MONTHLY}
        for table, name in kept.items():
            old = partition_name(table, start)
            await connection.execute(text(f"DROP TABLE {old}"))
            await connection.execute(text(f"ALTER TABLE {name} RENAME TO {old}"))
            await attach(connection, table, old, start, end)
            await connection.execute(text(f"COMMENT ON TABLE {old} IS '{_THINNED}'"))
    return True


async def _kept_rows(connection: AsyncConnection, table: str, month: datetime) -> str:
    """A new table with the rows of this month that are worth keeping; its name."""
    old, runs = partition_name(table, month), partition_name(_RUNS, month)
    new = f"{old}_kept"
    await connection.execute(text(f"LOCK TABLE {old} IN SHARE MODE"))
    await make(connection, table, new)
    copy = _COPY_RUNS if table == _RUNS else _COPY_PARTS
    await connection.execute(text(copy.format(new=new, old=old, runs=runs)))
    return new


async def _is_thinned(connection: AsyncConnection, month: datetime) -> bool:
    name = partition_name(_RUNS, month)
    told = await connection.scalar(
        text("SELECT obj_description(to_regclass(:name), 'pg_class')"), {"name": name}
    )
    return bool(told == _THINNED)


async def _patiently(connection: AsyncConnection) -> None:
    """One worker at a time; nobody else is held up for long."""
    await taking_turns(connection)
    await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    await connection.execute(text(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'"))


async def _forget_entries(database: Database, before: datetime) -> int:
    """Delete ledger entries of things gone for so long, a few at a time; how many there were."""
    forgotten = 0
    for _ in range(_MOST_BATCHES):
        async with database.transaction() as connection:
            deleted = await connection.execute(
                text(
                    "DELETE FROM resources WHERE id IN (SELECT id FROM resources"
                    " WHERE state = 'gone' AND gone_at < :before ORDER BY gone_at LIMIT :batch)"
                ),
                {"before": before, "batch": _BATCH},
            )
        forgotten += deleted.rowcount
        if deleted.rowcount < _BATCH:
            break
    return forgotten
