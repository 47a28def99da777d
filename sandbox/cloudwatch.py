"""CloudWatch as it is where moto's is laxer or silent: exact dimensions, depths of queues, an end to memory."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from moto.cloudwatch.models import (
    CloudWatchBackend,
    MetricDatum,
    MetricDatumBase,
    Statistics,
    cloudwatch_backends,
)
from moto.core.utils import utcnow
from moto.sqs.models import sqs_backends

from sandbox.settings import ACCOUNT, REGION

KEPT = timedelta(hours=3)
"""As long as CloudWatch keeps single values."""
FORGET_EVERY = timedelta(minutes=5)
Dimensions = Iterable[dict[str, str]]
Key = tuple[str, str, frozenset[tuple[str | None, str | None]]]
"""Namespace, name and all dimensions."""


class CloudWatch(CloudWatchBackend):
    """moto's CloudWatch, but a metric is found by its exact set of dimensions alone (contract Q25).

    moto looks through everything ever told at each request; here a metric is looked up. After an hour of
    probes the difference is one of seconds, and all of AWS would stand still for them.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._kept: defaultdict[Key, list[MetricDatumBase]] = defaultdict(list)
        self._shown: list[MetricDatumBase] | None = None
        self._forget_at = utcnow() + FORGET_EVERY

    @property
    def aws_metric_data(self) -> list[MetricDatumBase]:
        """What AWS measures by itself: how many messages each queue holds, told at the full minute."""
        minute = utcnow().replace(second=0, microsecond=0)
        return [
            MetricDatum("AWS/SQS", name, value, [{"Name": "QueueName", "Value": queue.name}], minute, "Count")
            for queue in sqs_backends[ACCOUNT][REGION].queues.values()
            for name, value in (
                ("ApproximateNumberOfMessagesVisible", queue.approximate_number_of_messages),
                ("ApproximateNumberOfMessagesNotVisible", queue.approximate_number_of_messages_not_visible),
            )
        ]

    def put_metric_data(self, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        super().put_metric_data(namespace, metric_data)
        for each in self.metric_data:
            self._kept[_key(each)].append(each)
        self.metric_data.clear()
        self._forget()

    def _forget(self) -> None:
        """Let go of what is too old, now and then: it need not be to the second."""
        now = utcnow()
        if now < self._forget_at:
            return
        self._forget_at = now + FORGET_EVERY
        young = {
            key: [each for each in data if each.timestamp >= now - KEPT] for key, data in self._kept.items()
        }
        self._kept = defaultdict(list, {key: data for key, data in young.items() if data})

    def get_metric_statistics(
        self,
        namespace: str,
        metric_name: str,
        start_time: datetime,
        end_time: datetime,
        period: int,
        stats: list[str],
        dimensions: list[dict[str, str]],
        unit: str | None = None,
    ) -> list[Statistics]:
        with self._only([(namespace, metric_name, dimensions)]):
            return super().get_metric_statistics(
                namespace, metric_name, start_time, end_time, period, stats, dimensions, unit
            )

    def get_metric_data(self, queries: list[dict[str, Any]], *more: Any, **named: Any) -> list[dict[str, Any]]:
        alone = all("MetricStat" in query for query in queries)  # an expression reckons with others' values
        parts = [[query] for query in queries] if alone else [queries]
        found: list[dict[str, Any]] = []
        for part in parts:
            metrics = [query["MetricStat"]["Metric"] for query in part if "MetricStat" in query]
            wanted = [(each["Namespace"], each["MetricName"], each.get("Dimensions") or ()) for each in metrics]
            with self._only(wanted):
                found += super().get_metric_data(part, *more, **named)
        return found

    @contextmanager
    def _only(self, wanted: Sequence[tuple[str, str, Dimensions]]) -> Iterator[None]:
        """Nothing is there inside this block but these metrics: namespace, name and all of its dimensions."""
        keys = {(namespace, name, _pairs(dimensions)) for namespace, name, dimensions in wanted}
        measured = [each for each in self.aws_metric_data if _key(each) in keys]
        told = [each for key in keys for each in self._kept.get(key, ())]
        self._shown = told + measured
        try:
            yield
        finally:
            self._shown = None

    def get_all_metrics(self) -> list[MetricDatumBase]:
        if self._shown is not None:
            return self._shown
        return [*chain.from_iterable(self._kept.values()), *self.aws_metric_data]


def install() -> None:
    """Let moto's endpoint answer with this CloudWatch, and an empty one."""
    cloudwatch_backends[ACCOUNT][REGION] = CloudWatch(REGION, ACCOUNT)


def _key(datum: MetricDatumBase) -> Key:
    return datum.namespace, datum.name, frozenset((each.name, each.value) for each in datum.dimensions)


def _pairs(dimensions: Dimensions) -> frozenset[tuple[str | None, str | None]]:
    return frozenset((each["Name"], each["Value"]) for each in dimensions)
