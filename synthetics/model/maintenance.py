"""Times at which nobody is to be woken: once, or again and again in somebody's own time zone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo


class Weekday(StrEnum):
    """A day of the week."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


_WEEK = tuple(Weekday)
_DAY = timedelta(days=1)
#: No window is longer: it would be a probe that is switched off.
LONGEST = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Weekly:
    """On these days at this time of this zone; daylight saving moves it as it moves the people."""

    days: tuple[Weekday, ...]
    at: time
    zone: str

    def start_on(self, day: date) -> datetime | None:
        """When it begins on that day of its zone (UTC); None if it does not."""
        if _WEEK[day.weekday()] not in self.days:
            return None
        return datetime.combine(day, self.at, ZoneInfo(self.zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A declared time of maintenance, for some probes (none named: for all).

    Without `weekly` it begins once, at `starts_at`; with it, on every such day from then on. It is over at
    `over_at`, whatever was declared; None: it comes again for ever.
    """

    id: UUID
    reason: str
    starts_at: datetime
    lasts: timedelta
    over_at: datetime | None
    probes: tuple[str, ...] = ()
    weekly: Weekly | None = None
    created_by: str = ""

    def concerns(self, probe: str) -> bool:
        return not self.probes or probe in self.probes

    def until(self, moment: datetime) -> datetime | None:
        """When the maintenance that goes on at this moment is over; None if none goes on."""
        return max((end for start, end in self._around(moment) if start <= moment < end), default=None)

    def last_end(self, moment: datetime) -> datetime | None:
        """When it was over most recently, as seen from this moment; None if it never was."""
        return max((end for _, end in self._around(moment) if end <= moment), default=None)

    def _around(self, moment: datetime) -> list[tuple[datetime, datetime]]:
        """Begin and end of every time of it that may reach to this moment, or was the last one before it."""
        spans = ((start, start + self.lasts) for start in self._starts(moment) if start >= self.starts_at)
        if self.over_at is None:
            return list(spans)
        return [(start, min(end, self.over_at)) for start, end in spans if start < self.over_at]

    def _starts(self, moment: datetime) -> list[datetime]:
        if self.weekly is None:
            return [self.starts_at]
        latest = moment if self.over_at is None else min(moment, self.over_at)
        today = latest.astimezone(ZoneInfo(self.weekly.zone)).date()
        days = (today - back * _DAY for back in range(-1, self.lasts // _DAY + len(_WEEK) + 2))
        return [start for day in days if (start := self.weekly.start_on(day)) is not None]


def in_maintenance(
    windows: Iterable[Maintenance], probe: str, moment: datetime
) -> tuple[Maintenance, datetime] | None:
    """The maintenance of this probe that goes on at this moment and lasts longest, with its end."""
    going_on = [
        (window, until)
        for window in windows
        if window.concerns(probe) and (until := window.until(moment)) is not None
    ]
    return max(going_on, key=lambda found: found[1], default=None)
