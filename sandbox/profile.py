"""How long each phase of a task takes here: the contract's figures, with noise, speed and faults."""

import math
import random
from collections import Counter
from dataclasses import dataclass

from sandbox.faults import Faults, amount
from sandbox.settings import SandboxSettings

# platform seconds of contract §5.5: connectivity at 1, pull from 2 to 6, started at 8, healthy at 10
NETWORK, QUEUED, PULL, START, HEALTH = 1.0, 1.0, 4.0, 2.0, 2.0
PREVIEW = 1.0  # the site is built a moment after the container is healthy
DRAIN, DEPROVISION = 0.5, 1.0
STOP_GRACE = 30.0  # what ECS gives a container between SIGTERM and SIGKILL


@dataclass(frozen=True, slots=True)
class PhaseSeconds:
    """Real seconds of each phase of one task."""

    network: float
    queued: float
    pull: float
    start: float
    health: float
    preview: float
    drain: float
    deprovision: float


class Profile:
    """Draws the phases of one task after another; the same seed draws the same phases."""

    def __init__(self, settings: SandboxSettings, faults: Faults) -> None:
        self._settings = settings
        self._faults = faults
        self._drawn = 0
        self._started: Counter[str] = Counter()

    def draw(self, client: str = "") -> PhaseSeconds:
        """The phases of the next task, with the faults that strike it."""
        noise = random.Random(f"{self._settings.seed}:{self._drawn}")
        self._drawn += 1
        return PhaseSeconds(
            network=self._seconds(NETWORK, noise),
            queued=self._seconds(QUEUED, noise),
            pull=self._struck("slow-image-pull", PULL, noise, client),
            start=self._seconds(START, noise) + self._later(client),
            health=self._struck("slow-boot", HEALTH, noise, client),
            preview=self._seconds(PREVIEW, noise),
            drain=self._seconds(DRAIN, noise),
            deprovision=self._seconds(DEPROVISION, noise),
        )

    def _later(self, client: str) -> float:
        """Real seconds more for a customer's second start and all after it, while that fault strikes."""
        self._started[client] += 1
        if self._started[client] == 1 or not client:
            return 0.0
        slow = self._faults.strikes("later-starts-slow", client=client)
        return 0.0 if slow is None else self._settings.seconds(amount(slow))

    def _seconds(self, mean: float, noise: random.Random) -> float:
        sigma = self._settings.spread
        return self._settings.seconds(
            mean * math.exp(noise.gauss(-sigma * sigma / 2, sigma))
        )  # mean stays mean

    def _struck(self, fault: str, mean: float, noise: random.Random, client: str) -> float:
        seconds = self._seconds(mean, noise)
        parameters = self._faults.strikes(fault, client=client)
        if parameters is None:
            return seconds
        return seconds * amount(parameters, "factor") + self._settings.seconds(amount(parameters))
