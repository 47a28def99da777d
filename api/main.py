"""Builds the API from what it is handed: queries, readiness, metrics."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from fastapi import Depends, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from api import badges, operations, pages
from api.access import Pace, may_read
from api.documentation import DESCRIPTION, document
from api.files import KeptFiles
from api.live import Live
from api.middleware import BoundedBodies, CommonHeaders, Etags, HeadIsGet
from api.problems import answer_problems, responses
from api.rendering import STATIC
from api.routes import (
    acting,
    costs,
    events,
    incidents,
    maintenance,
    probes,
    resources,
    runs,
    slo,
    slowness,
    status,
    timings,
)
from synthetics.access import Access
from synthetics.alerting.acting import Acts
from synthetics.clock import Clock
from synthetics.metrics.exporter import Exporter
from synthetics.queries import Reads
from synthetics.version import __version__

PREFIX = "/api/v1"
_WORTH_COMPRESSING_BYTES = 1000


def create_app(
    *,
    reads: Reads,
    access: Access,
    acts: Acts,
    readiness: Callable[[], Awaitable[Sequence[str]]],
    exporter: Exporter,
    clock: Clock,
    role: str = "all",
    public_reading: bool = True,
) -> FastAPI:
    """The API with its pages. `readiness` tells what stands in the way of working, one sentence each."""
    app = FastAPI(
        title="synthetics",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.reads = reads
    app.state.access = access
    app.state.acts = acts
    app.state.pace = Pace(clock)
    app.state.live = Live(reads.live.newest, clock)
    app.state.public_reading = public_reading
    app.state.readiness = readiness
    app.state.exporter = exporter
    app.state.clock = clock
    app.state.role = role
    reading = [Depends(may_read)]
    parts = (status, probes, runs, timings, slowness, slo, incidents, maintenance, costs, resources, events)
    for part in parts:
        app.include_router(part.router, prefix=PREFIX, dependencies=reading, responses=responses(401, 403))
    for acts_here in (acting.router, maintenance.acting, probes.acting):
        app.include_router(acts_here, prefix=PREFIX)
    app.include_router(operations.router)
    app.include_router(badges.router)
    app.include_router(pages.router, include_in_schema=False, dependencies=reading)
    app.mount("/static", KeptFiles(directory=STATIC), name="static")
    app.add_middleware(Etags)
    app.add_middleware(BoundedBodies)
    app.add_middleware(GZipMiddleware, minimum_size=_WORTH_COMPRESSING_BYTES)
    app.add_middleware(HeadIsGet)
    app.add_middleware(CommonHeaders)
    answer_problems(app)
    app.openapi = partial(document, app)  # type: ignore[method-assign]
    return app
