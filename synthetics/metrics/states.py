"""Gauges of the probes' state: from the database, so that every worker tells the same story."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from synthetics.clock import Clock
from synthetics.errors import StoreError
from synthetics.model.check import CheckOutcome

#: Degraded is neither: `== 0` finds broken promises alone, `< 1` also the ones that are just tolerated.
_WORTH = {CheckOutcome.PASSED: 1.0, CheckOutcome.DEGRADED: 0.5, CheckOutcome.FAILED: 0.0}

#: How many incidents are open, by rule and severity.
OpenIncidents = Mapping[tuple[str, str], int]

FRESH_FOR = timedelta(seconds=5)
ANSWER_WITHIN = timedelta(seconds=2)


class ProbeState(Protocol):
    """What the gauges tell of one probe. `up` is None where nothing recent speaks about the platform."""

    @property
    def name(self) -> str: ...

    @property
    def up(self) -> bool | None: ...

    @property
    def last_success(self) -> datetime | None: ...

    @property
    def checks(self) -> Mapping[str, CheckOutcome]: ...


class PaceState(Protocol):
    """What the gauges tell of one timing. `usual` is None while it is learnt."""

    @property
    def probe(self) -> str: ...

    @property
    def location(self) -> str: ...

    @property
    def timing(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def usual(self) -> timedelta | None: ...

    @property
    def slower(self) -> Sequence[str]: ...


class BurnState(Protocol):
    """How fast a budget goes in one window; `rate` is None without runs."""

    @property
    def window(self) -> timedelta: ...

    @property
    def rate(self) -> float | None: ...


class BudgetState(Protocol):
    """What the gauges tell of one error budget; `left` is None without runs."""

    @property
    def probe(self) -> str: ...

    @property
    def timing(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def target(self) -> timedelta: ...

    @property
    def left(self) -> float | None: ...

    @property
    def burns(self) -> Sequence[BurnState]: ...


class StateGauges(Collector):
    """Shows the state of every probe as it was a few seconds ago at most.

    `refresh` asks the database, at most once every `fresh_for` whatever the number of scrapes, and never waits
    longer than `within`; `collect` only formats what is at hand, so that it can run in any thread. While the
    database is away the gauges of the probes are absent (never stale) and `synthetics_store_up` is 0.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[Sequence[ProbeState]]],
        *,
        clock: Clock,
        incidents: Callable[[], Awaitable[OpenIncidents]] | None = None,
        paces: Callable[[], Awaitable[Sequence[PaceState]]] | None = None,
        budgets: Callable[[], Awaitable[Sequence[BudgetState]]] | None = None,
        fresh_for: timedelta = FRESH_FOR,
        within: timedelta = ANSWER_WITHIN,
    ) -> None:
        self._read = read
        self._read_incidents = incidents
        self._read_paces = paces
        self._read_budgets = budgets
        self._clock = clock
        self._fresh_for = fresh_for.total_seconds()
        self._within = within.total_seconds()
        self._asking = asyncio.Lock()
        self._asked: float | None = None
        self._states: Sequence[ProbeState] | None = None
        self._incidents: OpenIncidents = {}
        self._paces: Sequence[PaceState] = ()
        self._budgets: Sequence[BudgetState] = ()

    async def refresh(self) -> None:
        """Ask the database if what is at hand is no longer fresh; scrapes that meet share one question."""
        async with self._asking:
            now = self._clock.monotonic()
            if self._asked is not None and now - self._asked < self._fresh_for:
                return
            try:
                async with asyncio.timeout(self._within):
                    self._states = await self._read()
                    if self._read_incidents is not None:
                        self._incidents = await self._read_incidents()
                    if self._read_paces is not None:
                        self._paces = await self._read_paces()
                    if self._read_budgets is not None:
                        self._budgets = await self._read_budgets()
            except (StoreError, TimeoutError):
                self._states, self._incidents, self._paces, self._budgets = None, {}, (), ()
            self._asked = self._clock.monotonic()

    def collect(self) -> Iterator[Metric]:
        """The families, from what the last refresh brought."""
        states = self._states
        store_up = GaugeMetricFamily(
            "synthetics_store_up", "Whether the database answered; at 0 the gauges of the probes are absent."
        )
        store_up.add_metric([], 0.0 if states is None else 1.0)
        yield store_up
        yield from _families(states or ())
        yield _incidents(self._incidents)
        yield from _slowness(self._paces)
        yield from _budgets(self._budgets)


def _incidents(open_ones: OpenIncidents) -> Metric:
    family = GaugeMetricFamily(
        "synthetics_incidents_open",
        "Incidents that are open, by rule and severity; those that another one explains are left out.",
        labels=["rule", "severity"],
    )
    for (rule, severity), count in sorted(open_ones.items()):
        family.add_metric([rule, severity], float(count))
    return family


def _slowness(paces: Sequence[PaceState]) -> Iterator[Metric]:
    labels = ["probe", "timing", "path", "location"]
    usual = GaugeMetricFamily(
        "synthetics_timing_baseline_seconds",
        "What is usual for a timing, the middle of its current level; absent while it is learnt.",
        labels=labels,
    )
    active = GaugeMetricFamily(
        "synthetics_regression_active", "Whether a timing is slower than usual now.", labels=labels
    )
    for pace in paces:
        names = [pace.probe, pace.timing, pace.path, pace.location]
        if pace.usual is not None:
            usual.add_metric(names, pace.usual.total_seconds())
        active.add_metric(names, float(bool(pace.slower)))
    yield usual
    yield active


def _budgets(budgets: Sequence[BudgetState]) -> Iterator[Metric]:
    labels = ["probe", "timing", "path"]
    target = GaugeMetricFamily(
        "synthetics_timing_target_seconds", "What a timing is to stay under.", labels=labels
    )
    left = GaugeMetricFamily(
        "synthetics_slo_budget_left_ratio",
        "What is left of the error budget of 28 days: 1 all, 0 none, negative where it is overdrawn.",
        labels=labels,
    )
    rate = GaugeMetricFamily(
        "synthetics_slo_burn_rate",
        "How many times faster than allowed the error budget went in a window; absent without runs.",
        labels=[*labels, "window"],
    )
    for budget in budgets:
        names = [budget.probe, budget.timing, budget.path]
        target.add_metric(names, budget.target.total_seconds())
        if budget.left is not None:
            left.add_metric(names, budget.left)
        for burn in budget.burns:
            if burn.rate is not None:
                rate.add_metric([*names, f"{burn.window / timedelta(hours=1):g}h"], burn.rate)
    yield target
    yield left
    yield rate


def _families(states: Sequence[ProbeState]) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "synthetics_probe_up",
        "Whether the probe's promise held in its latest telling run; absent where nothing recent tells.",
        labels=["probe"],
    )
    success = GaugeMetricFamily(
        "synthetics_probe_last_success_timestamp_seconds",
        "When the latest run that passed had finished.",
        labels=["probe"],
    )
    checks = GaugeMetricFamily(
        "synthetics_check_passed",
        "The case in the latest telling run: 1 passed, 0.5 degraded, 0 failed; absent where it was skipped.",
        labels=["probe", "case"],
    )
    for state in states:
        if state.up is not None:
            up.add_metric([state.name], float(state.up))
        if state.last_success is not None:
            success.add_metric([state.name], state.last_success.timestamp())
        for case, outcome in state.checks.items():
            if outcome in _WORTH:
                checks.add_metric([state.name, case], _WORTH[outcome])
    yield up
    yield success
    yield checks
