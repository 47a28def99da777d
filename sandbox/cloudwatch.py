"""CloudWatch as it is where moto's is laxer or silent: exact dimensions, depths of queues, an end to memory."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
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
Dimensions = Iterable[dict[str, str]]


class CloudWatch(CloudWatchBackend):
    """moto's CloudWatch, but a metric is found by its exact set of dimensions alone (contract Q25)."""

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
        too_old = utcnow() - KEPT
        old = next((i for i, each in enumerate(self.metric_data) if each.timestamp >= too_old), 0)
        del self.metric_data[:old]

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
        everything = self.get_all_metrics()
        kept = {(namespace, name, _pairs(dimensions)) for namespace, name, dimensions in wanted}
        self._shown: list[MetricDatumBase] | None = [
            each
            for each in everything
            if (each.namespace, each.name, frozenset((d.name, d.value) for d in each.dimensions)) in kept
        ]
        try:
            yield
        finally:
            self._shown = None

    def get_all_metrics(self) -> list[MetricDatumBase]:
        shown: list[MetricDatumBase] | None = getattr(self, "_shown", None)
        return super().get_all_metrics() if shown is None else shown


def install() -> None:
    """Let moto's endpoint answer with this CloudWatch, and an empty one."""
    cloudwatch_backends[ACCOUNT][REGION] = CloudWatch(REGION, ACCOUNT)


def _pairs(dimensions: Dimensions) -> frozenset[tuple[str, str]]:
    return frozenset((each["Name"], each["Value"]) for each in dimensions)
