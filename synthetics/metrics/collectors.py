"""What this process counts and measures, under the public names of its metrics.

The registry is passed in. Labels come from the catalogue and the enums alone, so that the number of series
is known beforehand. What the state of a probe *is* (up, last success, cases) lives in `states.py`, because
it comes from the database and not from what this process happened to run.
"""

import platform
from collections import Counter as Counts
from collections.abc import Iterable
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Summary

from synthetics.contract.probe import ProbeSpec
from synthetics.model.run import Outcome, Run
from synthetics.model.timing import Timing
from synthetics.version import __version__

# From a scaled sandbox's tenths of a second to the slowest cold start that still ends: dense enough that a
# quantile read from the buckets lies within about a tenth of the truth.
_SECONDS = (
    *(0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5),
    *(4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 23.0, 26.0, 30.0, 33.0, 36.0),
    *(40.0, 45.0, 50.0, 55.0, 60.0, 65.0, 70.0, 80.0, 90.0, 105.0, 120.0, 150.0, 180.0, 240.0, 300.0),
)
_RUN_SECONDS = (0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200)
_SMALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WAITED_SECONDS = (0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The counters and histograms that the runner and the clients feed; every method is safe in any thread.

    The given probes are shown with zeros from the start, so that a rate over the first run is right, and
    each declared target becomes a bucket's bound with a neighbour 10 % below and above it.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        probes: Iterable[ProbeSpec] = (),
        notifiers: Iterable[str] = (),
    ) -> None:
        specs = tuple(probes)
        self._runs = Counter(
            "synthetics_runs", "Runs that ended, by how they ended.", ["probe", "outcome"], registry=registry
        )
        self._durations = Histogram(
            "synthetics_run_duration_seconds",
            "How long runs took, waiting for a slot or a lock left out.",
            ["probe"],
            buckets=_RUN_SECONDS,
            registry=registry,
        )
        self._waits = Histogram(
            "synthetics_run_waited_seconds",
            "How long runs waited for a slot or an exclusive lock before they started.",
            ["probe"],
            buckets=_WAITED_SECONDS,
            registry=registry,
        )
        self._timings = Histogram(
            "synthetics_timing_seconds",
            "What a user waits for, as probes measured it.",
            ["probe", "timing", "path"],
            buckets=timing_buckets(specs),
            registry=registry,
        )
        # A summary, not a histogram: means of phases add up to the mean of their timing, quantiles do not.
        self._phases = Summary(
            "synthetics_phase_seconds",
            "The parts of a timing: sum and count, whose quotients add up to the timing's mean.",
            ["probe", "timing", "phase"],
            registry=registry,
        )
        self._lateness = Histogram(
            "synthetics_tick_lateness_seconds",
            "How long after its tick a run was claimed.",
            buckets=_SMALL_SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge("synthetics_runs_in_flight", "Runs this worker is at.", registry=registry)
        self._requests = Counter(
            "synthetics_aws_requests",
            "Requests to the platform, by service, operation and outcome.",
            ["service", "operation", "outcome"],
            registry=registry,
        )
        self._request_seconds = Summary(
            "synthetics_aws_request_seconds",
            "How long requests to the platform took: sum and count.",
            ["service", "operation"],
            registry=registry,
        )
        self._stalls = Histogram(
            "synthetics_event_loop_stall_seconds",
            "How long this process's own event loop stood still at a time.",
            buckets=_SMALL_SECONDS,
            registry=registry,
        )
        self._leaked = Counter(
            "synthetics_resources_leaked",
            "Things found on the platform after the run that made them had ended.",
            ["kind"],
            registry=registry,
        )
        self._cost = Counter(
            "synthetics_cost_dollars",
            "What runs cost, in US dollars by list prices.",
            ["probe"],
            registry=registry,
        )
        self._stuck = Gauge(
            "synthetics_resources_stuck",
            "Things that ended runs left and that the last sweep could not remove.",
            ["kind"],
            registry=registry,
        )
        self._orphans = Gauge(
            "synthetics_orphans",
            "Things that the platform itself has forgotten; left alone.",
            ["kind"],
            registry=registry,
        )
        self._waiting = Gauge(
            "synthetics_spool_runs",
            "Runs and ledger entries that wait on this worker's disk for the database.",
            registry=registry,
        )
        self._lost = Counter(
            "synthetics_runs_lost", "Finished runs that could be kept nowhere.", ["probe"], registry=registry
        )
        self._notices = Counter(
            "synthetics_notices",
            "Attempts to tell people of incidents, by what became of them.",
            ["notifier", "outcome"],
            registry=registry,
        )
        self._build = Info("synthetics_build", "What is running.", registry=registry)
        self._build.info({"version": __version__, "python": platform.python_version()})
        self._show(specs)
        for notifier in notifiers:
            for outcome in ("delivered", "retried", "given_up"):
                self._notices.labels(notifier, outcome)

    # -- called by the runner ----------------------------------------------------------------------------

    def run_started(self) -> None:
        """A run is under way; `run_ended` follows, whatever becomes of it."""
        self._in_flight.inc()

    def run_ended(self) -> None:
        """A run is no longer under way."""
        self._in_flight.dec()

    def run_finished(self, run: Run) -> None:
        """Count a finished run, with its timings and phases; its trace becomes the exemplar."""
        probe = run.key.probe
        self._runs.labels(probe, run.outcome.value).inc()
        self._cost.labels(probe).inc(run.cost.dollars)
        if run.started is None:
            return
        exemplar = {"trace_id": run.trace_id, "run_id": str(run.id)} if run.trace_id else None
        self._durations.labels(probe).observe(run.took.total_seconds(), exemplar)
        self._waits.labels(probe).observe(run.waited.total_seconds())
        for timing in run.timings:
            self._timing(probe, timing, exemplar)

    def tick_lateness(self, late: timedelta) -> None:
        """A run was claimed this long after its tick."""
        self._lateness.observe(late.total_seconds())

    def stall(self, seconds: float) -> None:
        """The event loop stood still for this long."""
        self._stalls.observe(seconds)

    def leaked(self, kind: str) -> None:
        """The sweep found a thing of this kind that its run should have removed."""
        self._leaked.labels(kind).inc()

    def stuck(self, kinds: Iterable[str]) -> None:
        """The last sweep could not remove things of these kinds, one kind for each thing."""
        _count(self._stuck, kinds)

    def orphans(self, kinds: Iterable[str]) -> None:
        """The platform has forgotten things of these kinds, one kind for each thing."""
        _count(self._orphans, kinds)

    def runs_waiting(self, count: int) -> None:
        """So many entries are not in the database yet."""
        self._waiting.set(count)

    def run_lost(self, probe: str) -> None:
        """A finished run could be kept neither in the database nor on disk."""
        self._lost.labels(probe).inc()

    def notice(self, notifier: str, outcome: str) -> None:
        """A notice was `delivered`, is to be `retried`, or was `given_up`."""
        self._notices.labels(notifier, outcome).inc()

    # -- called by the clients, from any thread ----------------------------------------------------------

    def count(self, service: str, operation: str, outcome: str, took: timedelta) -> None:
        """A request to the platform ended; `outcome` is `ok`, an error code or a status."""
        self._requests.labels(service, operation, outcome).inc()
        self._request_seconds.labels(service, operation).observe(took.total_seconds())

    # -- inside ------------------------------------------------------------------------------------------

    def _timing(self, probe: str, timing: Timing, exemplar: dict[str, str] | None) -> None:
        series = self._timings.labels(probe, timing.name, timing.path)
        series.observe(timing.took.total_seconds(), exemplar)
        for phase in timing.phases:
            self._phases.labels(probe, timing.name, phase.name).observe(phase.took.total_seconds())

    def _show(self, specs: Iterable[ProbeSpec]) -> None:
        for spec in specs:
            self._durations.labels(spec.name)
            self._cost.labels(spec.name)
            self._lost.labels(spec.name)
            for outcome in Outcome:
                self._runs.labels(spec.name, outcome.value)
            for timing in spec.timings:
                for path in timing.paths:
                    self._timings.labels(spec.name, timing.name, path)


def _count(gauge: Gauge, kinds: Iterable[str]) -> None:
    """Show how many there are of each kind; kinds that are gone vanish."""
    counts = Counts(kinds)
    gauge.clear()
    for kind, count in counts.items():
        gauge.labels(kind).set(count)


def timing_buckets(specs: Iterable[ProbeSpec]) -> tuple[float, ...]:
    """The bounds of the timings' buckets: the fixed ones, and three around each declared target."""
    targets = {
        timing.target.total_seconds() for spec in specs for timing in spec.timings if timing.target is not None
    }
    straddling = {round(target * share, 3) for target in targets for share in (0.9, 1.0, 1.1)}
    return tuple(sorted({*_SECONDS, *straddling}))
