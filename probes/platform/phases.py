"""Where the time went: a task's AWS timestamps laid beside what the worker saw, in phases that do not overlap.

Three clocks meet here and are never subtracted from one another: the worker's monotonic clock (what was sent
and seen), AWS's (a task's timestamps) and, in between, the worker's wall clock at the moment of sending. AWS's
timestamps are laid on the worker's timeline by one offset for the whole run: zero if that contradicts nothing
that was seen (the task was not created before it was asked for, it had started before it was found healthy),
else the nearest offset that does not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.platform.values import TaskView
from synthetics.model.timing import ZERO, Phase

#: The phases of a cold start or a wake, in order (contract §5.5).
START_PHASES = ("request", "schedule", "network", "pull", "start", "health", "preview")
#: The phases of a task's end.
STOP_PHASES = ("drain", "stop")


@dataclass(frozen=True, slots=True)
class Instants:
    """What the worker did and saw, on its monotonic clock; `sent_at` is its wall clock at `sent`.

    `accepted` is when the request's effect was first seen (the session row, or the answer to a wake). Where
    health was not watched, all from the container's start to the preview is the preview's.
    """

    sent: float
    sent_at: datetime
    accepted: float | None = None
    healthy: float | None = None
    preview: float | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """The phases of one timing, in order. `clock_skew` is how much AWS's clock had to be moved to fit."""

    phases: tuple[Phase, ...]
    clock_skew: timedelta = ZERO


@dataclass(frozen=True, slots=True)
class _Span:
    name: str
    begin: timedelta | None
    end: timedelta | None


def start_phases(instants: Instants, task: TaskView | None, *, until: float) -> Split:
    """How the time from `instants.sent` to `until` was spent, up to what nobody can tell.

    Phases never overlap and never add up to more than the whole; a part whose timestamps are missing is not
    named. No order between connectivity and pull is assumed: what they share is counted once.
    """
    whole = _since(instants, until)
    accepted, healthy, preview = (
        None if at is None else _since(instants, at)
        for at in (instants.accepted, instants.healthy, instants.preview)
    )
    stamps = _stamps(task, instants.sent_at)
    seen = (at for at in (healthy, preview, whole) if at is not None)
    skew = _offset(stamps, seen_running=min(seen))
    created, connected, pulling, pulled, started = (None if stamp is None else stamp + skew for stamp in stamps)
    asked = _earlier(accepted, created)
    spans = [
        _Span("request", ZERO, asked),
        _Span("schedule", asked, created),
        *_by_begin(_Span("network", created, connected), _Span("pull", pulling, pulled)),
        _Span("start", pulled, started),
        _Span("health", started, healthy),
        _Span("preview", started if healthy is None else healthy, preview),
    ]
    return Split(_laid(spans, whole), skew)


def stop_phases(task: TaskView) -> tuple[Phase, ...]:
    """How a task's end was spent, by AWS's own timestamps alone."""
    spans = (
        ("drain", task.stopping_at, task.execution_stopped_at),
        ("stop", task.execution_stopped_at, task.stopped_at),
    )
    return tuple(
        Phase(name, end - begin)
        for name, begin, end in spans
        if begin is not None and end is not None and end > begin
    )


def response_phases(handled: timedelta, whole: timedelta) -> tuple[Phase, ...]:
    """How a response's time was spent, split where the container says it answered, counted from our sending.

    That is the container's clock beside ours: where it contradicts what was seen, it places no boundary.
    """
    if not ZERO <= handled <= whole:
        return ()
    return (Phase("handling", handled), Phase("delivery", whole - handled))


def fitting(phases: Sequence[Phase], whole: timedelta) -> tuple[Phase, ...]:
    """As many of the phases, from the last backwards, as fit into the whole."""
    kept: list[Phase] = []
    left = whole
    for phase in reversed(phases):
        took = min(phase.took, left)
        if took > ZERO:
            kept.append(Phase(phase.name, took))
        left -= took
    return tuple(reversed(kept))


def _since(instants: Instants, at: float) -> timedelta:
    return max(ZERO, timedelta(seconds=at - instants.sent))


def _stamps(task: TaskView | None, sent_at: datetime) -> tuple[timedelta | None, ...]:
    """The task's timestamps up to its start, counted from the worker's wall clock at sending."""
    if task is None:
        return (None,) * 5
    stamps = (
        task.created_at,
        task.connectivity_at,
        task.pull_started_at,
        task.pull_stopped_at,
        task.started_at,
    )
    return tuple(None if stamp is None else stamp - sent_at for stamp in stamps)


def _offset(stamps: Iterable[timedelta | None], *, seen_running: timedelta) -> timedelta:
    """The smallest shift that puts all stamps after the sending and before the task was seen to work."""
    told = [stamp for stamp in stamps if stamp is not None]
    if not told:
        return ZERO
    lowest, highest = -min(told), seen_running - max(told)
    if lowest > highest:  # AWS's span is longer than ours: split what is too much
        return (lowest + highest) / 2
    return min(max(ZERO, lowest), highest)


def _earlier(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _by_begin(*spans: _Span) -> list[_Span]:
    return sorted(spans, key=lambda span: timedelta.max if span.begin is None else span.begin)


def _laid(spans: Iterable[_Span], whole: timedelta) -> tuple[Phase, ...]:
    """The spans cut so that each begins where those before it ended, and none goes on after the whole."""
    phases: list[Phase] = []
    reached = ZERO
    for span in spans:
        if span.begin is None or span.end is None:
            continue
        begin, end = max(span.begin, reached), min(span.end, whole)
        if end > begin:
            phases.append(Phase(span.name, end - begin))
            reached = end
    return tuple(phases)
