"""What load does to activate while a fault has it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox.faults import Faults, amount
from sandbox.hermes.answers import HermesError
from sandbox.settings import SandboxSettings

MANY = 5
"""So many at once are load."""
ROW_SECONDS = 2.0
"""Whoever asks again so soon (real seconds) after an answer asks in a row."""


class Strain:
    """Counts who asks for sessions, and slows or refuses them as the faults have it."""

    def __init__(self, settings: SandboxSettings, faults: Faults) -> None:
        self._settings = settings
        self._faults = faults
        self._under_way = 0
        self._asked: defaultdict[str, int] = defaultdict(int)
        self._in_a_row: defaultdict[str, int] = defaultdict(int)
        self._answered: dict[str, float] = {}

    @asynccontextmanager
    async def felt(self, client: str) -> AsyncIterator[None]:
        """A session is being asked for inside this block. Raises HermesError where a burst is dropped."""
        self._under_way += 1
        try:
            self._drop(client)
            await self._hold_up(client)
            yield
        finally:
            self._under_way -= 1
            self._answered[client] = time.monotonic()

    def _drop(self, client: str) -> None:
        dropped = self._faults.strikes("drops-under-burst", client=client)
        if dropped is None:
            return
        soon = time.monotonic() < self._answered.get(client, 0.0) + ROW_SECONDS
        self._in_a_row[client] = self._in_a_row[client] + 1 if soon and self._under_way == 1 else 0
        if self._in_a_row[client] >= amount(dropped):
            raise HermesError(500, "Failed to activate session: Rate exceeded")

    async def _hold_up(self, client: str) -> None:
        slower = self._faults.strikes("slower-with-every-session", client=client)
        if slower is not None:
            before = self._asked[client]
            self._asked[client] += 1
            await asyncio.sleep(before * self._settings.seconds(amount(slower)))
        slow = self._faults.strikes("slow-under-load", client=client) if self._under_way >= MANY else None
        if slow is not None:
            await asyncio.sleep(self._settings.seconds(amount(slow)))
