"""What would have been told of slowness, had the values of the past been judged as they came. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from synthetics.alerting.messages import summary
from synthetics.alerting.slowness import EXPLAINED, finding
from synthetics.model.maintenance import Maintenance, in_maintenance
from synthetics.regression.change import Value
from synthetics.regression.detector import Detector
from synthetics.regression.resolution import Watch
from synthetics.store.series import SeriesKey


@dataclass(frozen=True, slots=True)
class Told:
    """One incident that would have been. `over_at` is None if it was not over with the newest value."""

    probe: str
    location: str
    timing: str
    path: str
    at: datetime
    summary: str
    over_at: datetime | None = None


def judged_again(
    key: SeriesKey,
    values: Sequence[Value],
    windows: Sequence[Maintenance],
    judged: Callable[[], object] = lambda: None,
) -> list[Told]:
    """Every incident of one series, by its values, oldest first; `judged` is called after each value."""
    counted = [value for value in values if not in_maintenance(windows, key.probe, value.tick)]
    watch, found = Watch(), list[Told]()
    is_open = False
    for place, value in enumerate(counted):
        watch.update(value.tick.timestamp(), value.seconds, value.resolution)
        detector = watch.detector
        if detector.slower and not is_open:
            found.append(_told(key, detector, counted[max(0, place + 1 - EXPLAINED) : place + 1]))
        elif is_open and not detector.slower:
            found[-1] = replace(found[-1], over_at=value.tick)
        is_open = bool(detector.slower)
        judged()
    return found


def _told(key: SeriesKey, detector: Detector, recent: Sequence[Value]) -> Told:
    level = [value for value in recent if value.tick.timestamp() >= detector.began]
    subject = f"{key.name}/{key.path}" if key.path else key.name
    why = finding(detector.slower, level).why
    return Told(key.probe, key.location, key.name, key.path, recent[-1].tick, summary(key.probe, subject, why))
