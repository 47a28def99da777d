"""The rules: pure judgements over values, newest first, each with more than one sample behind it.

A rule says how things read (`Reading`); whether that opens or resolves an incident is `states.py`'s to say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import pairwise
from typing import Final
from uuid import UUID

from synthetics.model.run import TELLING, Outcome
from synthetics.model.sample import Measured, Sample, Stuck
from synthetics.words import counted, in_words

_WORKING: Final = TELLING | {Outcome.BROKEN}


class Reading(IntEnum):
    """How things read: bad enough to open, neither, good enough to resolve, or good for a long while."""

    BAD = 0
    UNCLEAR = 1
    GOOD = 2
    STEADY = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found. `why` says in words what is bad or good, `since` when that began."""

    reading: Reading
    why: str = ""
    since: datetime | None = None
    run_id: UUID | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)


UNCLEAR: Final = Finding(Reading.UNCLEAR)


@dataclass(frozen=True, slots=True)
class Failing:
    """The promise does not hold: failed `in_a_row`, or `separate` times among the newest `among` runs.

    A failure and the run that confirms it are two in a row. Failures with nothing good between them are one and
    the same, so an outage that is over does not count against the time after it.
    """

    in_a_row: int = 2
    separate: int = 3
    among: int = 8
    passes: int = 2
    steady: int = 6

    def judge(self, newest_first: Sequence[Sample]) -> Finding:
        telling = [sample for sample in newest_first if sample.outcome in TELLING]
        failures = _streak(telling, {Outcome.FAILED})
        times = _episodes(telling[: self.among], Outcome.FAILED)
        if failures >= self.in_a_row:
            return _bad(telling[:failures], f"failed {failures} times in a row")
        if failures and times >= self.separate:
            window = telling[: self.among]
            failed = [sample for sample in window if sample.outcome is Outcome.FAILED]
            return _bad(failed, f"failed {times} separate times in its newest {len(window)} runs")
        passes = _streak(telling, {Outcome.PASSED})
        return _well(telling[:passes], passes, self, settled=times < self.separate, did="passed")


@dataclass(frozen=True, slots=True)
class Broken:
    """The probe itself does not work: `in_a_row` runs broken, whatever the platform does."""

    in_a_row: int = 3
    passes: int = 2
    steady: int = 6

    def judge(self, newest_first: Sequence[Sample]) -> Finding:
        seen = [sample for sample in newest_first if sample.outcome in _WORKING]
        broken = _streak(seen, {Outcome.BROKEN})
        if broken >= self.in_a_row:
            return _bad(seen[:broken], f"was broken {broken} times in a row")
        works = _streak(seen, TELLING)
        return _well(seen[:works], works, self, settled=True, did="worked")


