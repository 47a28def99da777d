"""What a worker counts, under its public names, and the gauges that come from the database."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from synthetics.errors import StoreError
from synthetics.metrics.collectors import Metrics, timing_buckets
from synthetics.metrics.exporter import Exporter, new_registry
from synthetics.metrics.states import FRESH_FOR, ProbeState, StateGauges
from synthetics.model.check import CheckOutcome
from synthetics.model.run import Outcome
from tests.support.clock import FakeClock
from tests.support.runs import a_run, a_spec, a_timing, tick

PROBE = {"probe": "open_document"}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry, probes=[a_spec()])


@dataclass(frozen=True)
class State:
    name: str = "open_document"
    up: bool | None = True
    last_success: datetime | None = None
    checks: Mapping[str, CheckOutcome] = field(default_factory=dict)


class Source:
    """Answers with the states it is given, counts how often it is asked, and fails or hangs on request."""

    def __init__(self, *states: ProbeState) -> None:
        self.states: Sequence[ProbeState] = states
        self.asked = 0
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def read(self) -> Sequence[ProbeState]:
        self.asked += 1
        await self.answers.wait()
        if self.error:
            raise self.error
        return self.states


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"synthetics_{name}", labels)


def test_every_public_name_is_there_from_the_start(registry: CollectorRegistry, metrics: Metrics) -> None:
    names = {f"{family.name}:{family.type}" for family in registry.collect()}

    assert names == {
        "synthetics_runs:counter",
        "synthetics_run_duration_seconds:histogram",
        "synthetics_run_waited_seconds:histogram",
        "synthetics_timing_seconds:histogram",
        "synthetics_phase_seconds:summary",
        "synthetics_tick_lateness_seconds:histogram",
        "synthetics_runs_in_flight:gauge",
        "synthetics_aws_requests:counter",
        "synthetics_aws_request_seconds:summary",
        "synthetics_event_loop_stall_seconds:histogram",
        "synthetics_cost_dollars:counter",
        "synthetics_resources_leaked:counter",
        "synthetics_resources_stuck:gauge",
        "synthetics_orphans:gauge",
        "synthetics_spool_runs:gauge",
        "synthetics_runs_lost:counter",
        "synthetics_notices:counter",
        "synthetics_build:info",
    }


def test_every_outcome_of_a_known_probe_starts_at_zero(registry: CollectorRegistry, metrics: Metrics) -> None:
    for outcome in Outcome:
        assert value(registry, "runs_total", **PROBE, outcome=outcome.value) == 0
    assert value(registry, "timing_seconds_count", **PROBE, timing="opening", path="far") == 0


def test_a_finished_run_is_counted_with_its_timings(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.run_finished(a_run(tick(1), timings=[a_timing(4), a_timing(2), a_timing(9, path="far")]))

    assert value(registry, "runs_total", **PROBE, outcome="passed") == 1
    assert value(registry, "run_duration_seconds_sum", **PROBE) == 3
    assert value(registry, "run_waited_seconds_sum", **PROBE) == 0.005
    near = {**PROBE, "timing": "opening", "path": "near"}
    assert value(registry, "timing_seconds_count", **near) == 2
    assert value(registry, "timing_seconds_sum", **near) == 6
    assert value(registry, "timing_seconds_bucket", **near, le="2.0") == 1


def test_means_of_phases_add_up_to_the_timing(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.run_finished(a_run(tick(1), timings=[a_timing(4), a_timing(2.5)]))

    sums = [
        value(registry, "phase_seconds_sum", **PROBE, timing="opening", phase=phase) or 0
        for phase in ("request", "fetch", "draw")
    ]
    assert sum(sums) == pytest.approx(6.5)


def test_a_run_that_never_started_took_no_time(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.run_finished(a_run(tick(1), Outcome.MISSED))

    assert value(registry, "runs_total", **PROBE, outcome="missed") == 1
    assert value(registry, "run_duration_seconds_count", **PROBE) == 0


def test_the_trace_of_a_run_is_its_timings_exemplar(registry: CollectorRegistry, metrics: Metrics) -> None:
    run = a_run(tick(1), timings=[a_timing(4.2)])
    metrics.run_finished(run)
    metrics.run_finished(a_run(tick(2), timings=[a_timing(8)], trace_id=""))

    shown = openmetrics(registry).decode()  # type: ignore[no-untyped-call]

    assert f'# {{run_id="{run.id}",trace_id="{run.trace_id}"}} 4.2' in shown
    assert shown.count("# {run_id") == 2  # one on the timing, one on the run's duration


def test_targets_lie_on_a_bound_with_neighbours() -> None:
    buckets = timing_buckets([a_spec()])

    assert {9.0, 10.0, 11.0} <= set(buckets)
    assert list(buckets) == sorted(set(buckets))
    assert {0.25, 60.0} <= set(timing_buckets([]))


def test_what_is_in_flight_goes_up_and_down(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.run_started()
    metrics.run_started()
    metrics.run_ended()

    assert value(registry, "runs_in_flight") == 1


def test_the_rest_is_counted_too(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.tick_lateness(timedelta(milliseconds=4))
    metrics.stall(0.2)
    metrics.leaked("document")

    assert value(registry, "tick_lateness_seconds_bucket", le="0.005") == 1
    assert value(registry, "event_loop_stall_seconds_sum") == 0.2
    assert value(registry, "resources_leaked_total", kind="document") == 1


def test_what_stays_is_counted_by_kind_until_it_is_gone(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.stuck(["task", "queue_set", "task"])
    metrics.orphans(["queue"])
    assert value(registry, "resources_stuck", kind="task") == 2
    assert value(registry, "orphans", kind="queue") == 1

    metrics.stuck(["queue_set"])
    metrics.orphans([])
    assert value(registry, "resources_stuck", kind="task") is None
    assert value(registry, "resources_stuck", kind="queue_set") == 1
    assert value(registry, "orphans", kind="queue") is None


def test_requests_are_counted_from_any_thread(registry: CollectorRegistry, metrics: Metrics) -> None:
    def ask() -> None:
        for _ in range(500):
            metrics.count("sqs", "ReceiveMessage", "ok", timedelta(milliseconds=2))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    asked = {"service": "sqs", "operation": "ReceiveMessage"}
    assert value(registry, "aws_requests_total", **asked, outcome="ok") == 2000
    assert value(registry, "aws_request_seconds_sum", **asked) == pytest.approx(4)


async def test_scrapes_that_meet_ask_the_database_once(registry: CollectorRegistry) -> None:
    clock, source = FakeClock(), Source(State())
    exporter = Exporter(registry, StateGauges(source.read, clock=clock))

    await asyncio.gather(*(exporter.scrape() for _ in range(10)))
    assert source.asked == 1
    clock.advance(FRESH_FOR - timedelta(milliseconds=1))
    await exporter.scrape()
    assert source.asked == 1
    clock.advance(timedelta(milliseconds=1))
    await exporter.scrape()
    assert source.asked == 2


async def test_gauges_tell_what_the_database_says(registry: CollectorRegistry) -> None:
    moment = datetime(2026, 3, 10, 12, tzinfo=UTC)
    checks = {
        "OD-01": CheckOutcome.PASSED,
        "OD-02": CheckOutcome.DEGRADED,
        "OD-03": CheckOutcome.FAILED,
        "OD-04": CheckOutcome.SKIPPED,
    }
    source = Source(State(last_success=moment, checks=checks), State("quiet", up=None))
    await Exporter(registry, StateGauges(source.read, clock=FakeClock())).scrape()

    assert value(registry, "store_up") == 1
    assert value(registry, "probe_up", **PROBE) == 1
    assert value(registry, "probe_up", probe="quiet") is None
    assert value(registry, "probe_last_success_timestamp_seconds", **PROBE) == moment.timestamp()
    assert [value(registry, "check_passed", **PROBE, case=case) for case in checks] == [1, 0.5, 0, None]


async def test_without_the_database_gauges_vanish_and_come_back(registry: CollectorRegistry) -> None:
    clock, source = FakeClock(), Source(State())
    exporter = Exporter(registry, StateGauges(source.read, clock=clock))
    await exporter.scrape()

    source.error = StoreError("away")
    clock.advance(FRESH_FOR)
    await exporter.scrape()
    assert (value(registry, "store_up"), value(registry, "probe_up", **PROBE)) == (0, None)
    await exporter.scrape()
    assert source.asked == 2, "a database that is away is not asked at every scrape"

    source.error = None
    clock.advance(FRESH_FOR)
    await exporter.scrape()
    assert (value(registry, "store_up"), value(registry, "probe_up", **PROBE)) == (1, 1)


async def test_a_database_that_never_answers_does_not_hold_up_a_scrape(registry: CollectorRegistry) -> None:
    source = Source(State())
    source.answers.clear()
    gauges = StateGauges(source.read, clock=FakeClock(), within=timedelta(milliseconds=20))

    text, _ = await asyncio.wait_for(Exporter(registry, gauges).scrape(), timeout=5)

    assert b"synthetics_store_up 0.0" in text


async def test_a_mistake_of_ours_is_not_taken_for_an_absent_database(registry: CollectorRegistry) -> None:
    source = Source(State())
    source.error = KeyError("name")

    with pytest.raises(KeyError):
        await Exporter(registry, StateGauges(source.read, clock=FakeClock())).scrape()


async def test_the_process_tells_of_itself() -> None:
    text, content_type = await Exporter(new_registry()).scrape()

    assert b"process_cpu_seconds_total" in text
    assert content_type.startswith("text/plain")
