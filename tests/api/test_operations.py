"""Alive, ready, counted: also while the database is away."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from api.main import create_app
from api.server import listening_socket
from synthetics.access import Access
from synthetics.alerting.acting import Acts
from synthetics.clock import SystemClock
from synthetics.metrics.collectors import Metrics
from synthetics.metrics.exporter import Exporter, new_registry
from synthetics.metrics.states import FRESH_FOR, StateGauges
from synthetics.model.run import Outcome
from synthetics.queries import Reads
from synthetics.queries.readiness import Readiness
from synthetics.store import migrating
from synthetics.store.cluster import Cluster
from synthetics.store.embedded import EmbeddedPostgres
from synthetics.store.engine import Database
from synthetics.version import __version__
from tests.support.clock import FakeClock
from tests.support.database import HASTY
from tests.support.runs import a_run, a_timing, record, tick

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


async def test_it_is_alive(client: AsyncClient) -> None:
    answer = await client.get("/healthz")

    assert answer.json() == {"status": "alive", "role": "api", "version": __version__}


async def test_it_is_ready_with_a_database_of_the_right_revision(client: AsyncClient) -> None:
    answer = await client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": []})


async def test_it_is_not_ready_with_an_empty_database(empty_database_url: str, clock: FakeClock) -> None:
    database = Database(empty_database_url)
    app = an_app(database, clock)
    async with a_client(app) as client:
        answer = await client.get("/readyz")
    await database.close()

    assert answer.status_code == 503
    [reason] = answer.json()["reasons"]
    assert "run `synthetics migrate`" in reason


async def test_it_becomes_ready_once_migrated(empty_database_url: str, clock: FakeClock) -> None:
    database = Database(empty_database_url)
    async with a_client(an_app(database, clock)) as client:
        assert (await client.get("/readyz")).status_code == 503
        migrating.upgrade(empty_database_url)
        assert (await client.get("/readyz")).status_code == 200
    await database.close()


@pytest.fixture
async def stoppable(tmp_path: Path) -> AsyncIterator[tuple[EmbeddedPostgres, Database]]:
    """A server of this test's own, and a migrated database in it."""
    server = EmbeddedPostgres(tmp_path, HASTY)
    server.start_blocking()
    url = Cluster(tmp_path / "postgres").url("stoppable")
    with psycopg.connect(Cluster(tmp_path / "postgres").url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE stoppable")
    migrating.upgrade(url)
    database = Database(url)
    yield server, database
    await database.close()
    server.stop_blocking()


async def test_with_the_database_stopped_it_lives_but_is_not_ready(
    stoppable: tuple[EmbeddedPostgres, Database],
) -> None:
    server, database = stoppable
    async with a_client(an_app(database, SystemClock())) as client:
        assert (await client.get("/readyz")).status_code == 200
        server.stop_blocking()

        ready = await client.get("/readyz")
        alive = await client.get("/healthz")
        status = await client.get("/api/v1/status")
        page = await client.get("/", headers={"accept": "text/html"})
        metrics = await client.get("/metrics")

    assert ready.status_code == 503
    assert ready.json()["reasons"][0].startswith("database stoppable at ")
    assert alive.status_code == 200
    assert status.status_code == 503
    assert status.headers["content-type"] == "application/problem+json"
    assert page.status_code == 503
    assert "cannot be used" in page.text
    samples = {s.name: s.value for family in parse(metrics.text) for s in family.samples}
    assert samples["synthetics_store_up"] == 0
    assert "synthetics_probe_up" not in samples


async def test_metrics_tell_of_the_probes_from_the_database(
    client: AsyncClient, store: Database, clock: FakeClock
) -> None:
    failed = a_run(tick(1), Outcome.FAILED)
    passed = a_run(tick(2))
    await record(store, passed, failed)

    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    samples = {
        (s.name, *sorted(s.labels.items())): s.value for family in parse(answer.text) for s in family.samples
    }
    probe = ("probe", "open_document")
    assert samples["synthetics_store_up",] == 1
    assert samples["synthetics_probe_up", probe] == 0
    last = samples["synthetics_probe_last_success_timestamp_seconds", probe]
    assert last == pytest.approx(passed.finished.timestamp())
    assert samples["synthetics_check_passed", ("case", "OD-01"), probe] == 0
    assert samples["synthetics_check_passed", ("case", "OD-02"), probe] == 0.5
    assert ("synthetics_check_passed", ("case", "OD-03"), probe) not in samples
    assert samples["process_resident_memory_bytes",] > 0

    await record(store, a_run(tick(0)))
    assert 'synthetics_probe_up{probe="open_document"} 0.0' in (await client.get("/metrics")).text
    clock.advance(FRESH_FOR)
    assert 'synthetics_probe_up{probe="open_document"} 1.0' in (await client.get("/metrics")).text


async def test_openmetrics_is_spoken_when_asked_for(
    client: AsyncClient, metrics_and_exporter: tuple[Metrics, Exporter]
) -> None:
    metrics, _ = metrics_and_exporter
    run = a_run(tick(1), timings=[a_timing(4.2)])
    metrics.run_finished(run)

    answer = await client.get("/metrics", headers={"accept": OPENMETRICS})

    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in parse_openmetrics(answer.text)}  # type: ignore[no-untyped-call]
    exemplars = [s.exemplar for s in families["synthetics_timing_seconds"].samples if s.exemplar]
    assert [(e.labels["trace_id"], e.value) for e in exemplars] == [(run.trace_id, 4.2)]
    assert families["synthetics_build"].samples[0].labels["version"] == __version__


async def test_every_answer_carries_the_headers_that_keep_pages_safe(
    client: AsyncClient, store: Database
) -> None:
    for path in ("/", "/api/v1/status", "/api/v1/nowhere", "/metrics", "/static/style.css"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "script-src 'self';" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"], path


async def test_long_answers_are_compressed_for_those_who_can_read_that(
    client: AsyncClient, store: Database
) -> None:
    packed = await client.get("/static/style.css", headers={"accept-encoding": "gzip"})
    plain = await client.get("/static/style.css", headers={"accept-encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert int(packed.headers.get("content-length", 0)) < len(plain.content) / 2
    assert "accept-encoding" in packed.headers["vary"].lower()


async def test_head_is_answered_like_get_without_a_body(client: AsyncClient, store: Database) -> None:
    for path in ("/", "/healthz", "/api/v1/status"):
        answer = await client.head(path)
        assert (answer.status_code, answer.content) == (200, b""), path


def an_app(database: Database, clock: FakeClock | SystemClock) -> FastAPI:
    reads = Reads.of(database, clock)
    registry = new_registry()
    Metrics(registry)
    return create_app(
        reads=reads,
        access=Access(database, clock),
        acts=Acts(database, clock),
        readiness=Readiness(database, clock=clock).reasons,
        exporter=Exporter(registry, StateGauges(reads.status.gauges, clock=clock)),
        clock=clock,
        role="api",
    )


def a_client(app: FastAPI) -> AsyncClient:
    transport = ASGITransport(app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://status.test")


def test_answers_of_two_parts_do_not_wait_for_an_acknowledgement() -> None:
    with listening_socket("127.0.0.1", 0) as bound:
        assert bound.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with socket.create_connection(bound.getsockname()), bound.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
