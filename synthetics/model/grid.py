"""Planned times: the same grid of ticks for every worker, from the probe's name and interval alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Grid:
    """The ticks `epoch + offset + n · every`. Immune to time zones and daylight saving: all is UTC."""

    every: timedelta
    offset: timedelta

    @classmethod
    def of(cls, name: str, every: timedelta) -> "Grid":
        """The grid of the probe called `name`; the offset spreads starts over the interval."""
        if every <= timedelta(0):
            raise ValueError(f"interval of {name}: wanted more than zero, got {every}")
        spread = int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
        return cls(every, timedelta(microseconds=spread % (every // _MICROSECOND)))

    def at_or_before(self, moment: datetime) -> datetime:
        """The newest tick that is not after `moment`."""
        passed = (moment - _EPOCH - self.offset) // self.every
        return _EPOCH + self.offset + passed * self.every

    def after(self, moment: datetime) -> datetime:
        """The first tick that is later than `moment`."""
        return self.at_or_before(moment) + self.every

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Every tick in the half-open span (after, until], oldest first."""
        tick = self.after(after)
        while tick <= until:
            yield tick
            tick += self.every
