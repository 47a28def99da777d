"""Are these few values slower than those? For a gate that must decide after a handful of runs.

The detector judges a series as it grows; a deploy that waits for an answer has two sets. They are held against
each other by the one-sided rank test of Mann and Whitney (1947), exact under permutation, ties included: it
asks nothing of how timings are spread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import comb
from statistics import median
from typing import NamedTuple, Protocol

from synthetics.regression.attribution import shares_of
from synthetics.words import in_words, plain

#: How often a comparison of all timings may call something slower that is not.
FALSE_ALARMS = 0.01
#: A rise of less than this share is nobody's business, however sure it is.
LEAST_RISE = 0.05
#: As many values of each side are looked at, the newest.
MOST_BEFORE, MOST_AFTER = 100, 50


class Timed(Protocol):
    """A measured value, in seconds, with the phases that add up to it."""

    @property
    def seconds(self) -> float: ...

    @property
    def phases(self) -> Mapping[str, float]: ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sets of values of one timing: medians in seconds, and how likely chance alone brings such a rise.

    `can_tell` is whether so few values could show a rise at all. `shares` of the rise by phase add up to 1, or
    there are none.
    """

    before: float
    after: float
    befores: int
    afters: int
    odds: float
    can_tell: bool
    slower: bool
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def rise(self) -> float:
        """By which share it takes longer: 0.4 is 40 % longer."""
        return self.after / self.before - 1 if self.before else 0.0


class TimingOf(NamedTuple):
    """Which timing: of which probe, and by which path."""

    probe: str
    timing: str
    path: str

    def __str__(self) -> str:
        return f"{self.timing}{'/' if self.path else ''}{self.path} of {plain(self.probe)}"


@dataclass(frozen=True, slots=True)
class Compared:
    """One timing, before and now."""

    of: TimingOf
    comparison: Comparison

    @property
    def sentence(self) -> str:
        """`cold_start of cold-start took 41.20 s, takes 56.00 s: 36 % longer, 92 % of it in pull`."""
        found = self.comparison
        before, after = (in_words(timedelta(seconds=seconds)) for seconds in (found.before, found.after))
        way = "longer" if found.rise >= 0 else "less"
        told = f"{self.of} took {before}, takes {after}: {abs(found.rise):.0%} {way}"
        if any(found.shares.values()):
            phase, share = max(found.shares.items(), key=lambda item: item[1])
            told += f", {share:.0%} of it in {phase}"
        return told


def compare(before: Sequence[Timed], after: Sequence[Timed], *, among: int = 1) -> Comparison:
    """Hold `after` against `before`, both oldest first and not empty; `among` so many comparisons at once.

    Slower is what chance brings in less than `FALSE_ALARMS` of all comparisons (Bonferroni), if it is a rise of
    at least `LEAST_RISE`.
    """
    before, after = before[-MOST_BEFORE:], after[-MOST_AFTER:]
    old, new = [one.seconds for one in before], [one.seconds for one in after]
    allowed = FALSE_ALARMS / among
    found = Comparison(
        before=median(old),
        after=median(new),
        befores=len(old),
        afters=len(new),
        odds=rank_odds(old, new),
        can_tell=least_odds(len(old), len(new)) < allowed,
        slower=False,
    )
    if found.odds >= allowed or found.rise < LEAST_RISE:
        return found
    return replace(found, slower=True, shares=_shares(before, after))


def least_odds(befores: int, afters: int) -> float:
    """The smallest odds that so many values can come to: every new one above every old one."""
    return 1 / comb(befores + afters, afters)


def rank_odds(before: Sequence[float], after: Sequence[float]) -> float:
    """How likely a random choice of as many of all these values has ranks at least as high as `after`.

    Ties share their ranks. Counting is exact: the choices of k values with rank sum s are the coefficients of a
    polynomial for each k, each packed into one whole number.
    """
    ranks = _doubled_ranks([*before, *after])
    chosen, reached = len(after), sum(ranks[len(before) :])
    bits = comb(len(ranks), chosen).bit_length() + 1
    packed = [1] + [0] * chosen
    for rank in ranks:
        for size in range(chosen, 0, -1):
            packed[size] += packed[size - 1] << (rank * bits)
    as_high, mask = packed[chosen] >> (reached * bits), (1 << bits) - 1
    count = 0
    while as_high:
        count += as_high & mask
        as_high >>= bits
    return count / comb(len(ranks), chosen)


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Each value's rank among all, from 1, ties at their middle; doubled, so that they are whole numbers."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered, 1)))}
    last = {value: place for place, value in enumerate(ordered, 1)}
    return [first[value] + last[value] for value in values]


def _shares(before: Sequence[Timed], after: Sequence[Timed]) -> Mapping[str, float]:
    names = [name for name in after[-1].phases if all(name in one.phases for one in (*before, *after))]
    if not names:
        return {}
    of = [{name: [one.phases[name] for one in values] for name in names} for values in (before, after)]
    return shares_of(*of)
