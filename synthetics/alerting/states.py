"""The states of an incident: what a finding does to it. Pure, and the same for every rule."""

from datetime import datetime, timedelta

from synthetics.alerting.rules import Finding, Reading
from synthetics.model.incident import Event, Incident, IncidentState


def event(held: Incident | None, finding: Finding, *, at: datetime, calm: timedelta) -> Event | None:
    """What becomes of the newest incident of this kind (`held`); None if nothing does.

    Bad soon after it was resolved (within `calm`) is the same incident again, flapping: that one is resolved
    only once things are steady, so that whatever comes and goes is told of a bounded number of times.
    """
    if held is None or (not held.is_open and not _soon_after(held, at, calm)):
        return Event.OPENED if finding.reading is Reading.BAD else None
    match held.state:
        case IncidentState.RESOLVED:
            return Event.FLAPPING if finding.reading is Reading.BAD else None
        case IncidentState.OPEN:
            return Event.RESOLVED if finding.reading >= Reading.GOOD else None
        case IncidentState.FLAPPING:
            return Event.RESOLVED if finding.reading is Reading.STEADY else None


def _soon_after(held: Incident, at: datetime, calm: timedelta) -> bool:
    return held.resolved_at is not None and at - held.resolved_at < calm
