"""What runs use is counted and priced."""

import threading
from datetime import timedelta

import pytest

from synthetics.clock import SystemClock
from synthetics.costs.meter import RunMeter
from synthetics.costs.prices import Prices
from synthetics.model.cost import Region
from synthetics.run_log import RunLog
from tests.support.engine import Uncounted

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("region", Region)
def test_every_region_has_a_price_for_everything_that_is_counted(region: Region) -> None:
    prices = Prices.of(region)

    assert set(prices.calls.values()) | {"fargate.vcpu_hours", "fargate.gb_hours"} == set(prices.units)
    assert all(0 < price < 1 for price in prices.units.values())


def test_a_cost_is_what_an_independent_reckoning_says() -> None:
    used = {
        "dynamodb.Query": 200, "dynamodb.PutItem": 10, "sqs.ReceiveMessage": 50, "ecs.DescribeTasks": 400,
        "hermes.activate": 3, "cloudwatch.GetMetricStatistics": 2,
        "fargate.vcpu_hours": 2 * 90 / 3600, "fargate.gb_hours": 4 * 90 / 3600,
    }  # fmt: skip
    cost = Prices.of(Region.US_WEST_2).cost(used)

    # Two vCPUs and 4 GB for 90 s at 0.04048 and 0.004445 an hour, and 1.25e-7, 6.25e-7, 4e-7 and 1e-5 a call.
    assert cost.shares == pytest.approx(
        {"fargate": 0.0020240 + 0.0004445, "dynamodb": 3.125e-5, "sqs": 2e-5, "cloudwatch": 2e-5}
    )
    assert cost.dollars == pytest.approx(0.00253975)


def test_a_meter_counts_from_any_thread_and_tells_onward() -> None:
    onward = Uncounted()
    meter = RunMeter(onward, RunLog(SystemClock()))

    def ask() -> None:
        for _ in range(200):
            meter.count("sqs", "SendMessage", "ok", SECOND)
            meter.use("fargate.gb_hours", 0.5)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert meter.usage() == {"fargate.gb_hours": 400.0, "sqs.SendMessage": 800}
    assert len(onward.requests) == 800
