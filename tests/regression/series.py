"""Series of timings that tests make up: a level, a rhythm, noise, and what happens to them."""

import math
import random
from collections.abc import Callable, Iterator

EVERY = 900.0
START = 1_700_000_000.0
Point = tuple[float, float]


def no_change(_run: int, seconds: float) -> float:
    """Nothing happens."""
    return seconds


def series(
    count: int,
    *,
    seed: int,
    change: Callable[[int, float], float] = no_change,
    level: float = 40.0,
    sigma: float = 0.08,
    swing: float = 0.04,
    stragglers: float = 0.02,
    every: float = EVERY,
) -> list[Point]:
    """Runs of (seconds since the epoch, seconds taken); `change` is told each run's number and seconds."""
    draw = random.Random(seed)
    return list(_points(count, draw, change, level, sigma, swing, stragglers, every))


def _points(
    count: int,
    draw: random.Random,
    change: Callable[[int, float], float],
    level: float,
    sigma: float,
    swing: float,
    stragglers: float,
    every: float,
) -> Iterator[Point]:
    at = START
    for run in range(count):
        at += every
        log = draw.gauss(0, sigma) + swing * math.sin(2 * math.pi * at / 86_400)
        if draw.random() < stragglers:
            log += draw.expovariate(1 / 0.3)
        yield at, round(change(run, level * math.exp(log)), 3)


def from_run(first: int, factor: float) -> Callable[[int, float], float]:
    """Slower (or quicker) by a factor from a run on."""
    return lambda run, seconds: seconds * factor if run >= first else seconds
