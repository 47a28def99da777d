"""What the platform tells CloudWatch about itself, beside its count of active sessions (contract §9.1).

Sessions, commands and containers are told as the truth log has them, calls of AWS as Hermes made them: once a
minute of the platform, so that nobody waits for a metric.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

from sandbox.hermes.calls import Kind, Taken
from sandbox.hermes.cloud import Cloud, CloudError
from sandbox.settings import METRICS_NAMESPACE, SandboxSettings
from sandbox.truth import Event, Tail, Truth

EVERY = 60.0  # seconds of the platform
AT_ONCE = 500
INSIGHTS = "ECS/ContainerInsights"
Unit = Literal["Count", "Milliseconds"]
Datum = dict[str, object]
CLOSED = {"idle": "timeout", "error": "error", "manual": "error"}
"""Why a session was closed, by how its container ended."""


class Metrics:
    """Publishes what has happened, until closed."""

    def __init__(self, settings: SandboxSettings, cloud: Cloud, truth: Truth) -> None:
        self._settings = settings
        self._cloud = cloud
        self._tail = Tail(truth.path)
        self._story = Story()
        self._life: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._life = asyncio.create_task(self._live())

    async def close(self) -> None:
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)

    async def tell(self) -> None:
        """Publish what happened since the last time. Raises CloudError."""
        happened = [told for event in self._tail.more() for told in self._story.of(event)]
        alive = datum("HealthCheck", 1, "Count", at=_now())
        await self._put(METRICS_NAMESPACE, [*happened, *calls(self._cloud.calls.take()), alive])
        await self._put(INSIGHTS, await self._services())

    async def _put(self, namespace: str, data: list[Datum]) -> None:
        for first in range(0, len(data), AT_ONCE):
            await self._cloud.call(
                self._cloud.cloudwatch.put_metric_data,
                Namespace=namespace,
                MetricData=data[first : first + AT_ONCE],  # type: ignore[arg-type]
            )

    async def _services(self) -> list[Datum]:
        """How many tasks each service has, as Container Insights tells it."""
        cluster = self._settings.cluster_name
        names = [self._settings.edit_service, self._settings.hermes_service]
        told = await self._cloud.call(self._cloud.ecs.describe_services, cluster=cluster, services=names)
        counts = (("Running", "runningCount"), ("Desired", "desiredCount"), ("Pending", "pendingCount"))
        return [
            datum(
                f"{name}TaskCount",
                service[count],  # type: ignore[literal-required]
                "Count",
                at=_now(),
                ClusterName=cluster,
                ServiceName=service["serviceName"],
            )
            for service in told["services"]
            for name, count in counts
        ]

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(self._settings.seconds(EVERY))
            with contextlib.suppress(CloudError):  # what AWS did not take is lost, as on the platform
                await self.tell()


class Story:
    """Makes metrics of events, and remembers what began until it ends."""

    def __init__(self) -> None:
        self._opened: dict[str, float] = {}
        self._commands: dict[str, float] = {}
        self._starting: dict[str, float] = {}
        self._running: dict[str, float] = {}
        self._sessions: Counter[str] = Counter()

    def of(self, event: Event) -> Iterator[Datum]:
        """What is to be told of one event."""
        match event.event:
            case "row.written":
                yield from self._session_opened(event)
            case "session.expired":
                reason = CLOSED[_text(event, "ended")] if event.fields.get("ended") else "completed"
                yield from self._session_closed(event, reason)
            case "session.failed":
                yield from self._session_closed(event, "error")
            case "command.received" if event.fields.get("type") != "interrupt":
                self._commands[_text(event, "command")] = event.at
            case "command.finished" | "command.interrupted":
                yield from self._command_ended(event)
            case "container.starting":
                self._starting[_text(event, "container")] = event.at
            case "container.running":
                yield from self._container_up(event)
            case "container.counted":
                yield from self._container_counted(event)
            case "container.cleaned":
                yield from self._container_ended(event)

    def _session_opened(self, event: Event) -> Iterator[Datum]:
        client, project = _text(event, "client"), _text(event, "project")
        self._opened[_text(event, "session")] = event.at
        source = _text(event, "source")
        yield _count("SessionsCreated", event, ClientId=client, ProjectId=project, Source=source)
        yield _count("BusinessMetrics", event, MetricType="SessionCreated", ClientId=client)

    def _session_closed(self, event: Event, reason: str) -> Iterator[Datum]:
        session = _text(event, "session")
        yield _count("SessionsClosed", event, SessionId=session, Reason=reason)
        if session in self._opened:
            yield _since("SessionDuration", self._opened.pop(session), event, SessionId=session)

    def _command_ended(self, event: Event) -> Iterator[Datum]:
        session, interrupted = _text(event, "session"), event.event == "command.interrupted"
        of = {"SessionId": session, "CommandType": _text(event, "type")}
        succeeded = not interrupted and event.fields.get("success") is True
        yield _count("CommandSuccess" if succeeded else "CommandFailure", event, **of)
        began = self._commands.pop(_text(event, "command"), None)
        if began is not None:
            yield _since("CommandDuration", began, event, **of)
        if succeeded:
            yield _count(
                "BusinessMetrics", event, MetricType="CommandSucceeded", ClientId=_text(event, "client")
            )
        if interrupted:
            yield _count(
                "SessionInterrupts",
                event,
                FromSession=session,
                ToSession=_text(event, "by_session"),
                ContainerId=_text(event, "container"),
            )

    def _container_up(self, event: Event) -> Iterator[Datum]:
        container = _text(event, "container")
        self._running[container] = event.at
        if container in self._starting:
            yield _since("ContainerStartupTime", self._starting.pop(container), event, ContainerId=container)

    def _container_counted(self, event: Event) -> Iterator[Datum]:
        container, change = _text(event, "container"), event.fields.get("change")
        self._sessions[container] += change if isinstance(change, int) else 0
        yield datum(
            "ContainerSessionCount", self._sessions[container], "Count", at=event.at, ContainerId=container
        )

    def _container_ended(self, event: Event) -> Iterator[Datum]:
        container = _text(event, "container")
        self._sessions.pop(container, None)
        self._starting.pop(container, None)
        yield _count("ContainerShutdowns", event, ContainerId=container, Reason=_text(event, "ended"))
        if container in self._running:
            yield _since("ContainerUptime", self._running.pop(container), event, ContainerId=container)


def calls(taken: dict[Kind, Taken]) -> Iterable[Datum]:
    """Calls of AWS as metrics: how many came to which end, and how long they took however they ended."""
    for kind, times in taken.items():
        name = "QueueType" if kind.service == "Queue" else "TableName"
        of = {name: kind.of, "Operation": kind.operation}
        yield datum(f"{kind.service}Operations", times.count, "Count", at=_now(), **of, Result=kind.result)
        duration = datum(f"{kind.service}OperationDuration", 0, "Milliseconds", at=_now(), **of)
        del duration["Value"]
        yield duration | {
            "StatisticValues": {
                "SampleCount": times.count,
                "Sum": times.total,
                "Minimum": times.least,
                "Maximum": times.most,
            }
        }


def datum(name: str, value: float, unit: Unit, *, at: float, **dimensions: str) -> Datum:
    """One value as PutMetricData wants it; `at` is an epoch second."""
    return {
        "MetricName": name,
        "Value": value,
        "Unit": unit,
        "Timestamp": datetime.fromtimestamp(at, UTC),
        "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items() if text],
    }


def _count(name: str, event: Event, **dimensions: str) -> Datum:
    return datum(name, 1, "Count", at=event.at, **dimensions)


def _since(name: str, began: float, event: Event, **dimensions: str) -> Datum:
    return datum(name, (event.at - began) * 1000, "Milliseconds", at=event.at, **dimensions)


def _text(event: Event, field: str) -> str:
    return str(event.fields.get(field) or "")


def _now() -> float:
    return datetime.now(UTC).timestamp()
