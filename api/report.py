"""Runs as one page that needs no server: what `synthetics run --html` writes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.rendering import STATIC, rendered
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome, Run
from synthetics.model.timing import ZERO
from synthetics.regression.comparing import Compared

_WORST_FIRST = (Outcome.FAILED, Outcome.BROKEN, Outcome.INTERRUPTED, Outcome.MISSED)


@dataclass(frozen=True, slots=True)
class Series:
    """All timings of one name and path."""

    name: str
    path: str
    count: int
    mean: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Report:
    """What the page tells: `promises` by case, the order of phases by timing, and what was compared."""

    runs: Sequence[Run]
    promises: Mapping[str, str]
    phase_order: Mapping[str, Sequence[str]]
    compared: Sequence[Compared] = ()

    @property
    def passed(self) -> int:
        return sum(run.outcome is Outcome.PASSED for run in self.runs)

    @property
    def worst(self) -> Outcome:
        """The worst way in which a run ended."""
        ended = {run.outcome for run in self.runs}
        return next((outcome for outcome in _WORST_FIRST if outcome in ended), Outcome.PASSED)

    @property
    def slower(self) -> list[Compared]:
        """What takes longer than before."""
        return [one for one in self.compared if one.comparison.slower]

    @property
    def took(self) -> timedelta:
        """From the first start to the last end; runs may have gone side by side."""
        spans = [(run.started, run.started + run.took) for run in self.runs if run.started is not None]
        return max(end for _, end in spans) - min(start for start, _ in spans) if spans else ZERO

    @property
    def dollars(self) -> float:
        return sum(run.cost.dollars for run in self.runs)

    @property
    def shares(self) -> dict[str, float]:
        """US dollars by service, the dearest first."""
        summed: defaultdict[str, float] = defaultdict(float)
        for service, spent in ((one, spent) for run in self.runs for one, spent in run.cost.shares.items()):
            summed[service] += spent
        return dict(sorted(summed.items(), key=lambda share: -share[1]))

    @property
    def used(self) -> dict[str, float]:
        """What has a price and was used: requests by service, and quantities such as Fargate's hours."""
        summed: defaultdict[str, float] = defaultdict(float)
        for name, quantity in ((name, quantity) for run in self.runs for name, quantity in run.usage.items()):
            service, _, what = name.partition(".")
            summed[name if what.endswith("_hours") else f"{service} requests"] += quantity
        return dict(sorted(summed.items()))

    @property
    def series(self) -> list[Series]:
        """Every kind of timing that was taken, with its mean."""
        taken: dict[tuple[str, str], list[timedelta]] = {}
        for timing in (timing for run in self.runs for timing in run.timings):
            taken.setdefault((timing.name, timing.path), []).append(timing.took)
        return [
            Series(name, path, len(took), sum(took, ZERO) / len(took), max(took))
            for (name, path), took in taken.items()
        ]

    def told(self, run: Run) -> str:
        """How the run's cases came out: `9 passed, 2 skipped`."""
        counts = {
            outcome: sum(check.outcome is outcome for check in run.checks)
            for outcome in (
                CheckOutcome.FAILED,
                CheckOutcome.DEGRADED,
                CheckOutcome.PASSED,
                CheckOutcome.SKIPPED,
            )
        }
        return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)

    def longest(self, run: Run) -> timedelta:
        """The scale on which the run's timings are drawn."""
        return max((timing.took for timing in run.timings), default=ZERO)

    def phases(self, run: Run) -> list[str]:
        """The phases of the run's timings in their order, which gives each its colour."""
        return [phase for timing in run.timings for phase in self.phase_order.get(timing.name, ())]


def report_page(report: Report, now: datetime) -> str:
    """The page: HTML with its style inside, no script, nothing to load."""
    return rendered("report.html", now, report=report, style=(STATIC / "style.css").read_text())
