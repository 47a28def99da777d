"""Results for CloudWatch: the log's line as its format asks, and calls that bring every value once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from probes.platform.settings import PlatformSettings
from probes.results import result_names
from synthetics.metrics.publishing import CallPublisher, LogPublisher
from synthetics.metrics.results import datums, embedded
from synthetics.model.cost import Cost
from synthetics.model.run import Outcome, Run
from synthetics.model.timing import Timing
from tests.support.clock import FakeClock
from tests.support.runs import NOW, a_run, tick

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

NAMES = result_names(PlatformSettings(alb_endpoint="http://127.0.0.1:1"))


def a_start(outcome: Outcome = Outcome.PASSED, *, at: datetime | None = None, seconds: float = 41.2) -> Run:
    timings = [Timing("cold_start", timedelta(seconds=seconds)), Timing("warm_start", timedelta(seconds=2))]
    return a_run(at or tick(1), outcome, name="cold-start", timings=timings, cost=Cost(0.0123, {}))


def told(document: dict[str, object]) -> dict[tuple[str, ...], set[tuple[str, str]]]:
    """Names and units by dimensions, of a line in the embedded metric format; checked against it."""
    aws: Any = document["_aws"]
    found: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for directive in aws["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Webordinary/IntegrationTests"
        for dimensions in directive["Dimensions"]:
            assert all(isinstance(document[name], str) for name in dimensions)
            for metric in directive["Metrics"]:
                values: Any = document[metric["Name"]]
                assert all(isinstance(one, float) for one in (values if isinstance(values, list) else [values]))
                found.setdefault(tuple(dimensions), set()).add((metric["Name"], metric["Unit"]))
    return found


def test_a_line_has_each_metric_under_its_dimensions() -> None:
    document = embedded(a_start(), NAMES)
    assert document is not None
    assert told(document) == {
        ("TestName",): {
            ("TestDuration", "Milliseconds"),
            ("TestSuccess", "Count"),
            ("TestCost", "None"),
            ("ContainerStartupTime", "Milliseconds"),
            ("SessionCreationTime", "Milliseconds"),
        },
        (): {
            ("TestSuccessRate", "Percent"),
            ("TestCost", "None"),
            ("ColdStartLatency", "Milliseconds"),
            ("SessionCreationLatency", "Milliseconds"),
        },
    }
    assert (document["TestName"], document["TestSuccess"], document["TestSuccessRate"]) == (
        "cold-start",
        1.0,
        100.0,
    )
    assert (document["ColdStartLatency"], document["TestCost"]) == (41_200.0, 0.0123)


def test_a_failed_run_is_no_success_and_what_says_nothing_is_not_published() -> None:
    failed = embedded(a_start(Outcome.FAILED), NAMES)
    assert failed is not None
    assert (failed["TestSuccess"], failed["TestSuccessRate"]) == (0.0, 0.0)
    for outcome in (Outcome.BROKEN, Outcome.MISSED, Outcome.INTERRUPTED):
        assert datums(a_start(outcome), NAMES) == []
        assert embedded(a_start(outcome), NAMES) is None


def test_several_values_of_one_run_are_a_list_and_stalled_ones_are_left_out() -> None:
    starts = [Timing("cold_start", timedelta(seconds=one)) for one in (40, 42)]
    stalled = Timing("cold_start", timedelta(seconds=99), stalled=True)
    document = embedded(a_run(tick(1), name="cold-start", timings=[*starts, stalled]), NAMES)
    assert document is not None
    told(document)
    assert document["ContainerStartupTime"] == document["ColdStartLatency"] == [40_000.0, 42_000.0]


def test_the_log_gets_one_line_for_a_run() -> None:
    lines: list[str] = []
    publisher = LogPublisher(NAMES, lines.append)
    publisher.run_finished(a_start())
    publisher.run_finished(a_start(Outcome.MISSED))
    (line,) = lines
    assert line.endswith("}\n")
    assert json.loads(line)["TestName"] == "cold-start"


@pytest.fixture
def client() -> Iterator["CloudWatchClient"]:
    with mock_aws():
        yield boto3.client(
            "cloudwatch", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x"
        )


async def test_calls_bring_every_value_once(client: "CloudWatchClient") -> None:
    today = datetime.now(UTC).replace(microsecond=0)
    async with CallPublisher(NAMES, client, FakeClock(NOW)) as publisher:
        for number in range(300):  # more values than one call may bring
            publisher.run_finished(a_start(at=today - timedelta(seconds=number), seconds=40 + number % 3))
    read = client.get_metric_statistics(
        Namespace=NAMES.namespace,
        MetricName="ColdStartLatency",
        StartTime=today - timedelta(hours=1),
        EndTime=today + timedelta(hours=1),
        Period=7200,
        Statistics=["SampleCount", "Average"],
    )["Datapoints"]
    assert sum(point["SampleCount"] for point in read) == 300
    dimensions = client.list_metrics(Namespace=NAMES.namespace, MetricName="TestSuccess")["Metrics"]
    assert {(pair["Name"], pair["Value"]) for one in dimensions for pair in one["Dimensions"]} == {
        ("TestName", "cold-start")
    }


class Away:
    """CloudWatch that cannot be reached for a while."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.brought: list[str] = []

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803 (boto3's)
        if self.times:
            self.times -= 1
            raise EndpointConnectionError(endpoint_url="https://monitoring.example.test")
        self.brought += [entry["MetricName"] for entry in MetricData]


async def test_what_could_not_be_brought_is_brought_later_and_in_order() -> None:
    away: Any = Away(times=1)
    publisher = CallPublisher(NAMES, away, FakeClock(NOW))
    async with publisher:
        publisher.run_finished(a_start())
    assert away.brought == []
    async with publisher:
        publisher.run_finished(a_start(Outcome.FAILED))
    assert away.brought == [datum.name for datum in datums(a_start(), NAMES)] * 2
