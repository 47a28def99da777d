"""Auto scaling of the edit service: its number of tasks follows the active sessions (contract §5.4).

The steps of `ActiveSessionCount` are played, with their cooldown; the targets of CPU, memory and requests are
not: nothing here is ever busy enough to meet them.
"""

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta

from sandbox.faults import Faults
from sandbox.hermes.cloud import Cloud, CloudError
from sandbox.settings import METRICS_ENVIRONMENT, METRICS_NAMESPACE, SandboxSettings
from sandbox.truth import Truth

EVERY = 20.0
COOLDOWN = 60.0
"""In seconds of the platform."""
STEPS = ((3, 3), (1, 1), (0, 0))
"""So many active sessions or more want so many tasks; the first that fits."""
OVER_MAX = 5
LOOK_BACK = timedelta(minutes=5)


class Autoscaler:
    """Reads the metric as CloudWatch tells it, and sets the service's desired count, until closed."""

    def __init__(self, settings: SandboxSettings, cloud: Cloud, faults: Faults, truth: Truth) -> None:
        self._settings = settings
        self._cloud = cloud
        self._faults = faults
        self._truth = truth
        self._changed = float("-inf")
        self._life: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._life = asyncio.create_task(self._live())

    async def close(self) -> None:
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)

    async def look(self) -> None:
        """Set the desired count that the newest value of the metric asks for.

        Nothing is changed during the cooldown, or where nobody tells the metric. Raises CloudError.
        """
        if time.monotonic() < self._changed + self._settings.seconds(COOLDOWN):
            return
        sessions = await self._sessions()
        if sessions is None or self._struck("autoscaler-stuck"):
            return
        has, wants = await self._desired(), wanted(sessions)
        if wants > 1 and self._struck("autoscaler-over-max"):
            wants = OVER_MAX
        if wants == has or (wants < has and self._struck("autoscaler-never-down")):
            return
        await self._cloud.call(
            self._cloud.ecs.update_service,
            cluster=self._settings.cluster_name,
            service=self._settings.edit_service,
            desiredCount=wants,
        )
        self._changed = time.monotonic()
        self._truth.write("service.scaled", sessions=sessions, desired=wants, before=has)

    async def _live(self) -> None:
        while True:
            with contextlib.suppress(CloudError):  # what AWS refused now is done next time
                await self.look()
            await asyncio.sleep(self._settings.seconds(EVERY))

    async def _sessions(self) -> float | None:
        """The newest number of active sessions; None if nobody told one lately."""
        now = datetime.now(UTC)
        told = await self._cloud.call(
            self._cloud.cloudwatch.get_metric_statistics,
            Namespace=METRICS_NAMESPACE,
            MetricName="ActiveSessionCount",
            Dimensions=[{"Name": "Environment", "Value": METRICS_ENVIRONMENT}],
            StartTime=now - LOOK_BACK,
            EndTime=now + timedelta(seconds=1),
            Period=1,
            Statistics=["Maximum"],
        )
        newest = max(told["Datapoints"], key=lambda point: point["Timestamp"], default=None)
        return None if newest is None else newest["Maximum"]

    async def _desired(self) -> int:
        told = await self._cloud.call(
            self._cloud.ecs.describe_services,
            cluster=self._settings.cluster_name,
            services=[self._settings.edit_service],
        )
        return told["services"][0]["desiredCount"]

    def _struck(self, fault: str) -> bool:
        return self._faults.strikes(fault) is not None


def wanted(sessions: float) -> int:
    """How many tasks so many active sessions want."""
    return next((tasks for least, tasks in STEPS if sessions >= least), 0)
