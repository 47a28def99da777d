"""The API on a database, as tests build it."""

from fastapi import FastAPI

from api.main import create_app
from synthetics.access import Access
from synthetics.alerting.acting import Acts
from synthetics.clock import Clock
from synthetics.metrics.exporter import Exporter, new_registry
from synthetics.queries import Reads
from synthetics.queries.readiness import Readiness
from synthetics.store.engine import Database


def application(database: Database, clock: Clock) -> FastAPI:
    """Everything that it answers comes from this database, and goes by this clock."""
    return create_app(
        reads=Reads.of(database, clock),
        access=Access(database, clock),
        acts=Acts(database, clock),
        readiness=Readiness(database, clock=clock).reasons,
        exporter=Exporter(new_registry()),
        clock=clock,
    )
