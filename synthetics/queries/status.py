"""How every probe stands now, and what that comes to in one sentence."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from synthetics.clock import Clock
from synthetics.model.check import CheckOutcome
from synthetics.model.grid import Grid
from synthetics.model.run import TELLING, Outcome
from synthetics.queries import catalogue
from synthetics.queries.reading import SUMMARY, reading, summary_of
from synthetics.queries.values import CatalogueProbe, Overview, ProbeGauge, ProbeStatus, RunSummary, State
from synthetics.store import tables
from synthetics.store.engine import Database

#: As many runs of each probe are looked at; what lies further back says nothing about now.
RECENT: Final = 48

_WORST_FIRST = (State.DOWN, State.BROKEN, State.UNKNOWN, State.UP)


class Status:
    """Reads about now."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def overview(self, *, recent: int = RECENT) -> Overview:
        """Every probe of today's catalogue with so many newest runs, and the whole in one sentence."""
        async with reading(self._database) as connection:
            probes = await catalogue.current(connection)
            statuses = await self._statuses(connection, probes, recent)
        return Overview(self._clock.now(), *in_one_sentence(statuses), probes=statuses)

    async def probe(self, name: str, *, recent: int = RECENT) -> ProbeStatus:
        """One probe, also a retired one, with so many newest runs. Raises NotFound."""
        async with reading(self._database) as connection:
            found = await catalogue.one(connection, name)
            return (await self._statuses(connection, [found], recent))[0]

    async def gauges(self) -> tuple[ProbeGauge, ...]:
        """What a scrape tells of each probe: up or not, its last success, its cases."""
        async with reading(self._database) as connection:
            statuses = await self._statuses(connection, await catalogue.current(connection), 0)
            telling = {status.name: status.telling for status in statuses if status.telling}
            checks = await _checks(connection, telling)
        return tuple(
            ProbeGauge(status.name, _UP.get(status.state), status.last_success, checks[status.name])
            for status in statuses
        )

    async def _statuses(
        self, connection: AsyncConnection, probes: Sequence[CatalogueProbe], recent: int
    ) -> tuple[ProbeStatus, ...]:
        names = [probe.name for probe in probes]
        runs = await newest_runs(connection, names, limit=RECENT, shown=recent)
        successes = await _last_successes(connection, names)
        now = self._clock.now()
        return tuple(
            _status(probe, runs[probe.name], successes.get(probe.name), now, recent) for probe in probes
        )


_UP: Final[Mapping[State, bool]] = {State.UP: True, State.DOWN: False}


def judge(probe: CatalogueProbe, recent: Sequence[RunSummary], now: datetime) -> tuple[State, str]:
    """The state that the newest runs come to, and why, in words. The worst of all locations counts."""
    if not any(run.outcome for run in recent):
        return State.UNKNOWN, "no run has finished yet"
    by_location: dict[str, list[RunSummary]] = defaultdict(list)
    for run in recent:
        by_location[run.location].append(run)
    verdicts = [_judge_location(probe, runs, now) for runs in by_location.values()]
    # A location where nothing recent tells may have been given up: it speaks only if no other does.
    speaking = [verdict for verdict in verdicts if verdict[0] is not State.UNKNOWN]
    return min(speaking or verdicts, key=lambda verdict: _WORST_FIRST.index(verdict[0]))


def in_one_sentence(statuses: Sequence[ProbeStatus]) -> tuple[State, str]:
    """The state of the whole, and a sentence about it. Disabled probes do not count."""
    if not statuses:
        return State.UNKNOWN, "No probe is known yet: no worker has published its catalogue."
    watched = [status for status in statuses if status.enabled]
    named = {state: [s.name for s in watched if s.state is state] for state in State}
    if not watched:
        return State.UNKNOWN, "Every probe is disabled."
    if len(named[State.UP]) == len(watched):
        return State.UP, "The one promise holds." if len(watched) == 1 else f"All {len(watched)} promises hold."
    parts = []
    if names := named[State.DOWN]:
        verb = "is" if len(names) == 1 else "are"
        parts.append(f"{len(names)} of {len(watched)} promises {verb} broken: {', '.join(names)}.")
    if names := named[State.BROKEN]:
        parts.append(f"Our own probing does not work for {', '.join(names)}.")
    parts += _about_unknown([status for status in watched if status.state is State.UNKNOWN], len(watched))
    return next(state for state in _WORST_FIRST if named[state]), " ".join(parts)


def _about_unknown(unknown: Sequence[ProbeStatus], watched: int) -> list[str]:
    """Sentences about probes of which nothing is known yet, and those of which nothing is known any more."""
    new = [status.name for status in unknown if status.latest is None]
    silent = [status.name for status in unknown if status.latest is not None]
    parts = []
    if new:
        parts.append("No run has finished yet" + ("." if len(new) == watched else f" of {', '.join(new)}."))
    if silent:
        parts.append(f"Nothing recent is known of {', '.join(silent)}.")
    return parts


