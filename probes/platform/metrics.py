"""The platform's own metrics, as CloudWatch tells them (contract §9.1)."""

from datetime import timedelta

from probes.platform.aws import Aws
from probes.platform.settings import PlatformSettings
from synthetics.clock import Clock

_PERIOD = timedelta(minutes=5)


class Metrics:
    """CloudWatch, read only."""

    def __init__(self, *, aws: Aws, settings: PlatformSettings, clock: Clock) -> None:
        self._aws = aws
        self._settings = settings
        self._clock = clock

    async def active_sessions(self, over: timedelta) -> list[float]:
        """The highest number of active sessions in each five minutes of the time just past, oldest first.

        Empty where nobody published it. A query repeats the exact dimensions, or it finds nothing (Q25).
        Raises AwsError or ProbeBroken.
        """
        now, settings = self._clock.now(), self._settings
        told = await self._aws.call(
            "cloudwatch:GetMetricStatistics",
            settings.metrics_namespace,
            lambda c: c.cloudwatch.get_metric_statistics(
                Namespace=settings.metrics_namespace,
                MetricName="ActiveSessionCount",
                Dimensions=[{"Name": "Environment", "Value": settings.metrics_environment}],
                StartTime=now - over,
                EndTime=now,
                Period=int(_PERIOD.total_seconds()),
                Statistics=["Maximum"],
            )["Datapoints"],
        )
        return [point["Maximum"] for point in sorted(told, key=lambda point: point["Timestamp"])]
