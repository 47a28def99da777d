"""Declared times of maintenance."""

from datetime import datetime

from synthetics.model.maintenance import Maintenance
from synthetics.queries.reading import reading
from synthetics.store import maintenance
from synthetics.store.engine import Database


class Maintenances:
    """Reads about maintenance."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, moment: datetime) -> tuple[Maintenance, ...]:
        """Those that were not over at that moment, in the order in which they begin."""
        async with reading(self._database) as connection:
            return tuple(await maintenance.since(connection, moment))
