"""Findings about money: a budget that is spent. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synthetics.alerting.rules import Finding, Reading
from synthetics.model.budget import Allowance
from synthetics.model.incident import Incident, Kind, Rule


@dataclass(frozen=True, slots=True)
class Spent:
    """What the runs of a period have cost so far, by probe, in US dollars."""

    allowance: Allowance
    by_probe: Mapping[str, float]

    @property
    def dollars(self) -> float:
        """Over all probes."""
        return sum(self.by_probe.values())

    @property
    def is_over(self) -> bool:
        """Whether nothing is left of what was allowed."""
        return self.dollars >= self.allowance.dollars


def findings(
    spending: Sequence[Spent], open_ones: Sequence[Incident], scheduled: Sequence[str]
) -> dict[str, dict[Kind, Finding]]:
    """By the probe under which it is told: that of its open incident, or the one that spent the most."""
    found: dict[str, dict[Kind, Finding]] = {}
    by_period = {spent.allowance.period: spent for spent in spending}
    told = {one.subject: one.probe for one in open_ones if one.rule is Rule.BUDGET}
    for period in {*by_period, *told}:
        spent = by_period.get(period)
        dearest = max(scheduled, key=lambda name: spent.by_probe.get(name, 0.0) if spent else 0.0, default=None)
        probe = told.get(period, dearest)
        if probe is not None:
            found.setdefault(probe, {})[Kind(Rule.BUDGET, period)] = judge(spent, probe)
    return found


def judge(spent: Spent | None, probe: str) -> Finding:
    """Whether a budget is spent, as it is told under this probe. None: there is no such budget any more."""
    if spent is None:
        return Finding(Reading.STEADY, "has no such budget any more")
    allowance, dollars = spent.allowance, spent.dollars
    if not spent.is_over:
        return Finding(Reading.STEADY, f"is within budget: ${dollars:.2f} of ${allowance.dollars:.2f}")
    own = spent.by_probe.get(probe, 0.0)
    return Finding(
        Reading.BAD,
        f"is the dearest under a {allowance.period}'s budget that is spent: ${dollars:.2f} of "
        f"${allowance.dollars:.2f}, ${own:.2f} of it here; dear probes wait until "
        f"{allowance.until:%Y-%m-%d %H:%M} UTC",
        since=allowance.since,
        evidence={
            "dollars": round(dollars, 4),
            "allowed_dollars": allowance.dollars,
            "until": allowance.until.isoformat(),
            "by_probe": {name: round(cost, 4) for name, cost in _dearest_first(spent.by_probe)},
        },
    )


def _dearest_first(by_probe: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(by_probe.items(), key=lambda item: -item[1])
