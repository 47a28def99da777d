"""How long something took, honestly: with its phases and with how finely it was watched."""

from dataclasses import dataclass
from datetime import timedelta

ZERO = timedelta(0)
UNACCOUNTED = "unaccounted"


@dataclass(frozen=True, slots=True)
class Phase:
    """A named part of a timing."""

    name: str
    took: timedelta


@dataclass(frozen=True, slots=True)
class Timing:
    """One measured duration of one run.

    `path` tells variants of one timing apart (empty where there is only one). `offset` is when it began,
    counted from the run's start. `resolution` lies between the last "no" and the first "yes" of whatever was
    polled for its end; zero where the end was not polled. Where there are phases, they add up to `took`.
    `stalled` marks a timing taken while our own event loop stood still for too long.
    """

    name: str
    took: timedelta
    offset: timedelta = ZERO
    path: str = ""
    resolution: timedelta = ZERO
    phases: tuple[Phase, ...] = ()
    stalled: bool = False
