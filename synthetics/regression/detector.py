"""Judges a series run by run: has it become slower? (docs/regression.md)"""

from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from math import exp

from synthetics.regression.baseline import Baseline, Earlier, learn
from synthetics.regression.location import LONGEST, Location, Scores, recovered
from synthetics.regression.newest import SEEN, Newest
from synthetics.regression.points import Points
from synthetics.regression.rhythm import NO_RHYTHM
from synthetics.regression.slow import share_score
from synthetics.regression.unrest import spread_score

#: A snapshot of another method is not to be continued: the series is judged anew from its stored timings.
METHOD = 2
#: Runs before the first judgement.
WARM_UP = 48
#: Points that are remembered.
MOST = 700
#: The newest runs teach the baseline nothing, so that a drift does not teach itself: as many, at most a third.
_GUARD, _GUARD_SHARE = 80, 3
#: The baseline is learnt anew after so many runs.
_EVERY = 24
#: What a score must reach; of an improvement, what it must reach and over how many runs.
_BETTER, _BELIEVED = 5.0, 8
#: What is over: as many runs in a row below this part of the limit.
_CALM, _CALM_RUNS = 0.6, 8
#: A baseline of few runs is less sure than it thinks: limits grow by as many runs of it.
_FRESH = 6.0
#: A spread must stay for so many runs, and the level must not be on its way down (in standard errors).
_STAYS, _STEADY = 4, 2.0


class Kind(StrEnum):
    """In which way a timing is slower."""

    LEVEL = "level"
    SHARE = "share"
    SPREAD = "spread"


#: What a score must reach. Together they keep the promise of at most one false alarm in 2,000 runs.
LIMITS = {Kind.LEVEL: 3.5, Kind.SHARE: 3.45, Kind.SPREAD: 3.55}


@dataclass(slots=True)
class Slower:
    """For how many runs a series has been slower in one way, and how many of the newest in a row were calm."""

    runs: int
    calm: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one more run changed: ways in which the series became slower or no longer is, a better level."""

    opened: tuple[Kind, ...] = ()
    closed: tuple[Kind, ...] = ()
    improved: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a detector knows, as plain values: one restored from it goes on as if it had never stopped."""

    method: int
    at: list[float]
    seconds: list[float]
    earlier: Earlier
    baseline: Baseline | None
    since: int
    stayed: int
    slower: dict[Kind, Slower]


