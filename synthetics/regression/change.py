"""What changed, for people: from what to what, since when, in which phase, and after which version."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median, quantiles
from uuid import UUID

from synthetics.regression.attribution import shares_of
from synthetics.regression.detector import Kind
from synthetics.regression.onset import LEAST_RUNS, Onset, onset_of

#: As many runs before the onset are compared with those after it.
_COMPARED = 100


@dataclass(frozen=True, slots=True)
class Value:
    """One measured value, in seconds, with the phases that add up to it and the platform's versions it met.

    `resolution`: it was reached at most so many seconds before.
    """

    run_id: UUID
    tick: datetime
    seconds: float
    phases: Mapping[str, float]
    versions: Mapping[str, str]
    resolution: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The tenth, fiftieth and ninetieth percentile, in seconds."""

    p10: float
    p50: float
    p90: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figures":
        """Of at least two values."""
        tenths = quantiles(values, n=10, method="inclusive")
        return cls(tenths[0], median(values), tenths[8])


@dataclass(frozen=True, slots=True)
class Change:
    """A series before and after it became slower.

    `since` is the tick of the first slower run, which lies between `first` and `last`; `runs` have been slower.
    `shares` of the rise by phase add up to 1, or there are none. `versions`: what changed, from what to what.
    """

    before: Figures
    after: Figures
    since: datetime
    first: datetime
    last: datetime
    runs: int
    shares: Mapping[str, float]
    versions: Mapping[str, tuple[str, str]]


def change_of(values: Sequence[Value], kinds: Collection[Kind]) -> Change | None:
    """The change of a series (oldest first) that became slower in these ways; None with too few values."""
    if len(values) < LEAST_RUNS:
        return None
    wholes = [value.seconds for value in values]
    phases = _phases(values)
    level = Kind.LEVEL in kinds
    onset = onset_of([wholes, *phases.values()] if level else [_apart(wholes)])
    before, after = slice(max(0, onset.index - _COMPARED), onset.index), slice(onset.index, None)
    return Change(
        before=Figures.of(wholes[before]),
        after=Figures.of(wholes[after]),
        since=values[onset.index].tick,
        first=values[onset.first].tick,
        last=values[onset.last].tick,
        runs=len(values) - onset.index,
        shares=shares_of(
            {name: column[before] for name, column in phases.items()},
            {name: column[after] for name, column in phases.items()},
        )
        if level and phases
        else {},
        versions=_versions(values, onset),
    )


def _phases(values: Sequence[Value]) -> dict[str, list[float]]:
    """Each phase that every one of the newest runs has; a run without it spent nothing on it."""
    names = list(values[-1].phases)
    return {name: [value.phases.get(name, 0.0) for value in values] for name in names}


def _apart(wholes: Sequence[float]) -> list[float]:
    """How far each lies from the middle: of this more spread, or more slow runs, is a step."""
    middle = median(wholes)
    return [abs(value - middle) for value in wholes]


def _versions(values: Sequence[Value], onset: Onset) -> dict[str, tuple[str, str]]:
    """The versions that changed where the onset may be."""
    before, after = values[max(0, onset.first - 1)].versions, values[onset.last].versions
    return {
        name: (before[name], version)
        for name, version in after.items()
        if name in before and before[name] != version
    }
