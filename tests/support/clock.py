"""A clock that moves only when someone sleeps, or is told to."""

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Starts on a fixed day; `sleep` moves it at once."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1_000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, duration: timedelta) -> None:
        self.advance(duration)
        await asyncio.sleep(0)

    def advance(self, duration: timedelta) -> None:
        """Both clocks move on."""
        self._now += duration
        self._monotonic += duration.total_seconds()

    def step(self, duration: timedelta) -> None:
        """Only the wall clock jumps, as when somebody sets it."""
        self._now += duration