def _judge_location(
    probe: CatalogueProbe, newest_first: Sequence[RunSummary], now: datetime
) -> tuple[State, str]:
    finished = [run for run in newest_first if run.outcome is not None]
    speaking = next((run for run in finished if run.outcome in TELLING or run.outcome is Outcome.BROKEN), None)
    if speaking is None:
        newest = finished[0] if finished else None
        seen = f"; the newest run was {newest.outcome}: {newest.reason}" if newest else ""
        return State.UNKNOWN, f"none of the newest runs tells anything about the platform{seen}"
    if now - (speaking.finished or speaking.tick) > stale_after(probe):
        return State.UNKNOWN, f"nothing was learned since {speaking.tick:%Y-%m-%d %H:%M} UTC"
    if speaking.outcome is Outcome.BROKEN:
        return State.BROKEN, speaking.reason or "the newest run was broken"
    if speaking.outcome is Outcome.FAILED:
        return State.DOWN, speaking.reason or "the newest run failed"
    return State.UP, "the newest run passed"


def stale_after(probe: CatalogueProbe) -> timedelta:
    """How long what was learned of a probe stays true: two intervals, and the longest a run may take."""
    return 2 * probe.every + probe.timeout


def _status(
    probe: CatalogueProbe,
    runs: Sequence[RunSummary],
    last_success: datetime | None,
    now: datetime,
    recent: int,
) -> ProbeStatus:
    state, why = judge(probe, runs, now)
    due = probe.enabled and not probe.retired
    return ProbeStatus(
        name=probe.name,
        promise=probe.promise,
        enabled=probe.enabled,
        state=state,
        why=why,
        latest=next((run for run in runs if run.outcome is not None), None),
        telling=next((run for run in runs if run.outcome in TELLING), None),
        last_success=last_success,
        in_flight=tuple(run for run in runs if run.outcome is None),
        next_tick=Grid.of(probe.name, probe.every).after(now) if due else None,
        recent=tuple(runs[:recent]),
    )


async def newest_runs(
    connection: AsyncConnection, names: Sequence[str], *, limit: int, shown: int
) -> dict[str, list[RunSummary]]:
    """The newest runs of each probe, those in flight included, newest first.

    All of the first `shown`; of the others up to `limit` only what a verdict can need: what is in flight, and
    the newest of each outcome at each location.
    """
    runs, probes = tables.runs, tables.probes
    newest = (
        select(*SUMMARY)
        .where(runs.c.probe == probes.c.name)
        .order_by(runs.c.tick.desc(), runs.c.attempt.desc(), runs.c.id.desc())
        .limit(limit)
        .lateral("newest")
    )
    order = (newest.c.tick.desc(), newest.c.attempt.desc(), newest.c.id.desc())
    alike = (newest.c.probe, newest.c.location, newest.c.outcome)
    placed = (
        select(
            *newest.c,
            func.row_number().over(partition_by=newest.c.probe, order_by=order).label("place"),
            func.row_number().over(partition_by=alike, order_by=order).label("place_among_alike"),
        )
        .select_from(probes.join(newest, true()))
        .where(probes.c.name.in_(names))
        .subquery("placed")
    )
    needed = or_(placed.c.place <= shown, placed.c.outcome.is_(None), placed.c.place_among_alike == 1)
    columns = [placed.c[column.name] for column in SUMMARY]
    chosen = select(*columns).where(needed).order_by(placed.c.probe, placed.c.place)
    found: dict[str, list[RunSummary]] = defaultdict(list)
    for row in await connection.execute(chosen):
        found[row.probe].append(summary_of(row))
    return found


async def _last_successes(connection: AsyncConnection, names: Sequence[str]) -> dict[str, datetime]:
    runs, probes = tables.runs, tables.probes
    newest = (
        select(runs.c.finished)
        .where(runs.c.probe == probes.c.name, runs.c.outcome == Outcome.PASSED.value)
        .order_by(runs.c.tick.desc())
        .limit(1)
        .lateral("success")
    )
    chosen = (
        select(probes.c.name, newest.c.finished)
        .select_from(probes.join(newest, true()))
        .where(probes.c.name.in_(names))
    )
    return {row.name: row.finished for row in await connection.execute(chosen)}


async def _checks(
    connection: AsyncConnection, telling: Mapping[str, RunSummary]
) -> dict[str, dict[str, CheckOutcome]]:
    checks = tables.checks
    found: dict[str, dict[str, CheckOutcome]] = {name: {} for name in telling}
    keys: list[tuple[UUID, datetime]] = [(run.id, run.tick) for run in telling.values()]
    if keys:
        chosen = select(checks.c.probe, checks.c.case, checks.c.outcome).where(
            tuple_(checks.c.run_id, checks.c.tick).in_(keys)
        )
        for row in await connection.execute(chosen):
            found[row.probe][row.case] = CheckOutcome(row.outcome)
    return defaultdict(dict, found)
