"""Incidents: those that are open, those that were, and one with everything that happened to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.errors import NotFound
from synthetics.model.incident import SEVERITIES, Event, Incident, Rule
from synthetics.queries import catalogue
from synthetics.queries.history import Cursor
from synthetics.queries.reading import reading
from synthetics.store import tables
from synthetics.store.engine import Database
from synthetics.store.incidents import incident

_MOST_OPEN = 500


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened to an incident. `author` is empty where no person did it."""

    event: Event
    at: datetime
    reason: str
    run_id: UUID | None
    author: str


@dataclass(frozen=True, slots=True)
class NoticeState:
    """What became of one notice."""

    notifier: str
    alarming: bool
    created_at: datetime
    attempts: int
    delivered_at: datetime | None
    given_up_at: datetime | None
    due_at: datetime
    last_error: str | None


@dataclass(frozen=True, slots=True)
class IncidentDetail:
    """An incident in full: what happened to it, who was told, and what it explains."""

    incident: Incident
    history: tuple[Happened, ...]
    notices: tuple[NoticeState, ...]
    explains: tuple[Incident, ...]


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """Some incidents, newest first; `next` is where the following page begins, None if this is the last."""

    incidents: tuple[Incident, ...]
    next: str | None


class Incidents:
    """Reads about incidents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_ones(self) -> tuple[Incident, ...]:
        """Those that are open, the gravest and then the oldest first; those that another explains come last."""
        table = tables.incidents
        chosen = (
            select(table).where(table.c.resolved_at.is_(None)).order_by(table.c.opened_at).limit(_MOST_OPEN)
        )
        async with reading(self._database) as connection:
            found = [incident(row) for row in await connection.execute(chosen)]
        return tuple(
            sorted(found, key=lambda one: (one.folded_under is not None, SEVERITIES.index(one.severity)))
        )

    async def page(
        self,
        *,
        limit: int,
        cursor: Cursor | None = None,
        is_open: bool | None = None,
        probe: str | None = None,
        rule: Rule | None = None,
    ) -> IncidentPage:
        """A page of incidents, newest first. Raises NotFound for an unknown probe."""
        table = tables.incidents
        chosen: Select[tuple[object, ...]] = select(table)
        async with reading(self._database) as connection:
            if probe is not None:
                chosen = chosen.where(table.c.probe == (await catalogue.one(connection, probe)).name)
            if rule is not None:
                chosen = chosen.where(table.c.rule == rule.value)
            if is_open is not None:
                is_resolved = table.c.resolved_at.is_not(None)
                chosen = chosen.where(~is_resolved if is_open else is_resolved)
            if cursor is not None:
                chosen = chosen.where(tuple_(table.c.opened_at, table.c.id) < tuple_(cursor.tick, cursor.id))
            chosen = chosen.order_by(table.c.opened_at.desc(), table.c.id.desc()).limit(limit + 1)
            found = [incident(row) for row in await connection.execute(chosen)]
        shown, more = found[:limit], len(found) > limit
        following = Cursor(shown[-1].opened_at, shown[-1].id).text if more else None
        return IncidentPage(tuple(shown), following)

    async def named(self, typed: str) -> UUID:
        """The incident whose id begins with what was typed. Raises NotFound where that is none, or several."""
        table = tables.incidents
        begins = func.starts_with(cast(table.c.id, Text), typed.strip().lower())
        async with reading(self._database) as connection:
            found = (await connection.scalars(select(table.c.id).where(begins).limit(2))).all()
        if not typed.strip() or not found:
            raise NotFound(f"there is no incident {typed!r}")
        if len(found) > 1:
            raise NotFound(f"several incidents begin with {typed!r}; write more of it")
        only: UUID = found[0]
        return only

    async def one(self, incident_id: UUID) -> IncidentDetail:
        """One incident in full. Raises NotFound."""
        table = tables.incidents
        async with reading(self._database) as connection:
            row = (await connection.execute(select(table).where(table.c.id == incident_id))).one_or_none()
            if row is None:
                raise NotFound(f"there is no incident {incident_id}")
            explained = select(table).where(table.c.folded_under == incident_id).order_by(table.c.opened_at)
            return IncidentDetail(
                incident=incident(row),
                history=await _history(connection, incident_id),
                notices=await _notices(connection, incident_id),
                explains=tuple(incident(child) for child in await connection.execute(explained)),
            )

    async def gauges(self) -> Mapping[tuple[str, str], int]:
        """How many incidents are open, by rule and severity, those that another one explains left out.

        Every rule and severity is there, with 0 where none is.
        """
        table = tables.incidents
        chosen = (
            select(table.c.rule, table.c.severity, func.count())
            .where(table.c.resolved_at.is_(None), table.c.folded_under.is_(None))
            .group_by(table.c.rule, table.c.severity)
        )
        async with reading(self._database) as connection:
            counts = {(row[0], row[1]): row[2] for row in await connection.execute(chosen)}
        return {(rule.value, severity): 0 for rule in Rule for severity in SEVERITIES} | counts


async def _history(connection: AsyncConnection, incident_id: UUID) -> tuple[Happened, ...]:
    table = tables.transitions
    chosen = select(table).where(table.c.incident_id == incident_id).order_by(table.c.id)
    return tuple(
        Happened(Event(row.state), row.at, row.reason, row.run_id, row.author)
        for row in await connection.execute(chosen)
    )


async def _notices(connection: AsyncConnection, incident_id: UUID) -> tuple[NoticeState, ...]:
    table = tables.notices
    chosen = (
        select(table)
        .where(table.c.incident_id == incident_id)
        .order_by(table.c.transition_id, table.c.notifier)
    )
    return tuple(
        NoticeState(
            notifier=row.notifier,
            alarming=row.alarming,
            created_at=row.created_at,
            attempts=row.attempts,
            delivered_at=row.delivered_at,
            given_up_at=row.given_up_at,
            due_at=row.due_at,
            last_error=row.last_error,
        )
        for row in await connection.execute(chosen)
    )