class Detector:
    """One series. Constant time and memory for each point: it remembers `MOST` of them."""

    def __init__(self) -> None:
        self._points = Points(MOST)
        self._earlier = Earlier()
        self._baseline: Baseline | None = None
        #: Runs since the baseline was learnt; runs in a row whose spread was over the limit.
        self._since = self._stayed = 0
        self._slower: dict[Kind, Slower] = {}

    @classmethod
    def restored(cls, snapshot: Snapshot) -> "Detector":
        """A detector that goes on from a snapshot. Raises ValueError if that is of another method."""
        if snapshot.method != METHOD:
            raise ValueError(f"the snapshot is of method {snapshot.method}, this is method {METHOD}")
        detector = cls()
        for at, seconds in zip(snapshot.at, snapshot.seconds, strict=True):
            detector._points.append(at, seconds)
        detector._earlier, detector._slower = deepcopy(snapshot.earlier), deepcopy(snapshot.slower)
        if snapshot.baseline:
            detector._hold_against(snapshot.baseline)
        detector._since, detector._stayed = snapshot.since, snapshot.stayed
        return detector

    def snapshot(self) -> Snapshot:
        """All that is known now."""
        points = self._points
        return Snapshot(
            METHOD, list(points.at), list(points.seconds), deepcopy(self._earlier), self._baseline,
            self._since, self._stayed, deepcopy(self._slower),
        )  # fmt: skip

    @property
    def slower(self) -> frozenset[Kind]:
        """The ways in which the series is slower now."""
        return frozenset(self._slower)

    @property
    def level(self) -> float | None:
        """The middle of the current level in seconds; None while there is none yet."""
        return exp(self._baseline.level) if self._baseline else None

    @property
    def began(self) -> float:
        """The instant of the oldest point that is remembered of the current level (seconds since the epoch)."""
        return self._points.at[0] if self._points.at else 0.0

    def update(self, at: float, seconds: float) -> Judgement | None:
        """Take one more run (seconds since the epoch, seconds taken), in order of time; None while learning."""
        self._points.append(at, seconds)
        self._since += 1
        count = len(self._points)
        if self._baseline is None:
            if count < (_BELIEVED if self._earlier.noise else WARM_UP):
                return None
            self._learn()
        elif self._since >= _EVERY and not self._slower:
            self._learn()
        else:
            baseline = self._baseline
            self._newest.add(self._points.residuals(baseline.level, baseline.rhythm, count - 1, count)[0])
        return self._judge()

    def relevel(self, at: float) -> None:
        """What came since `at` (seconds since the epoch) is the new normal, whatever was before."""
        count = sum(instant < at for instant in self._points.at)
        self._slower.clear()
        self._begin(len(self._points) - count)

    def _judge(self) -> Judgement:
        assert self._baseline
        location = self._location.scores(
            self._newest.clipped[-LONGEST:][::-1], [column[-LONGEST:][::-1] for column in self._points.places]
        )
        unsure = 1 + _FRESH / self._baseline.runs
        scores = {
            Kind.LEVEL: location.up,
            Kind.SHARE: self._share(),
            Kind.SPREAD: self._spread(location, unsure),
        }
        parts = {kind: score / LIMITS[kind] / unsure for kind, score in scores.items()}
        closed = tuple(kind for kind in scores if kind in self._slower and self._closes(kind, parts[kind]))
        opened = tuple(
            kind for kind in scores if kind not in (*self._slower, *closed) and self._opens(kind, parts[kind])
        )
        for kind in opened:
            self._slower[kind] = Slower(location.up_window if kind == Kind.LEVEL else 1)
        improved = not self._slower and location.down >= _BETTER and location.down_window >= _BELIEVED
        if improved:
            self._begin(location.down_window)
        return Judgement(opened, closed, improved)

    def _opens(self, kind: Kind, part: float) -> bool:
        return part >= 1 and (kind != Kind.SPREAD or self._stayed >= _STAYS)

    def _closes(self, kind: Kind, part: float) -> bool:
        """One more run while slower: is it as it used to be again? Then what was slower is forgotten."""
        assert self._baseline
        slower = self._slower[kind]
        slower.runs += 1
        slower.calm = slower.calm + 1 if part < _CALM else 0
        over = 0
        if kind == Kind.LEVEL:
            over = recovered(self._newest.clipped[-slower.runs :], self._baseline.noise)
        if over:
            self._forget(slower.runs, over)
        if over or slower.calm >= _CALM_RUNS:
            del self._slower[kind]
        return kind not in self._slower

    def _forget(self, runs: int, over: int) -> None:
        """Of the newest runs keep those with which it was over: slower runs are nothing to learn from."""
        assert self._baseline
        count = len(self._points)
        forgotten = max(0, min(runs, count) - over)
        self._points.forget(count - forgotten - over, count - over)
        for other in self._slower.values():
            other.runs = max(over, other.runs - forgotten)
        self._hold_against(self._baseline)

    def _share(self) -> float:
        assert self._baseline
        return share_score(self._newest.slow[-LONGEST:][::-1], self._baseline.slow, self._baseline.runs)

    def _spread(self, location: Scores, unsure: float) -> float:
        """The score of the spread; 0 while the level goes down, which looks like it."""
        assert self._baseline
        score = spread_score(self._newest.departures[-LONGEST:][::-1], self._baseline.unrest)
        if location.down > max(location.up, _STEADY):
            score = 0.0
        self._stayed = self._stayed + 1 if score >= LIMITS[Kind.SPREAD] * unsure else 0
        return score

    def _learn(self) -> None:
        count = len(self._points)
        guard = min(_GUARD, count // _GUARD_SHARE)
        rhythm = self._baseline.rhythm if self._baseline else NO_RHYTHM
        self._hold_against(learn(self._points, count - guard, self._earlier, rhythm))

    def _begin(self, count: int) -> None:
        """A new level begins with the newest `count` points; what was before tells of rhythm and noise."""
        old = self._baseline
        if old:
            self._earlier.take(self._points, len(self._points) - count, old)
        self._points.forget(0, len(self._points) - count)
        self._baseline = None
        if old and count >= _BELIEVED:
            self._hold_against(learn(self._points, count, self._earlier, old.rhythm))

    def _hold_against(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._location = Location(baseline)
        self._newest = Newest(baseline.noise.whole, baseline.unsure)
        self._since = 0
        count = len(self._points)
        for residual in self._points.residuals(baseline.level, baseline.rhythm, max(0, count - SEEN), count):
            self._newest.add(residual)
