"""Findings by absence: what did not run, and what is not gone. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from synthetics.alerting import policy
from synthetics.alerting.rules import Finding, Reading, Stale
from synthetics.model.incident import Kind, Rule
from synthetics.model.maintenance import Maintenance, in_maintenance
from synthetics.model.sample import Place, Stuck, Watched

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found of one probe: where it ran, what of it is left, what the sweep removed."""

    places: Sequence[Place] = ()
    stuck: Sequence[Stuck] = ()
    swept: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """When dear probes have to wait: now, because a budget is spent; or they had to, until then."""

    now: bool = False
    until: datetime | None = None


def findings(
    watched: Watched,
    seen: Seen,
    windows: Sequence[Maintenance],
    *,
    now: datetime,
    since: datetime,
    waiting: Waiting = Waiting(),
) -> Iterator[tuple[Kind, Finding]]:
    """What is found of one probe, where somebody has been there to run and judge it from `since` on."""
    yield Kind(Rule.LEFTOVERS), policy.leftovers(watched.every).judge(seen.stuck, seen.swept, now=now)
    if in_maintenance(windows, watched.name, now) or (watched.is_dear and waiting.now):
        return
    ends = [window.last_end(now) for window in windows if window.concerns(watched.name)]
    if watched.is_dear:
        ends.append(waiting.until)
    begin = max([since, *(end for end in ends if end is not None)])
    rule = Stale.of(watched.every, watched.timeout)
    for place in seen.places:
        kind = Kind(Rule.STALE, location=place.location)
        if given_up(place, seen.places, watched, now):
            yield kind, Finding(Reading.STEADY, "is watched from elsewhere now")
        else:
            yield kind, rule.judge(place.finished, now=now, since=begin)


def given_up(place: Place, places: Sequence[Place], watched: Watched, now: datetime) -> bool:
    """Whether nobody means to watch from there any more: it is long silent, and another location is not."""
    long = max(_DAY, 10 * watched.every)
    silent = {other.location: now - max(other.finished, default=now - 2 * long) for other in places}
    return silent[place.location] > long and min(silent.values()) <= 2 * watched.every + watched.timeout
