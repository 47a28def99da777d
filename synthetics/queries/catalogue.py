"""The probes that the workers published, as they are stored."""

from datetime import timedelta

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.queries.names import resolve
from synthetics.queries.reading import optional, reading
from synthetics.queries.values import CatalogueCase, CatalogueProbe, CatalogueStep, CatalogueTiming
from synthetics.store import tables
from synthetics.store.engine import Database


class Catalogue:
    """Reads of the stored catalogue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def probes(self) -> tuple[CatalogueProbe, ...]:
        """Every probe that a catalogue holds today, by name."""
        async with reading(self._database) as connection:
            return await current(connection)

    async def probe(self, name: str) -> CatalogueProbe:
        """One probe, also a retired one; hyphens and underscores are the same. Raises NotFound."""
        async with reading(self._database) as connection:
            return await one(connection, name)


async def current(connection: AsyncConnection) -> tuple[CatalogueProbe, ...]:
    """Every probe that is not retired, by name."""
    chosen = select(tables.probes).where(tables.probes.c.retired_at.is_(None)).order_by(tables.probes.c.name)
    return tuple(_probe(row) for row in (await connection.execute(chosen)).mappings())


async def one(connection: AsyncConnection, typed: str) -> CatalogueProbe:
    """The probe that was meant. Raises NotFound with the nearest names."""
    rows = (await connection.execute(select(tables.probes))).mappings().all()
    known = {row["name"]: row for row in rows}
    return _probe(known[resolve("probe", typed, known)])


def _probe(row: RowMapping) -> CatalogueProbe:
    return CatalogueProbe(
        name=row["name"],
        promise=row["promise"],
        owner=row["owner"],
        severity=row["severity"],
        price=row["price"],
        every=timedelta(seconds=row["every_seconds"]),
        timeout=timedelta(seconds=row["timeout_seconds"]),
        steps=tuple(
            CatalogueStep(step["name"], timedelta(seconds=step["budget_seconds"])) for step in row["steps"]
        ),
        cases=tuple(CatalogueCase(case["id"], case["promise"], case["effect"]) for case in row["cases"]),
        timings=tuple(
            CatalogueTiming(
                name=timing["name"],
                help=timing["help"],
                paths=tuple(timing["paths"]),
                phases=tuple(timing["phases"]),
                target=optional(timing["target_seconds"]),
            )
            for timing in row["timings"]
        ),
        exclusive=tuple(row["exclusive"]),
        leans_on=tuple(row["leans_on"]),
        enabled=row["enabled"],
        retired=row["retired_at"] is not None,
    )
