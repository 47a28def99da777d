"""The platform's own metrics, as CloudWatch tells them (contract §9.1)."""

from datetime import timedelta
from typing import TYPE_CHECKING

from probes.platform.aws import Aws
from probes.platform.settings import PlatformSettings
from synthetics.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import DatapointTypeDef

_PERIOD = timedelta(minutes=5)
_MINUTE = timedelta(minutes=1)


class Metrics:
    """CloudWatch, read only."""

    def __init__(self, *, aws: Aws, settings: PlatformSettings, clock: Clock) -> None:
        self._aws = aws
        self._settings = settings
        self._clock = clock

    async def newest_active_sessions(self) -> float | None:
        """The highest number of active sessions in the newest minute that was told; None if none was lately."""
        told = await self.active_sessions(3 * _PERIOD, period=_MINUTE)
        return told[-1] if told else None

    async def active_sessions(self, over: timedelta, *, period: timedelta = _PERIOD) -> list[float]:
        """The highest number of active sessions in each period of the time just past, oldest first.

        Empty where nobody published it. A query repeats the exact dimensions, or it finds nothing (Q25).
        Raises AwsError or ProbeBroken.
        """
        now, settings = self._clock.now(), self._settings
        return await self._aws.call(
            "cloudwatch:GetMetricStatistics",
            settings.metrics_namespace,
            lambda c: _maxima(
                c.cloudwatch.get_metric_statistics(
                    Namespace=settings.metrics_namespace,
                    MetricName="ActiveSessionCount",
                    Dimensions=[{"Name": "Environment", "Value": settings.metrics_environment}],
                    StartTime=now - over,
                    EndTime=now,
                    Period=int(period.total_seconds()),
                    Statistics=["Maximum"],
                )["Datapoints"]
            ),
        )


def _maxima(told: "list[DatapointTypeDef]") -> list[float]:
    return [point["Maximum"] for point in sorted(told, key=lambda point: point["Timestamp"])]
