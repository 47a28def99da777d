"""Brings what runs came to into CloudWatch: by a line of the log, or by calls, many values at a time."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from synthetics.background import Background
from synthetics.clock import Clock
from synthetics.metrics.results import Datum, ResultNames, datums, embedded
from synthetics.model.run import Run

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef, MetricDatumTypeDef

log: structlog.stdlib.BoundLogger = structlog.get_logger()

EVERY = timedelta(minutes=1)
#: The next minute is the next attempt.
ONE_ATTEMPT = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
#: As many values one call of PutMetricData may bring.
_AT_ONCE = 1000
#: Older ones give way: CloudWatch takes nothing that is two weeks old anyway.
_MOST_WAITING = 20_000


class Publisher(Protocol):
    """Takes every finished run."""

    def run_finished(self, run: Run) -> None: ...


class LogPublisher:
    """Writes a line for each run, in the embedded metric format."""

    def __init__(self, names: ResultNames, write: Callable[[str], object]) -> None:
        self._names = names
        self._write = write

    def run_finished(self, run: Run) -> None:
        """One line, on its own."""
        document = embedded(run, self._names)
        if document is not None:
            self._write(json.dumps(document, separators=(",", ":")) + "\n")


class CallPublisher(Background):
    """Keeps values for a minute and brings them with as few calls as that takes.

    What cannot be brought is tried again with the next; a bounded number waits, and the oldest are dropped.
    """

    def __init__(
        self, names: ResultNames, client: "CloudWatchClient", clock: Clock, *, every: timedelta = EVERY
    ) -> None:
        self._names = names
        self._client = client
        self._clock = clock
        self._every = every
        self._waiting: deque[tuple[datetime, Datum]] = deque()

    def run_finished(self, run: Run) -> None:
        """Its values go with the next call."""
        at = run.finished or run.key.tick
        self._waiting.extend((at, datum) for datum in datums(run, self._names))
        while len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft()

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        await self._bring()

    async def _live(self) -> None:
        while True:
            await self._clock.sleep(self._every)
            await self._bring()

    async def _bring(self) -> None:
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            try:
                await asyncio.to_thread(
                    self._client.put_metric_data,
                    Namespace=self._names.namespace,
                    MetricData=[self._entry(at, datum) for at, datum in some],
                )
            except (BotoCoreError, ClientError) as error:  # the results are on record; these are copies
                self._waiting.extendleft(reversed(some))
                log.warning("metrics.unpublished", error=str(error), waiting=len(self._waiting))
                return

    def _entry(self, at: datetime, datum: Datum) -> "MetricDatumTypeDef":
        dimensions: list[DimensionTypeDef] = []
        if datum.probe is not None:
            dimensions.append({"Name": self._names.dimension, "Value": datum.probe})
        return {
            "MetricName": datum.name,
            "Dimensions": dimensions,
            "Timestamp": at,
            "Value": datum.value,
            "Unit": datum.unit.value,
        }
