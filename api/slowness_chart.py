"""The picture of a timing around an incident: every value, what was usual, the onset, and deploys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from api.charts import HEIGHT, WIDTH
from synthetics.model.incident import Incident
from synthetics.regression.change import Value

_HEADROOM = 1.1
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on the time line, and what happened then."""

    x: float
    what: str


@dataclass(frozen=True, slots=True)
class Level:
    """What was usual over a stretch of the time line."""

    x1: float
    x2: float
    y: float
    took: timedelta


@dataclass(frozen=True, slots=True)
class SlownessChart:
    """Where everything goes on a canvas of 1000 by 120. `onset` is where the band of the onset begins and ends.

    `dots` is the path of all values, `target_y` None where the target lies out of sight.
    """

    dots: str
    levels: tuple[Level, ...]
    onset: tuple[float, float] | None
    deploys: tuple[Mark, ...]
    target_y: float | None
    since: datetime
    until: datetime
    highest: timedelta


def slowness_chart(
    values: Sequence[Value], incident: Incident, target: timedelta | None
) -> SlownessChart | None:
    """The picture of these values, oldest first; None with fewer than two of them."""
    if len(values) < _FEWEST or values[0].tick == values[-1].tick:
        return None
    since, until = values[0].tick, values[-1].tick
    highest = max(value.seconds for value in values) * _HEADROOM
    near = target is not None and target.total_seconds() <= 2 * highest
    if target is not None and near:
        highest = max(highest, target.total_seconds() * _HEADROOM)

    def x(moment: datetime) -> float:
        return round(min(1.0, max(0.0, (moment - since) / (until - since))) * WIDTH, 1)

    def y(seconds: float) -> float:
        return round(HEIGHT - seconds / highest * HEIGHT, 1)

    evidence = incident.evidence
    first, last, began = (_moment(evidence.get(name)) for name in ("first", "last", "since"))
    levels = []
    for name, begins, ends in (("before", since, began), ("after", began, until)):
        found = evidence.get(name)
        if isinstance(found, Mapping) and begins and ends and begins < ends:
            level = timedelta(seconds=float(found["p50"]))
            levels.append(Level(x(begins), x(ends), y(level.total_seconds()), level))
    return SlownessChart(
        dots=" ".join(f"M{x(value.tick)} {y(value.seconds)}h0" for value in values),
        levels=tuple(levels),
        onset=(x(first), max(x(last), x(first) + 2)) if first and last else None,
        deploys=tuple(Mark(x(value.tick), what) for value, what in _deploys(values)),
        target_y=y(target.total_seconds()) if target is not None and near else None,
        since=since,
        until=until,
        highest=timedelta(seconds=highest),
    )


def _deploys(values: Sequence[Value]) -> list[tuple[Value, str]]:
    """The first value of each new version, and what changed."""
    found = []
    for before, after in pairwise(values):
        changed = [
            f"{name} {before.versions[name]} → {version}"
            for name, version in after.versions.items()
            if before.versions.get(name, version) != version
        ]
        if changed:
            found.append((after, ", ".join(changed)))
    return found


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
