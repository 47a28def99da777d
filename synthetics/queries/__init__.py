"""Reads for the API: values come out, never rows."""

from dataclasses import dataclass

from synthetics.clock import Clock
from synthetics.queries.budgets import Budgets
from synthetics.queries.catalogue import Catalogue
from synthetics.queries.costs import Costs
from synthetics.queries.coverage import Coverages
from synthetics.queries.history import History
from synthetics.queries.incidents import Incidents
from synthetics.queries.live import Live
from synthetics.queries.maintenance import Maintenances
from synthetics.queries.resources import Resources
from synthetics.queries.slowness import Slowness
from synthetics.queries.status import Status
from synthetics.queries.timings import Timings
from synthetics.store.engine import Database


@dataclass(frozen=True, slots=True)
class Reads:
    """Every query of one database."""

    catalogue: Catalogue
    status: Status
    history: History
    timings: Timings
    coverage: Coverages
    incidents: Incidents
    maintenance: Maintenances
    costs: Costs
    slowness: Slowness
    budgets: Budgets
    resources: Resources
    live: Live

    @classmethod
    def of(cls, database: Database, clock: Clock) -> "Reads":
        return cls(
            catalogue=Catalogue(database),
            status=Status(database, clock),
            history=History(database),
            timings=Timings(database),
            coverage=Coverages(database),
            incidents=Incidents(database),
            maintenance=Maintenances(database),
            costs=Costs(database, clock),
            slowness=Slowness(database),
            budgets=Budgets(database, clock),
            resources=Resources(database),
            live=Live(database),
        )
