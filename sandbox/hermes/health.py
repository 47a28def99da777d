"""Hermes' health, told briefly or at length (contract §2.5)."""

from collections.abc import Awaitable

from sandbox.faults import Faults
from sandbox.hermes.answers import now_iso
from sandbox.hermes.cloud import Cloud, CloudError, Row
from sandbox.hermes.tables import Tables
from sandbox.settings import METRICS_NAMESPACE, SandboxSettings


class Health:
    """What GET /health answers; HTTP stays 200 also when something is wrong."""

    def __init__(self, settings: SandboxSettings, cloud: Cloud, tables: Tables, faults: Faults) -> None:
        self._long = settings.hermes_health == "long"
        self._cloud = cloud
        self._tables = tables
        self._faults = faults

    async def body(self) -> Row:
        if self._faults.strikes("hermes-unhealthy") is not None:
            ill: Row = {"name": "sqs_connectivity", "healthy": False, "message": "no answer within 5000 ms"}
            return {"status": "unhealthy", "timestamp": now_iso(), "checks": [ill]}
        if not self._long:
            return {"status": "healthy", "timestamp": now_iso()}
        checks = [
            await _check("sqs_connectivity", self._cloud.call(self._cloud.sqs.list_queues, MaxResults=1)),
            await _check("dynamodb_connectivity", self._tables.sessions.row("health-check")),
            await _check("cloudwatch_metrics", self._publish()),
        ]
        healthy = all(check["healthy"] for check in checks)
        return {
            "status": "healthy" if healthy else "unhealthy",
            "timestamp": now_iso(),
            "checks": [dict(check) for check in checks],
        }

    async def _publish(self) -> None:
        await self._cloud.call(
            self._cloud.cloudwatch.put_metric_data,
            Namespace=METRICS_NAMESPACE,
            MetricData=[{"MetricName": "HealthCheck", "Value": 1, "Unit": "Count"}],
        )


async def _check(name: str, call: Awaitable[object]) -> Row:
    try:
        await call
    except CloudError as error:
        return {"name": name, "healthy": False, "message": str(error)}
    return {"name": name, "healthy": True, "message": "OK"}
