"""Where the time went: a task's AWS timestamps laid beside what the worker saw, in phases that do not overlap.

Three clocks meet here and are never subtracted from one another: the worker's monotonic clock (what was sent
and seen), AWS's (a task's timestamps) and, in between, the worker's wall clock at the moment of sending. AWS's
timestamps are laid on the worker's timeline by one offset for the whole run: zero if that contradicts nothing
that was seen (the task was not created before it was asked for, it had started before it was found healthy),
else the nearest offset that does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.platform.values import Activation, SessionRow, TaskView
from synthetics.model.timing import ZERO, Phase

#: The phases of a cold start or a wake, in order (contract §5.5).
START = ("request", "schedule", "network", "pull", "start", "health", "preview")
#: The phases of going to sleep: idling until the task is told to stop, then its end.
STOP = ("idle", "drain", "stop")
#: The phases of a start that finds its container up.
WARM = ("request", "health")


@dataclass(frozen=True, slots=True)
class Marks:
    """What the worker did and saw: its wall and its monotonic clock when it asked, and instants of the latter.

    `row` is the session's row, for its creation time; `answered` when the request had its answer; `ready`
    when the container's health was first seen.
    """

    clock_wall: datetime
    clock_monotonic: float
    row: SessionRow | None = None
    answered: float | None = None
    ready: float | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    name: str
    begin: timedelta | None
    end: timedelta | None


def of_start(marks: Marks, task: TaskView | None, *, until: float) -> tuple[Phase, ...]:
    """How the time from asking to `until` was spent, up to what nobody can tell.

    Phases never overlap and never add up to more than the whole; a part whose timestamps are missing is
    not named. No order between connectivity and pull is assumed: what they share is counted once. What
    lies between the start (or, if it was watched, the health) and `until` is the preview's.
    """
    whole = _since(marks, until)
    ready = None if marks.ready is None else _since(marks, marks.ready)
    skew = clock_skew(marks, task, until=until)
    created, connected, pulling, pulled, started = (
        None if stamp is None else stamp + skew for stamp in _stamps(task, marks.clock_wall)
    )
    asked = _asked(marks, created, skew)
    spans = [
        _Span("request", ZERO, asked),
        _Span("schedule", asked, created),
        *_by_begin(_Span("network", created, connected), _Span("pull", pulling, pulled)),
        _Span("start", pulled, started),
        _Span("health", started, ready),
        _Span("preview", started if ready is None else ready, whole),
    ]
    return _laid(spans, whole)


def of_warm(asked: Activation, *, until: float) -> tuple[Phase, ...]:
    """The phases of a start whose container is up: until activate answered, and until the container did."""
    answered, whole = timedelta(seconds=asked.took.total_seconds()), timedelta(seconds=until - asked.sent)
    return _laid([_Span("request", ZERO, answered), _Span("health", answered, whole)], whole)


def of_stop(task: TaskView | None, whole: timedelta) -> tuple[Phase, ...]:
    """How the time up to a task's end was spent: its end by AWS's own timestamps, what was before is idling.

    `whole` ends when the task was seen to be gone.
    """
    if task is None:
        return ()
    ends = (
        ("drain", task.stopping_at, task.execution_stopped_at),
        ("stop", task.execution_stopped_at, task.stopped_at),
    )
    kept: list[Phase] = []
    left = whole
    for name, begin, end in reversed(ends):
        if begin is not None and end is not None and end - begin > ZERO:
            took = min(end - begin, left)
            kept.append(Phase(name, took))
            left -= took
    if kept and left > ZERO:
        kept.append(Phase("idle", left))
    return tuple(phase for phase in reversed(kept) if phase.took > ZERO)


def clock_skew(marks: Marks, task: TaskView | None, *, until: float) -> timedelta:
    """How much AWS's timestamps had to be moved to fit what was seen; zero if they fit as they are."""
    seen = _since(marks, until if marks.ready is None else min(until, marks.ready))
    return _offset(_stamps(task, marks.clock_wall), seen_running=seen)


def _asked(marks: Marks, created: timedelta | None, skew: timedelta) -> timedelta | None:
    """When the request had its effect: by its row, if that contradicts nothing, else by its answer."""
    answered = None if marks.answered is None else _since(marks, marks.answered)
    latest = min((moment for moment in (answered, created) if moment is not None), default=None)
    if marks.row is None or marks.row.created_at is None:
        return latest
    written = marks.row.created_at - marks.clock_wall + skew
    if written < ZERO or (latest is not None and written > latest):
        return latest
    return written


def _since(marks: Marks, at: float) -> timedelta:
    return max(ZERO, timedelta(seconds=at - marks.clock_monotonic))


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
