"""The ledger: what runs made on the platform and what is not gone yet."""

from dataclasses import dataclass

from sqlalchemy import select, tuple_

from synthetics.model.resource import Resource, ResourceState
from synthetics.queries.history import Cursor
from synthetics.queries.reading import reading
from synthetics.store import tables
from synthetics.store.engine import Database
from synthetics.store.resources import resource


@dataclass(frozen=True, slots=True)
class ResourcePage:
    """Some entries, newest first; `next` is where the following page begins, None if this is the last."""

    resources: tuple[Resource, ...]
    next: str | None


class Resources:
    """Reads of the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, *, limit: int, cursor: Cursor | None = None) -> ResourcePage:
        """What is not known to be gone, newest first: of runs under way, and what outlived its run."""
        table = tables.resources
        chosen = select(table).where(table.c.state != ResourceState.GONE.value)
        if cursor is not None:
            chosen = chosen.where(tuple_(table.c.intended, table.c.id) < tuple_(cursor.tick, cursor.id))
        chosen = chosen.order_by(table.c.intended.desc(), table.c.id.desc()).limit(limit + 1)
        async with reading(self._database) as connection:
            found = [resource(row) for row in await connection.execute(chosen)]
        shown, more = found[:limit], len(found) > limit
        return ResourcePage(tuple(shown), Cursor(shown[-1].intended, shown[-1].id).text if more else None)
