"""How a broken platform treats those who ask for sessions all at once, or too often."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.faults import Faults, amount
from sandbox.hermes.answers import HermesError
from sandbox.settings import SandboxSettings

CROWD = 6
USUAL = 2
MINUTE = 60.0  # of the platform


class Crowding:
    """Counts who asks for sessions now, and how often each customer did lately."""

    def __init__(self, settings: SandboxSettings, faults: Faults) -> None:
        self._settings = settings
        self._faults = faults
        self._asking = 0
        self._count: Counter[str] = Counter()
        self._made: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Somebody asks, inside this block."""
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1

    def strikes(self, fault: str, client: str) -> bool:
        """Whether so many ask at this moment that the fault may strike, and it does."""
        return self._asking >= CROWD and self._faults.strikes(fault, client=client) is not None

    async def slow_down(self, client: str) -> None:
        """Hold up a customer who has had two sessions already, if that fault strikes."""
        self._count[client] += 1
        if self._count[client] > USUAL:
            slow = self._faults.strikes("creations-slow-down", client=client)
            await asyncio.sleep(0.0 if slow is None else self._settings.seconds(amount(slow)))

    def admit(self, client: str) -> None:
        """Refuse a customer who has asked too often within a minute, if that fault strikes; HermesError."""
        limit = self._faults.strikes("creation-rate-limited", client=client)
        if limit is None:
            return
        now = time.monotonic()
        lately = [at for at in self._made[client] if now - at < self._settings.seconds(MINUTE)]
        self._made[client] = lately
        if len(lately) >= amount(limit):
            raise HermesError(429, "Failed to activate session: Rate exceeded")
        lately.append(now)
