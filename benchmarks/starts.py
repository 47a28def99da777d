"""What really happened in a start: its phases, from the sandbox's truth log alone.

A start begins when the platform received the request (`activate.received`, `resume.received`, `router.woke`),
so the way of our request there counts to us. It ends when somebody could have been answered: for a wake when
the container served (`container.serving`), for a cold start and for a wake by a look when the site was built
(`preview.serving`). Behind the router a container can be reached from the moment its row says `running`
(`container.registered` or `container.running`, whichever was first), not before.

In between, the same instants as the platform itself tells: `row.written` (the session's row), `task.created`,
`task.connected`, `task.pull_started`, `task.pull_stopped`, `task.started`. Between the network and the pull
lies a time that nobody names: ours is `unaccounted` there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sandbox.truth import Event, Scalar, find
from synthetics.model.timing import UNACCOUNTED

PHASES = ("request", "schedule", "network", UNACCOUNTED, "pull", "start", "health", "preview")


@dataclass(frozen=True, slots=True)
class Way:
    """A way of asking for a start: what is told when it arrives, the how-manieth start of its client it is
    here, and what there is to be seen of it."""

    timing: str
    path: str
    asked: str
    nth: int = 1
    session: bool = False
    health: bool = True
    preview: bool = False
    router: bool = False


COLD = Way("cold_start", "", "activate.received", session=True, preview=True)
MESSAGE = Way("wake", "message", "activate.received", nth=2, session=True)
API = Way("wake", "api", "resume.received", router=True)
LOOK = Way("wake", "preview", "router.woke", nth=2, health=False, preview=True, router=True)


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds of the whole and of each phase; a phase that this way does not have is 0."""

    whole: float
    phases: dict[str, float]


def start_of(client: str, way: Way, events: Sequence[Event]) -> Start:
    """The start that `client` caused in this way. Raises LookupError if the log does not hold all of it."""
    started = list(find(events, "task.created", client=client))
    if len(started) < way.nth:
        raise LookupError(f"{client} had {len(started)} starts, wanted the one with number {way.nth}")
    created = started[way.nth - 1]
    before = started[way.nth - 2].fields["task"] if way.nth > 1 else None
    slept = next((event.at for event in find(events, "task.stopped", task=before)), 0.0)
    asked = _first(events, way.asked, since=slept, client=client).at
    task = created.fields["task"]

    def told(event: str) -> float:
        return _first(events, event, since=asked, task=task).at

    row = _first(events, "row.written", since=asked, client=client).at if way.session else created.at
    begun = min(row, created.at)
    reached = told("container.serving")
    shown = told("preview.serving") if way.preview else reached
    if way.router:
        reached = max(reached, min(_told(events, ("container.registered", "container.running"), task=task)))
        shown = max(shown, reached)
    running = told("task.started")
    phases = {
        "request": begun - asked,
        "schedule": created.at - begun,
        "network": told("task.connected") - created.at,
        UNACCOUNTED: told("task.pull_started") - told("task.connected"),
        "pull": told("task.pull_stopped") - told("task.pull_started"),
        "start": running - told("task.pull_stopped"),
        "health": reached - running if way.health else 0.0,
        "preview": (shown - (reached if way.health else running)) if way.preview else 0.0,
    }
    return Start(shown - asked, phases)


def _first(events: Iterable[Event], event: str, *, since: float, **fields: Scalar) -> Event:
    for found in find(events, event, **fields):
        if found.at >= since:
            return found
    raise LookupError(f"the truth log holds no {event} {fields} since {since}")


def _told(events: Iterable[Event], names: Sequence[str], **fields: Scalar) -> list[float]:
    told = [event.at for event in events for name in names if any(find([event], name, **fields))]
    if not told:
        raise LookupError(f"the truth log holds none of {names} {fields}")
    return told
