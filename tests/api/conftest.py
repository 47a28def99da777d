"""The API on a real database, spoken to through ASGI."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from api.main import create_app
from synthetics.access import Access
from synthetics.alerting.acting import Acts
from synthetics.metrics.collectors import Metrics
from synthetics.metrics.exporter import Exporter, new_registry
from synthetics.metrics.states import StateGauges
from synthetics.queries import Reads
from synthetics.queries.readiness import Readiness
from synthetics.store.engine import Database
from tests.support.clock import FakeClock
from tests.support.runs import NOW, a_probe, a_spec, cover_now, publish


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
async def store(database: Database) -> Database:
    """A database with partitions around now and a catalogue of one probe."""
    await cover_now(database)
    await publish(database, a_probe())
    return database


@pytest.fixture
def reads(store: Database, clock: FakeClock) -> Reads:
    return Reads.of(store, clock)


@pytest.fixture
def metrics_and_exporter(reads: Reads, clock: FakeClock) -> tuple[Metrics, Exporter]:
    registry = new_registry()
    metrics = Metrics(registry, probes=[a_spec()])
    return metrics, Exporter(
        registry,
        StateGauges(
            reads.status.gauges,
            clock=clock,
            incidents=reads.incidents.gauges,
            paces=reads.slowness.paces,
            budgets=reads.budgets.gauges,
        ),
    )


@pytest.fixture
def app(
    reads: Reads, store: Database, clock: FakeClock, metrics_and_exporter: tuple[Metrics, Exporter]
) -> FastAPI:
    return create_app(
        reads=reads,
        access=Access(store, clock),
        acts=Acts(store, clock),
        readiness=Readiness(store, clock=clock).reasons,
        exporter=metrics_and_exporter[1],
        clock=clock,
        role="api",
    )


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://status.test") as client:
        yield client