@dataclass(frozen=True, slots=True)
class Stale:
    """Nothing was learned for two intervals and the longest a run may take."""

    after: timedelta
    runs: int = 2
    steady: int = 3

    @classmethod
    def of(cls, every: timedelta, timeout: timedelta) -> "Stale":
        return cls(2 * every + timeout)

    def judge(self, finished_newest_first: Sequence[datetime], *, now: datetime, since: datetime) -> Finding:
        """`since`: from when on somebody was there to run it, and no maintenance kept it from running."""
        newest = max([since, *finished_newest_first[:1]])
        if now - newest > self.after:
            last = finished_newest_first[0] if finished_newest_first else None
            seen = f"the last one ended at {last:%Y-%m-%d %H:%M} UTC" if last else "none ever did"
            return Finding(
                Reading.BAD,
                f"had no run that ended for {in_words(now - newest)}: {seen}",
                since=newest,
                evidence={"last_finished": last.isoformat() if last else None},
            )
        recent = [moment for moment in finished_newest_first if now - moment <= self.after * self.steady]
        regular = 1
        for later, earlier in pairwise(recent):
            if later - earlier > self.after:
                break
            regular += 1
        if not recent or now - recent[0] > self.after or regular < self.runs:
            return UNCLEAR
        reading = Reading.STEADY if regular >= self.steady else Reading.GOOD
        return Finding(reading, f"{counted(regular, 'run')} ended in time", since=recent[regular - 1])


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Things outlive their runs: one could not be removed twice, or the sweep had to remove `swept` of them."""

    attempts: int = 2
    swept: int = 2
    quiet: timedelta = timedelta(minutes=15)
    steady: timedelta = timedelta(hours=3)

    def judge(self, stuck: Sequence[Stuck], swept: Sequence[datetime], *, now: datetime) -> Finding:
        """`swept`: when the sweep removed something that a run left although it ended in good order."""
        refusing = [thing for thing in stuck if thing.attempts >= self.attempts]
        recent = [moment for moment in swept if now - moment < self.quiet]
        if refusing:
            oldest = min(refusing, key=lambda thing: thing.since)
            what = counted(len(refusing), "thing")
            return Finding(
                Reading.BAD,
                f"left {what} on the platform that cannot be removed, {oldest.kind} {oldest.name} first: "
                f"{oldest.error or 'nobody knows why'}",
                since=oldest.since,
                run_id=oldest.run_id,
                evidence={"stuck": [f"{thing.kind} {thing.name}: {thing.error}" for thing in refusing[:20]]},
            )
        if len(recent) >= self.swept:
            return Finding(
                Reading.BAD,
                f"leaves things behind: the sweep removed {len(recent)} after runs that ended in good order",
                since=min(recent),
                evidence={"swept": len(recent)},
            )
        if stuck or recent:
            return UNCLEAR
        calm = now - max(swept) if swept else self.steady
        reading = Reading.STEADY if calm >= self.steady else Reading.GOOD
        return Finding(reading, "nothing of it is left on the platform")


@dataclass(frozen=True, slots=True)
class Target:
    """A timing is over its target more often than it may be, by a test that is sound for any number of runs.

    Each value is over or not. Against "at most `allowed` are over" stand the rates of `instead`, with equal
    weight; their Shiryaev-Roberts statistics are summed from run to run and bad at `odds`. While no more than
    `allowed` are over, the mean number of runs to a false alarm is at least `odds` (the statistic less the
    number of runs is a martingale), however often one looks, from the first run on.
    """

    allowed: float = 0.05
    instead: tuple[float, ...] = (0.2, 0.5, 0.95)
    odds: float = 10_000.0
    within: int = 6
    steady: int = 18

    def judge(self, newest_first: Sequence[Measured], target: timedelta) -> Finding:
        over = [value.took >= target for value in newest_first]
        within = next((place for place, late in enumerate(over) if late), len(over))
        if within == 0 and over and self.statistic(reversed(over)) >= self.odds:
            span = self._span(over)
            late = [value for value, is_late in zip(newest_first[:span], over, strict=False) if is_late]
            middle = sorted(value.took for value in late)[len(late) // 2]
            return Finding(
                Reading.BAD,
                f"took {in_words(target)} or longer in {len(late)} of {counted(span, 'run')}, "
                f"{in_words(middle)} in the middle of those",
                since=late[-1].tick,
                run_id=late[0].run_id,
                evidence={
                    "over": len(late),
                    "runs": span,
                    "target_seconds": target.total_seconds(),
                    "newest_seconds": newest_first[0].took.total_seconds(),
                },
            )
        if within < self.within:
            return UNCLEAR
        reading = Reading.STEADY if within >= self.steady else Reading.GOOD
        return Finding(reading, f"stayed under {in_words(target)} {within} times in a row")

    def statistic(self, over_oldest_first: Iterable[bool]) -> float:
        """How much the values speak for too many being over; it is bad at `odds`."""
        sums = [0.0] * len(self.instead)
        for late in over_oldest_first:
            for place, rate in enumerate(self.instead):
                ratio = rate / self.allowed if late else (1 - rate) / (1 - self.allowed)
                sums[place] = min(1e300, (1.0 + sums[place]) * ratio)
        return sum(sums) / len(sums)

    def _span(self, over: Sequence[bool]) -> int:
        """The shortest stretch of newest values that would be bad by itself."""
        return next(
            (count for count in range(1, len(over)) if self.statistic(reversed(over[:count])) >= self.odds),
            len(over),
        )


def _streak(newest_first: Sequence[Sample], wanted: Iterable[Outcome]) -> int:
    """How many of the newest samples in a row ended in one of these ways."""
    return next(
        (place for place, sample in enumerate(newest_first) if sample.outcome not in wanted), len(newest_first)
    )


def _episodes(newest_first: Sequence[Sample], outcome: Outcome) -> int:
    """How many stretches of this outcome there are."""
    is_one = [sample.outcome is outcome for sample in newest_first]
    return sum(here and not before for here, before in zip(is_one, [False, *is_one], strict=False))


def _bad(samples: Sequence[Sample], did: str) -> Finding:
    newest, oldest = samples[0], samples[-1]
    return Finding(
        Reading.BAD,
        f"{did}: {newest.reason or 'no reason was given'}",
        since=oldest.tick,
        run_id=newest.run_id,
        evidence={"reason": newest.reason, "runs": [str(sample.run_id) for sample in samples[:20]]},
    )


def _well(samples: Sequence[Sample], count: int, rule: Failing | Broken, *, settled: bool, did: str) -> Finding:
    if count < rule.passes or not settled:
        return UNCLEAR
    reading = Reading.STEADY if count >= rule.steady else Reading.GOOD
    return Finding(reading, f"{did} {count} times in a row", since=samples[-1].tick, run_id=samples[0].run_id)
