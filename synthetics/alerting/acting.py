"""What people do: they take note of incidents, write notes, declare maintenance, and ask for runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.clock import Clock
from synthetics.errors import Conflict, NotFound, Unusable
from synthetics.model.incident import Event, Incident, Rule
from synthetics.model.maintenance import LONGEST, Maintenance, Weekday, Weekly
from synthetics.model.run import RunKey, Trigger
from synthetics.redaction import clean_text
from synthetics.store import evidence, incidents, maintenance, runs, series, workers
from synthetics.store.engine import Database
from synthetics.store.series import SeriesKey
from synthetics.words import did_you_mean, in_words, plain

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_DAY = timedelta(days=1)
#: A run that was asked for waits for a worker for so long.
_TAKEN_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A time of maintenance as a person asks for it. `starts_at` None: now, or from now on where it recurs.

    It recurs where `days` are named: on those, at the time `at` (HH:MM) of the time zone `zone`.
    """

    reason: str
    lasts: timedelta
    starts_at: datetime | None = None
    probes: tuple[str, ...] = ()
    days: tuple[Weekday, ...] = ()
    at: str = ""
    zone: str = "UTC"
    by: str = ""


class Acts:
    """Does what people ask for. Raises NotFound, Conflict or Unusable with a sentence, and StoreError."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def acknowledge(
        self, incident_id: UUID, *, by: str, note: str = "", new_normal: bool = False
    ) -> Incident:
        """Somebody is at it. Acknowledged before, it stays as it is, and a note is kept.

        `new_normal`, of a timing that became slower: it shall be so, and what came since is what is usual; the
        incident is over with the next run.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            incident = await incidents.one(connection, incident_id)
            if incident is None:
                raise NotFound(f"there is no incident {incident_id}")
            if not incident.is_open:
                raise Conflict(f"incident {incident_id} is resolved already; a note can still be written")
            if new_normal:
                await _relevel(connection, incident)
            author, said = clean_text(by), clean_text(note)
            if incident.acknowledged_at is None:
                await incidents.change(connection, incident_id, acknowledged_at=now, acknowledged_by=author)
                await incidents.happened(
                    connection, incident_id, Event.ACKNOWLEDGED, at=now, reason=said, author=author
                )
                log.info("incident.acknowledged", incident_id=str(incident_id), by=author)
            elif said:
                await incidents.happened(
                    connection, incident_id, Event.NOTED, at=now, reason=said, author=author
                )
            changed = await incidents.one(connection, incident_id)
            assert changed is not None
            return changed

    async def note(self, incident_id: UUID, *, by: str, text: str) -> None:
        """Keep what somebody writes about an incident, open or not."""
        said = clean_text(text).strip()
        if not said:
            raise Unusable("note: wanted some words, got none")
        async with self._database.transaction() as connection:
            if await incidents.one(connection, incident_id) is None:
                raise NotFound(f"there is no incident {incident_id}")
            now = self._clock.now()
            await incidents.happened(
                connection, incident_id, Event.NOTED, at=now, reason=said, author=clean_text(by)
            )

    async def declare(self, wanted: Wanted) -> Maintenance:
        """Declare a time of maintenance."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            known = await evidence.all_watched(connection)
            declared = _maintenance(wanted, now, {plain(name): name for name in known})
            await maintenance.add(connection, declared)
        log.info("maintenance.declared", maintenance_id=str(declared.id), reason=declared.reason)
        return declared

    async def ask_for_run(self, probe: str, *, by: str, location: str | None = None) -> RunKey:
        """Have a probe run once, as soon as a worker there has a slot; it is in the history from now on."""
        async with self._database.transaction() as connection:
            known = await evidence.all_watched(connection)
            scheduled = {plain(name): name for name, watched in known.items() if watched.scheduled}
            name = scheduled.get(plain(probe))
            if name is None:
                told = "is not scheduled" if plain(probe) in map(plain, known) else "does not exist"
                raise NotFound(f"the probe {probe!r} {told}; {did_you_mean(probe, scheduled.values())}")
            place = _place(location, await workers.locations(connection))
            # One after the other, so that of two who ask at once the second is told of the first.
            await runs.taking_turns(connection, name, place)
            if (other := await runs.in_flight(connection, name, place)) is not None:
                raise Conflict(f"{name} runs at {place} already: {other}")
            key = RunKey(name, place, await runs.now(connection), Trigger.MANUAL)
            await runs.ask(connection, key, within=_TAKEN_WITHIN)
        log.info("run.asked", probe=name, location=place, run_id=str(key.id), by=clean_text(by))
        return key

    async def end(self, maintenance_id: UUID) -> Maintenance:
        """Have a time of maintenance over now, and for good."""
        async with self._database.transaction() as connection:
            ended = await maintenance.end(connection, maintenance_id, self._clock.now())
        if ended is None:
            raise NotFound(f"there is no maintenance {maintenance_id}")
        log.info("maintenance.ended", maintenance_id=str(maintenance_id))
        return ended


def _place(wanted: str | None, there: Sequence[str]) -> str:
    """Raises Conflict where there is no worker, Unusable where there is none at the wanted location."""
    if not there:
        raise Conflict("no worker is there that could run it")
    if wanted is None:
        return there[0]
    if wanted not in there:
        raise Unusable(f"location: no worker is at {wanted!r}; there are workers at {', '.join(there)}")
    return wanted


async def _relevel(connection: AsyncConnection, incident: Incident) -> None:
    """Raises Unusable for an incident that is not about a timing that became slower."""
    if incident.rule is not Rule.REGRESSED:
        raise Unusable(
            f"new_normal: only a timing that became slower ({Rule.REGRESSED}) has a new normal, "
            f"this incident is of the rule {incident.rule}"
        )
    timing, _, path = incident.subject.partition("/")
    since = str(incident.evidence.get("since") or incident.opened_at.isoformat())
    key = SeriesKey(incident.probe, incident.location, timing, path)
    await series.relevel(connection, key, datetime.fromisoformat(since))


def _maintenance(wanted: Wanted, now: datetime, known: dict[str, str]) -> Maintenance:
    """Raises Unusable with what is wrong and what is allowed."""
    reason = clean_text(wanted.reason).strip()
    if not reason:
        raise Unusable("reason: wanted some words, got none")
    for probe in wanted.probes:
        if plain(probe) not in known:
            raise Unusable(f"probes: there is no probe {probe!r}; {did_you_mean(probe, known.values())}")
    starts_at = wanted.starts_at or now
    longest = 7 * _DAY if wanted.days else LONGEST
    if not timedelta(0) < wanted.lasts <= longest:
        raise Unusable(f"lasts: wanted more than nothing and at most {in_words(longest)}, got {wanted.lasts}")
    once_over = starts_at + wanted.lasts
    if not wanted.days and once_over <= now:
        raise Unusable("starts_at: it would be over already")
    return Maintenance(
        id=uuid4(),
        reason=reason,
        starts_at=starts_at,
        lasts=wanted.lasts,
        over_at=None if wanted.days else once_over,
        probes=tuple(known[plain(probe)] for probe in wanted.probes),
        weekly=_weekly(wanted) if wanted.days else None,
        created_by=clean_text(wanted.by),
    )


def _weekly(wanted: Wanted) -> Weekly:
    try:
        at = time.fromisoformat(wanted.at)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or at.second or at.microsecond:
        raise Unusable(f"at: wanted a time of day such as 02:30, got {wanted.at!r}")
    try:
        ZoneInfo(wanted.zone)
    except (ValueError, OSError, KeyError):
        raise Unusable(f"zone: wanted a time zone such as Europe/Berlin, got {wanted.zone!r}") from None
    return Weekly(tuple(day for day in Weekday if day in wanted.days), at, wanted.zone)
