"""What happens: the newest runs and the newest changes of incidents, to be asked again and again."""

from dataclasses import dataclass

from sqlalchemy import select

from synthetics.model.incident import Event, Incident
from synthetics.queries import catalogue
from synthetics.queries.reading import reading
from synthetics.queries.status import newest_runs
from synthetics.queries.values import RunSummary
from synthetics.store import tables
from synthetics.store.engine import Database
from synthetics.store.incidents import incident

#: More than can happen to one probe, or to all incidents, between two looks.
_RUNS, _CHANGES = 6, 50


@dataclass(frozen=True, slots=True)
class Changed:
    """Something happened to an incident; numbers grow."""

    number: int
    event: Event
    incident: Incident


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest runs of each probe, and what happened last to incidents; oldest first."""

    runs: tuple[RunSummary, ...]
    changes: tuple[Changed, ...]


class Live:
    """Reads of what happens now."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self) -> Newest:
        """What is newest now. A run is there from its claim on, and has its outcome once it ended."""
        changes, incidents = tables.transitions, tables.incidents
        chosen = (
            select(changes.c.id.label("number"), changes.c.state.label("event"), incidents)
            .join(incidents, incidents.c.id == changes.c.incident_id)
            .order_by(changes.c.id.desc())
            .limit(_CHANGES)
        )
        async with reading(self._database) as connection:
            names = [probe.name for probe in await catalogue.current(connection)]
            runs = await newest_runs(connection, names, limit=_RUNS, shown=_RUNS)
            changed = [
                Changed(row.number, Event(row.event), incident(row)) for row in await connection.execute(chosen)
            ]
        found = sorted((run for newest in runs.values() for run in newest), key=lambda run: run.tick)
        return Newest(tuple(found), tuple(reversed(changed)))
