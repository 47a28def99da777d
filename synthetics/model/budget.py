"""What runs may cost."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Allowance:
    """`dollars` (US) that all runs of ticks in [since, until) may cost together."""

    period: str
    dollars: float
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class CostLimits:
    """US dollars a day and a month (UTC), over all probes, workers and locations; None is no limit."""

    day: float | None = None
    month: float | None = None

    def allowances(self, now: datetime) -> tuple[Allowance, ...]:
        """What is allowed of the day and of the month that `now` lies in."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        first = today.replace(day=1)
        found: list[Allowance] = []
        if self.day is not None:
            found.append(Allowance("day", self.day, today, today + timedelta(days=1)))
        if self.month is not None:
            found.append(Allowance("month", self.month, first, (first + timedelta(days=31)).replace(day=1)))
        return tuple(found)
